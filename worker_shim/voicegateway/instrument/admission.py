"""Admission: each attempt asks the fleet's limits before it asks its vendor. An error of ours always admits."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, Final

from voicegateway.limits import amounts
from voicegateway.limits.book import LeaseBook, Refusal, Ticket
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.line import Plan, Waiter
from voicegateway.options import ADMIT_WAIT_MS_MAX
from voicegateway.record import RequestRecord
from voicegateway.runtime import Limits, Runtime
from voicegateway.target import target_of

NS_PER_MS: Final = 1_000_000
LIMITS_WAIT_S: Final = 0.5
"""A process asks once which limits there are; a controller that needs longer to answer is not waited for."""
LAST_MOMENT_S: Final = 1.0
"""From another thread's call to our loop's turn; a loop that needs longer has other troubles."""


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

    __slots__ = ("_limits", "_place", "_record", "_runtime")

    def __init__(
        self,
        record: RequestRecord,
        runtime: Runtime,
        limits: Limits,
        place: tuple[Plan, Mapping[str, int]] | None = None,
    ) -> None:
        self._record, self._runtime, self._limits = record, runtime, limits
        self._place = place
        """What it could not have at once; None when nobody has told yet which limits there are."""

    async def admitted(self) -> Admission | None:
        """Wait for the limits; None when none holds, or something of ours is wrong.

        Raises:
            APIStatusError: 429, to be retried: a limit is used up, or no controller can say that it is not.
        """
        record, runtime = self._record, self._runtime
        since_ns = boot_ns()
        refusal: Exception | None = None
        try:
            outcome = await self._wait()
            if isinstance(outcome, Refusal):
                refusal = _error(record, outcome)
                record.refuse_attempt()
        except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
            runtime.hook_failed("limits.wait", error)
            return None
        finally:
            record.admission_wait_ns += boot_ns() - since_ns
        if refusal is not None:
            raise refusal
        return _admission(record, runtime, outcome) if isinstance(outcome, Ticket) else None

    async def _wait(self) -> Ticket | Refusal | None:
        if self._place is not None:
            return await self._queue(*self._place)
        await self._first_word()
        record, book = self._record, self._limits.book
        plan = book.plan_for(target_of(record), record.identity.priority)
        if plan is None:
            return None
        asked = amounts.estimated(record, self._runtime.habits)
        return book.try_admit(plan, asked) or await self._queue(plan, asked)

    async def _first_word(self) -> None:
        first_word = self._limits.syncer.first_word
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[None] = loop.create_future()
        first_word.when_heard(functools.partial(_from_thread, loop, _set, heard, None))
        await asyncio.wait((heard,), timeout=LIMITS_WAIT_S)

    async def _queue(self, plan: Plan, asked: Mapping[str, int]) -> Ticket | Refusal:
        """Wait in line; whoever stops waiting leaves it, and a ticket that comes too late goes back."""
        book = self._limits.book
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Ticket | Refusal] = loop.create_future()
        deliver = functools.partial(_deliver, self._runtime, answer, asked)
        wait_ms = min(max(self._runtime.options.admit_wait_ms, 0), ADMIT_WAIT_MS_MAX)
        waiter: Waiter = book.wait(
            plan,
            asked,
            until_ns=boot_ns() + wait_ms * NS_PER_MS,
            wake=functools.partial(_woken, loop, deliver, self._runtime, asked),
        )
        try:
            await asyncio.wait((answer,), timeout=wait_ms / 1000)
            if not answer.done() and (refusal := book.cancel(waiter)) is not None:
                return refusal
            # Woken at the last moment: the outcome is on its way through the loop.
            await asyncio.wait((answer,), timeout=LAST_MOMENT_S)
            if answer.done():
                return answer.result()
            self._leave_line(book, waiter, answer, asked)
            return Refusal(plan.leases[0].spec.id, round(LAST_MOMENT_S * 1000), "limit")
        except BaseException:
            self._leave_line(book, waiter, answer, asked)
            raise

    def _leave_line(
        self, book: LeaseBook, waiter: Waiter, answer: "asyncio.Future[Ticket | Refusal]", asked: Mapping[str, int]
    ) -> None:
        """Give back what has come or is still to come; never raises, for a cancellation is on its way."""
        try:
            if not answer.cancel():
                _deliver(self._runtime, answer, asked, answer.result())
            book.cancel(waiter)
        except Exception as error:  # noqa: BLE001 - an error here would hide the cancellation
            self._runtime.hook_failed("limits.cancel", error)


def ask(record: RequestRecord, runtime: Runtime) -> Admission | Pending | None:
    """Admit an attempt at once where that can be said: None when no limit is about it."""
    limits = runtime.limits
    if limits is None:
        return None
    try:
        if not limits.syncer.first_word.is_heard:
            return Pending(record, runtime, limits)
        book = limits.book
        plan = book.plan_for(target_of(record), record.identity.priority)
        if plan is None:
            return None
        asked = amounts.estimated(record, runtime.habits)
        ticket = book.try_admit(plan, asked)
        if ticket is None:
            return Pending(record, runtime, limits, (plan, asked))
        return _admission(record, runtime, ticket)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("limits.ask", error)
        return None


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


def _woken(
    loop: asyncio.AbstractEventLoop, deliver: Any, runtime: Runtime, asked: Mapping[str, int], outcome: Any
) -> None:
    """Called from the syncer's thread, once."""
    if not _from_thread(loop, deliver, outcome) and isinstance(outcome, Ticket):
        give_back(runtime, outcome, amounts.nothing(asked))


def _deliver(runtime: Runtime, answer: "asyncio.Future[Any]", asked: Mapping[str, int], outcome: Any) -> None:
    if not answer.done():
        answer.set_result(outcome)
    elif isinstance(outcome, Ticket):
        give_back(runtime, outcome, amounts.nothing(asked))


def _from_thread(loop: asyncio.AbstractEventLoop, call: Any, *args: Any) -> bool:
    """Call on a loop that may have been closed meanwhile; say whether it will be called."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


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
