"""One process of callers that pay from our money book: the shim's book, syncer and connection, a real controller.

Run by the benchmark: python -m benchmarks.budgets.holder '<job as JSON>'
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.limits.asker import NS_PER_S, finish, told_to_begin
from benchmarks.limits.holder import READY_S, Caller
from benchmarks.limits.limiters import now_ns
from benchmarks.limits.log import AskLog

from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.budgets.ticket import MoneyPlan, MoneyTicket
from voicegateway.limits.book import LeaseBook
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.signals import Signals
from voicegateway.limits.sync_connection import SyncConnection
from voicegateway.limits.syncer import Syncer
from voicegateway_shared.ids import Incarnation
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import MoneyAnswer, MoneyReport

WAIT_MS: Final = 250
"""What the shim waits unless told otherwise."""
Outcome = MoneyTicket | MoneyRefusal


class Money:
    """A money book as the syncer sees it; what a request costs is known here without a tariff."""

    def __init__(self) -> None:
        self.book = MoneyBook()
        self.on_due: Callable[[], None] = lambda: None
        self.book.on_due = lambda: self.on_due()

    def look(self) -> None:
        """Serve who waits."""
        self.book.serve()

    def due_ns(self) -> int | None:
        """When to speak."""
        return self.book.due_ns()

    def report(self, seq: int, *, is_leaving: bool = False) -> MoneyReport:
        """What to say."""
        return MoneyReport(tag=self.book.tag, claims=self.book.claims(seq, is_leaving=is_leaving))

    def answered(self, seq: int, answer: MoneyAnswer | None) -> None:
        """What was heard."""
        if answer is not None:
            self.book.answered(seq, answer)

    def failed(self, seq: int) -> None:
        """Nothing was."""
        self.book.failed(seq)


async def main() -> None:
    """Ask as the job says and write a log."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    [(load, terms)] = job["loads"].items()
    name = f"bench-{job['seed']}-{time.monotonic_ns()}"
    money = Money()
    syncer = Syncer(
        SyncConnection(job["url"], job["token"]), Incarnation(name), book=LeaseBook(), signals=Signals(),
        holder=Caller(name), money=money,
    )  # fmt: skip
    syncer.start()
    syncer.request_began()
    plan, log = await _plan(money.book, job["project"]), AskLog()
    begin_ns = await asyncio.to_thread(told_to_begin, log)
    await asyncio.sleep(max(0, begin_ns - now_ns()) / NS_PER_S)
    end_ns = begin_ns + int(job["seconds"] * NS_PER_S)
    await asyncio.gather(*(_call(money.book, plan, log, terms, end_ns) for _ in range(terms["callers"])))
    finish(log, job, load)
    await asyncio.to_thread(syncer.leave)


async def _plan(book: MoneyBook, project: str) -> MoneyPlan:
    """Return the budget, once the controller has told it."""
    target = Target(provider="openai", model="m", modality="llm", project=project)
    deadline_ns = now_ns() + int(READY_S * NS_PER_S)
    while now_ns() < deadline_ns:
        plan = book.known(target, "") if book.tag else None
        if plan is not None:
            return plan
        await asyncio.sleep(0.02)
    raise SystemExit("the controller told no budget")


async def _call(book: MoneyBook, plan: MoneyPlan, log: AskLog, terms: dict[str, Any], end_ns: int) -> None:
    """Make one request after the other; who is refused asks again a little later."""
    while (before_ns := now_ns()) < end_ns:
        ticket = book.try_reserve(plan, terms["cost_nano"]) or await _waited(book, plan, terms["cost_nano"])
        log.answered(before_ns, now_ns(), is_admitted=ticket is not None)
        await asyncio.sleep(terms["lasts_s"] if ticket is not None else terms["pause_s"])
        if ticket is not None:
            ticket.settle(terms["cost_nano"])


async def _waited(book: MoneyBook, plan: MoneyPlan, amount: int) -> MoneyTicket | None:
    """Stand in line as an attempt does."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Outcome] = loop.create_future()

    def wake(outcome: Outcome) -> None:
        loop.call_soon_threadsafe(answer.set_result, outcome)

    waiter = book.wait(plan, amount, until_ns=boot_ns() + WAIT_MS * 1_000_000, wake=wake)
    await asyncio.wait((answer,), timeout=WAIT_MS / 1000)
    outcome = book.cancel(waiter) if not answer.done() else answer.result()
    if outcome is None:
        outcome = await answer
    return outcome if isinstance(outcome, MoneyTicket) else None


if __name__ == "__main__":
    asyncio.run(main())
