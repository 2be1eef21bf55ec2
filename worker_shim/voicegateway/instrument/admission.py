"""Admission: each attempt asks the fleet's budgets and limits before it asks its vendor. An error of ours admits.

Money first: a limit's units that were taken would have to be given back for want of it, and others were held up.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Final

from voicegateway.budgets.refusal import BudgetRefused
from voicegateway.instrument import farewell, spending, turn
from voicegateway.instrument.turn import Turn, from_thread
from voicegateway.limits import amounts
from voicegateway.limits.book import LeaseBook, Refusal, Ticket
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.line import Plan, Waiter
from voicegateway.record import RequestRecord
from voicegateway.runtime import Limits, Runtime
from voicegateway.target import target_of
from voicegateway_shared.worker_section import ADMIT_WAIT_MS_MAX

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
LIMITS_WAIT_S: Final = 0.5
"""A process asks once which limits there are; a controller that needs longer to answer is not waited for."""


class Admission:
    """One attempt's part of the limits, from its admission to its end."""

    __slots__ = ("_audio_ms_before", "_record", "_runtime", "_ticket")

    def __init__(self, record: RequestRecord, runtime: Runtime, ticket: Ticket) -> None:
        self._record, self._runtime, self._ticket = record, runtime, ticket
        self._audio_ms_before = amounts.audio_ms(record) if record.modality == "stt" else 0

    def progress(self) -> None:
        """Tell what a stream has spent so far. Called from the runtime's thread."""
        told = amounts.spent_so_far(self._record, audio_ms_before=self._audio_ms_before)
        if told is not None:
            self._ticket.progress(*told)

    def settle(self) -> None:
        """Replace the estimate by the truth and free the slot; never raises, idempotent."""
        self._record.ticket = None
        try:
            spent = amounts.spent(self._record, self._runtime.habits, audio_ms_before=self._audio_ms_before)
        except Exception as error:  # noqa: BLE001 - the estimate stands, and the slot must be freed
            self._runtime.hook_failed("limits.spent", error)
            spent = {}
        give_back(self._runtime, self._ticket, spent)


class Pending:
    """An attempt that was not admitted at once. Made and awaited within the attempt."""

    __slots__ = ("_lack", "_limits", "_place", "_record", "_runtime")

    def __init__(
        self,
        record: RequestRecord,
        runtime: Runtime,
        limits: Limits,
        *,
        lack: spending.Lack | None = None,
        place: tuple[Plan, Mapping[str, int]] | None = None,
    ) -> None:
        self._record, self._runtime, self._limits = record, runtime, limits
        self._lack = lack
        """What it could not have of its budgets."""
        self._place = place
        """What it could not have of the limits at once; its money is held already."""

    async def admitted(self) -> Admission | None:
        """Wait for money and limits; None when no limit holds, or something of ours is wrong.

        Raises:
            BudgetRefused: a budget is used up, or no controller can say that it is not.
            APIStatusError: 429, to be retried: a limit is used up, or likewise.
        """
        record, runtime = self._record, self._runtime
        since_ns = boot_ns()
        refusal: Exception | None = None
        try:
            outcome = await self._wait()
            if isinstance(outcome, Refusal):
                refusal = _error(record, outcome)
                record.refuse_attempt()
        except BudgetRefused:
            spending.give_back(record, runtime)
            raise
        except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
            runtime.hook_failed("limits.wait", error)
            return None
        except BaseException:
            spending.give_back(record, runtime)
            raise
        finally:
            record.admission_wait_ns += boot_ns() - since_ns
        if refusal is not None:
            spending.give_back(record, runtime)
            raise refusal
        return _admission(record, runtime, outcome) if isinstance(outcome, Ticket) else None

    async def _wait(self) -> Ticket | Refusal | None:
        wait_ms = min(max(self._runtime.options.admit_wait_ms, 0), ADMIT_WAIT_MS_MAX)
        record, book, lack = self._record, self._limits.book, self._lack
        if self._place is not None:
            return await self._queue(*self._place, wait_ms / 1000)
        if not self._limits.syncer.first_word.is_heard:
            await self._first_word()
            lack = spending.hold(record, self._runtime)
        since_ns = boot_ns()
        if lack is not None:
            await self._hold(lack, wait_ms / 1000)
        plan = book.plan_for(target_of(record), record.identity.priority)
        if plan is None:
            return None
        asked = amounts.estimated(record, self._runtime.habits)
        left_s = max(0.0, wait_ms / 1000 - (boot_ns() - since_ns) / NS_PER_S)
        return book.try_admit(plan, asked) or await self._queue(plan, asked, left_s)

    async def _hold(self, lack: spending.Lack, wait_s: float) -> None:
        try:
            refusal = await lack.wait(wait_s)
        except Exception as error:  # noqa: BLE001 - our bug must never refuse a call, and limits hold all the same
            self._runtime.hook_failed("budgets.wait", error)
            return
        if refusal is not None:
            raise BudgetRefused(refusal)

    async def _first_word(self) -> None:
        first_word = self._limits.syncer.first_word
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[None] = loop.create_future()
        first_word.when_heard(functools.partial(from_thread, loop, _set, heard, None))
        await asyncio.wait((heard,), timeout=LIMITS_WAIT_S)

    async def _queue(self, plan: Plan, asked: Mapping[str, int], wait_s: float) -> Ticket | Refusal:
        """Wait in line; whoever stops waiting leaves it, and a ticket that comes too late goes back."""
        # Where nothing is to wait nothing does, and another model may be asked sooner than a slow controller answers.
        is_patient = self._runtime.options.admit_wait_ms > 0 and not farewell.is_followed(self._record)
        queue = _LimitQueue(self._runtime, self._limits.book, plan, asked, round(wait_s * 1000), is_patient=is_patient)
        outcome = await Turn(queue).outcome(wait_s)
        return outcome or Refusal(plan.leases[0].spec.id, round(turn.LAST_MOMENT_S * 1000), "limit")


def ask(record: RequestRecord, runtime: Runtime) -> Admission | Pending | None:
    """Admit an attempt at once where that can be said: None when no limit is about it, and its money is held."""
    limits = runtime.limits
    if limits is None:
        return None
    try:
        if not limits.syncer.first_word.is_heard:
            return Pending(record, runtime, limits)
        lack = spending.hold(record, runtime)
        if lack is not None:
            return Pending(record, runtime, limits, lack=lack)
        book = limits.book
        plan = book.plan_for(target_of(record), record.identity.priority)
        if plan is None:
            return None
        asked = amounts.estimated(record, runtime.habits)
        ticket = book.try_admit(plan, asked)
        if ticket is None:
            return Pending(record, runtime, limits, place=(plan, asked))
        return _admission(record, runtime, ticket)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("limits.ask", error)
        return None


class _LimitQueue:
    """The line of the lease book, for one attempt."""

    def __init__(
        self,
        runtime: Runtime,
        book: LeaseBook,
        plan: Plan,
        asked: Mapping[str, int],
        wait_ms: int,
        *,
        is_patient: bool,
    ) -> None:
        self._runtime, self._book, self._plan, self._asked = runtime, book, plan, asked
        self._wait_ms, self._is_patient = wait_ms, is_patient

    def join(self, wake: Callable[[Ticket | Refusal], None]) -> Waiter:
        until_ns = boot_ns() + self._wait_ms * NS_PER_MS
        return self._book.wait(self._plan, self._asked, until_ns=until_ns, wake=wake)

    def is_unheard(self, waiter: Waiter) -> bool:
        # A refusal is retried, but what a slow controller grants meanwhile may have gone back before that.
        return self._is_patient and self._book.is_unheard(waiter)

    def leave(self, waiter: Waiter) -> Ticket | Refusal | None:
        return self._book.cancel(waiter)

    def give_back(self, outcome: Ticket | Refusal) -> None:
        if isinstance(outcome, Ticket):
            give_back(self._runtime, outcome, amounts.nothing(self._asked))

    def failed(self, error: BaseException) -> None:
        self._runtime.hook_failed("limits.cancel", error)


def give_back(runtime: Runtime, ticket: Ticket, spent: Mapping[str, int]) -> None:
    """Settle a ticket; never raises."""
    try:
        ticket.settle(spent)
    except Exception as error:  # noqa: BLE001 - an attempt has ended and must not hear of our errors
        runtime.hook_failed("limits.settle", error)


def _admission(record: RequestRecord, runtime: Runtime, ticket: Ticket) -> Admission:
    admission = Admission(record, runtime, ticket)
    record.ticket = admission
    return admission


def _set(future: "asyncio.Future[None]", value: None) -> None:
    if not future.done():
        future.set_result(value)


def _error(record: RequestRecord, refusal: Refusal) -> Exception:
    from livekit.agents import APIStatusError

    return APIStatusError(
        f"voicegateway: {_REASONS.get(refusal.reason, _REASONS['limit']).format(pool=refusal.pool)} "
        f"({record.facts.provider}/{record.model}); try again in {refusal.retry_after_ms / 1000:.1f} s",
        status_code=429,
        body={"pool": refusal.pool, "reason": refusal.reason, "retry_after_ms": refusal.retry_after_ms},
        retryable=True,
    )


_REASONS: Final[Mapping[str, str]] = {
    "limit": "the fleet's limit {pool!r} is used up",
    "paused": "the vendor refused requests under the limit {pool!r}, and the fleet is holding back",
    "learning": "the limit {pool!r} is being counted anew after a loss of memory",
    "closed": "no controller answers, and the limit {pool!r} says `offline: closed`",
}
