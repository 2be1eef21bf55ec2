"""One process that asks our lease book at its own moments: the shim's book, syncer and connection, a real controller.

Run by the benchmark: python -m benchmarks.limits.holder '<job as JSON>'
"""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.limits.asker import LATE_NS, NS_PER_S, finish, moments, told_to_begin
from benchmarks.limits.limiters import now_ns
from benchmarks.limits.log import AskLog

from voicegateway.limits.book import LeaseBook, Refusal, Ticket
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.line import Plan, Waiter
from voicegateway.limits.signals import Signals
from voicegateway.limits.sync_connection import SyncConnection
from voicegateway.limits.syncer import Syncer
from voicegateway_shared.ids import Incarnation
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import SessionPresence
from voicegateway_shared.wire.sync import OutboxState

PROJECT: Final = "bench"
ONE: Final = {"requests": 1}
READY_S: Final = 20.0


class Caller:
    """What a syncer tells of its process: one call, an empty outbox."""

    hook_errors = 0

    def __init__(self, name: str) -> None:
        started = "2026-01-01T00:00:00Z"
        self._calls = (SessionPresence(session_id=name, project=PROJECT, started_at=started),)

    def carried(self) -> tuple[SessionPresence, ...]:
        """Return the one call."""
        return self._calls

    def outbox_state(self) -> tuple[OutboxState, bool]:
        """Return that nothing waits."""
        return OutboxState(), False

    def hook_failed(self, where: str, error: BaseException) -> None:
        """An error of ours makes the run worthless."""
        print(f"{where}: {error!r}", file=sys.stderr, flush=True)


class Asker:
    """Asks the book as `instrument/admission.py` does, without its event loop; lives as long as the run."""

    def __init__(self, book: LeaseBook, plan: Plan, log: AskLog, *, wait_ms: int) -> None:
        self._book, self._plan, self._log = book, plan, log
        self._wait_ns = wait_ms * 1_000_000
        self._line: deque[tuple[Waiter, int, int]] = deque()

    def ask(self) -> None:
        """Ask for one request, and stand in line where that is allowed."""
        before_ns = now_ns()
        ticket = self._book.try_admit(self._plan, ONE)
        if ticket is not None:
            ticket.settle(ONE)
            self._log.answered(before_ns, now_ns(), is_admitted=True)
            return

        def wake(outcome: Ticket | Refusal) -> None:
            woken_ns = now_ns()
            if isinstance(outcome, Ticket):
                outcome.settle(ONE)
                self._log.admitted_ns.extend((woken_ns, woken_ns))
            self._log.took_ns.append(woken_ns - before_ns)

        waiter = self._book.wait(self._plan, ONE, until_ns=boot_ns() + self._wait_ns, wake=wake)
        self._line.append((waiter, before_ns, before_ns + self._wait_ns))
        self.give_up()

    def give_up(self) -> int | None:
        """Let those leave the line who have waited long enough; return when the next has."""
        while self._line:
            waiter, before_ns, until_ns = self._line[0]
            if now_ns() < until_ns:
                return until_ns
            self._line.popleft()
            if self._book.cancel(waiter) is not None:
                self._log.took_ns.append(now_ns() - before_ns)
        return None


def main() -> None:
    """Ask as the job says and write the log."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    name = f"bench-{job['seed']}-{time.monotonic_ns()}"
    book = LeaseBook()
    connection = SyncConnection(job["url"], job["token"])
    syncer = Syncer(connection, Incarnation(name), book=book, signals=Signals(), holder=Caller(name))
    syncer.start()
    for load in job["loads"]:
        plan, log = _plan(book, f"{job['key']}-{load}"), AskLog()
        begin_ns = told_to_begin(log)
        run(Asker(book, plan, log, wait_ms=job["wait_ms"]), log, moments(job, load), begin_ns)
        finish(log, job, load)
    syncer.leave()


def _plan(book: LeaseBook, model: str) -> Plan:
    """Return the leases for a model, once the controller has told the limits."""
    target = Target(provider="openai", model=model, modality="llm", project=PROJECT)
    deadline_ns = now_ns() + int(READY_S * NS_PER_S)
    while now_ns() < deadline_ns:
        plan = book.plan_for(target, "live") if book.revision >= 0 else None
        if plan is not None:
            return plan
        time.sleep(0.02)
    raise SystemExit("the controller told no limits")


def run(asker: Asker, log: AskLog, at: Iterator[float], begin_ns: int) -> None:
    """Ask at each moment, or at once when it has passed; then let the line end."""
    for moment in at:
        due_ns = begin_ns + int(moment * NS_PER_S)
        _sleep_until(asker, due_ns)
        log.late += now_ns() - due_ns > LATE_NS
        asker.ask()
    while (leaves_ns := asker.give_up()) is not None:
        _sleep_until(asker, leaves_ns)


def _sleep_until(asker: Asker, due_ns: int) -> None:
    while (missing_ns := min(due_ns, asker.give_up() or due_ns) - now_ns()) > 0:
        time.sleep(missing_ns / NS_PER_S)
        if now_ns() >= due_ns:
            return


if __name__ == "__main__":
    main()
