"""One request's money in a process that holds leases: reserving and settling, beside a limit's admission in one run.

Run: python -m benchmarks.bench_budget_admission

No I/O, garbage collection on, a message to a controller that grants all after each `SYNC_EVERY` requests. Two readings
of the clock are in each figure; the last column says what they take by themselves.
"""

import gc
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.limits import local

from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.budgets.ticket import MoneyTicket
from voicegateway.limits.lease import boot_ns
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.budgets.budget import BudgetAction
from voicegateway_shared.budgets.window import WindowKind
from voicegateway_shared.limits import Selector
from voicegateway_shared.wire import BudgetPool, MoneyAnswer, MoneyClaim, MoneyLease

REQUESTS: Final = 200_000
SYNC_EVERY: Final = 1_000
"""Requests between two messages: one second at 1,000 requests per second."""
RESERVED: Final = 1_700_000
SPENT: Final = 90_000
PLENTY: Final = 2**52
SESSION: Final = "AJ_1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Microseconds of one reservation with its settlement; two readings of the clock are in each figure."""

    reserve_p50: float
    reserve_p99: float
    both_p50: float
    both_p99: float
    clock_p50: float


def main() -> None:
    """Print microseconds of one request, median and 99th percentile."""
    print(f"{'':34}{'reserve':>8}{'p99':>8}{'+ settle':>10}{'p99':>8}{'clock':>8}")
    for label, pools in (
        ("1 budget", [_budget("fleet")]),
        ("3 budgets", [_budget("fleet"), _budget("month", "month"), _budget("acme")]),
        ("1 budget and 1 per session", [_budget("fleet"), _session_budget()]),
        ("1 budget that only warns", [_budget("fleet", action="warn")]),
    ):
        costs = measure(tuple(pools))
        _say(label, costs.reserve_p50, costs.reserve_p99, costs.both_p50, costs.both_p99, costs.clock_p50)
    for label, declared in (("a limit of 1 pool", local.ONE_POOL), ("limits: 2 rates, slots", local.THREE_POOLS)):
        limit = local.measure(declared)
        _say(label, limit.admit_p50, limit.admit_p99, limit.both_p50, limit.both_p99, limit.clock_p50)


def measure(pools: tuple[BudgetPool, ...]) -> Costs:
    """Reserve and settle one request after the other."""
    book = MoneyBook()
    book.claims(1)
    book.answered(1, MoneyAnswer(tag="t", budgets=pools))
    plan = book.known(local.TARGET, SESSION)
    assert plan is not None
    # The first request waits for the first lease.
    book.wait(plan, RESERVED, until_ns=boot_ns() + 1_000_000_000, wake=_give_back)
    reserve: list[int] = []
    both: list[int] = []
    clock: list[int] = []
    clock_ns = time.perf_counter_ns
    assert gc.isenabled()
    for number in range(REQUESTS):
        if number % SYNC_EVERY == 0:
            _sync(book, number // SYNC_EVERY + 2)
        begin = clock_ns()
        ticket = book.try_reserve(plan, RESERVED)
        reserved = clock_ns()
        assert ticket is not None
        ticket.settle(SPENT)
        settled = clock_ns()
        again = clock_ns()
        reserve.append(reserved - begin)
        both.append(settled - begin)
        clock.append(again - settled)
    return Costs(
        reserve_p50=_percentile(reserve, 50),
        reserve_p99=_percentile(reserve, 99),
        both_p50=_percentile(both, 50),
        both_p99=_percentile(both, 99),
        clock_p50=_percentile(clock, 50),
    )


def _budget(name: str, window: WindowKind = "day", *, action: BudgetAction = "block") -> BudgetPool:
    spec = BudgetSpec(id=name, selector=Selector(), amount_nano_usd=PLENTY, window=window, action=action)
    return BudgetPool(
        spec=spec, window_id="now", ends_in_ms=3_600_000, next_window_id="next", next_ends_in_ms=90_000_000
    )


def _session_budget() -> BudgetPool:
    spec = BudgetSpec(id="call", selector=Selector(), amount_nano_usd=PLENTY, window="session")
    return BudgetPool(spec=spec, window_id="")


def _give_back(outcome: MoneyTicket | MoneyRefusal) -> None:
    assert isinstance(outcome, MoneyTicket)
    outcome.settle(SPENT)


def _sync(book: MoneyBook, seq: int) -> None:
    """Say what is held, and be granted all that a second can need."""
    book.due_ns()
    claims = book.claims(seq)
    book.answered(seq, MoneyAnswer(tag="t", leases=tuple(map(_lease, claims))))


def _lease(claim: MoneyClaim) -> MoneyLease:
    return MoneyLease(pool=claim.pool, granted=claim.used + RESERVED * 2 * SYNC_EVERY, ttl_ms=600_000)


def _percentile(values: list[int], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100] / 1000


def _say(label: str, *us: float) -> None:
    reserve, reserve_p99, both, both_p99, clock = us
    print(f"{label:34}{reserve:8.2f}{reserve_p99:8.2f}{both:10.2f}{both_p99:8.2f}{clock:8.2f}")


if __name__ == "__main__":
    main()
