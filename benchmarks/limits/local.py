"""One admission in a process that holds leases: `LeaseBook.try_admit` and `Ticket.settle`, no I/O, GC on."""

import gc
import time
from dataclasses import dataclass
from typing import Final

from voicegateway.limits.book import LeaseBook, Refusal, Ticket
from voicegateway.limits.lease import boot_ns
from voicegateway_shared.limits import PoolSpec, Target, parse_limits
from voicegateway_shared.wire import Claim, Lease, SyncResponse

REQUESTS: Final = 200_000
SYNC_EVERY: Final = 1_000
"""Requests between two messages: one second at 1,000 requests per second."""
PER_SECOND: Final = 1_000_000
TARGET: Final = Target(provider="openai", model="bench", modality="llm", project="bench")
ONE_POOL: Final[list[dict[str, object]]] = [{"provider": "openai", "requests_per_s": PER_SECOND, "burst": PER_SECOND}]
THREE_POOLS: Final[list[dict[str, object]]] = [
    {
        "provider": "openai",
        "requests_per_s": PER_SECOND,
        "tokens_per_min": "900m",
        "concurrent": 1_000,
        "burst": {"requests_per_s": PER_SECOND, "tokens_per_min": "900m"},
    }
]
ESTIMATED: Final = {"requests": 1, "tokens": 900}
ACTUAL: Final = {"requests": 1, "tokens": 640}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Microseconds of one admission with its settlement; two readings of the clock are in each figure."""

    pools: int
    admit_p50: float
    admit_p99: float
    both_p50: float
    both_p99: float
    clock_p50: float
    """What those readings take by themselves."""


def measure(limits: list[dict[str, object]]) -> Costs:
    """Admit and settle one request after the other, with a message to a controller that grants all in between."""
    book = LeaseBook()
    book.answered(0, SyncResponse(seq=0, next_sync_ms=1_000, limits_revision=1, pools=_pools(limits)))
    plan = book.plan_for(TARGET, "live")
    assert plan is not None
    # The first request waits for the first lease.
    book.wait(plan, ESTIMATED, until_ns=boot_ns() + 1_000_000_000, wake=_give_back)
    admit: list[int] = []
    both: list[int] = []
    clock: list[int] = []
    clock_ns = time.perf_counter_ns
    assert gc.isenabled()
    for number in range(REQUESTS):
        if number % SYNC_EVERY == 0:
            _sync(book, number // SYNC_EVERY + 1)
        estimated, actual = dict(ESTIMATED), dict(ACTUAL)
        begin = clock_ns()
        ticket = book.try_admit(plan, estimated)
        admitted = clock_ns()
        assert ticket is not None
        ticket.settle(actual)
        settled = clock_ns()
        again = clock_ns()
        admit.append(admitted - begin)
        both.append(settled - begin)
        clock.append(again - settled)
    return Costs(
        pools=len(plan.leases),
        admit_p50=_percentile(admit, 50),
        admit_p99=_percentile(admit, 99),
        both_p50=_percentile(both, 50),
        both_p99=_percentile(both, 99),
        clock_p50=_percentile(clock, 50),
    )


def _give_back(outcome: Ticket | Refusal) -> None:
    assert isinstance(outcome, Ticket)
    outcome.settle(ACTUAL)


def _pools(limits: list[dict[str, object]]) -> tuple[PoolSpec, ...]:
    return parse_limits(limits, providers=("openai",))


def _sync(book: LeaseBook, seq: int) -> None:
    """Say what is held, and be granted all that a second can need."""
    book.due_ns()
    claims = book.claims(seq)
    book.answered(seq, SyncResponse(seq=seq, next_sync_ms=1_000, limits_revision=1, leases=tuple(map(_lease, claims))))


def _lease(claim: Claim) -> Lease:
    granted = 100 if claim.pool.endswith(":concurrent") else claim.used + 900 * 2 * SYNC_EVERY
    return Lease(pool=claim.pool, project=claim.project, granted=granted, ttl_ms=3_000)


def _percentile(values: list[int], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100] / 1000
