"""Spending: what one request holds of its budgets, from its first attempt until it has been priced.

Each attempt holds the most it may cost before its vendor hears of it; a stream that goes on holds its next stretch. An
error of ours always admits.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.cashier import Cashier
from voicegateway.budgets.pricing import ModelTariff, key_of
from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.budgets.ticket import MoneyPlan, MoneyTicket, MoneyWaiter
from voicegateway.instrument.turn import Turn, from_thread
from voicegateway.limits.lease import boot_ns
from voicegateway.record import RequestRecord
from voicegateway.runtime import Runtime
from voicegateway.target import target_of

NS_PER_S: Final = 1_000_000_000
TARIFF_WAIT_S: Final = 0.5
"""A model's prices are asked for once; a controller that needs longer is not waited for, and the ledger counts."""
MONEY_WAIT_S_MIN: Final = 0.25
"""A refusal for want of money ends a call: however little patience there is with limits, so long it is asked for."""
STRETCH_WAIT_NS: Final = 8 * NS_PER_S
"""Of a stretch of ten seconds that is held ahead, two have passed when the next is asked for."""


class Spending:
    """Lives as long as its request; ended by the cashier, with the ticket."""

    __slots__ = ("_attempts", "_base", "_record", "_runtime", "ticket")

    def __init__(self, record: RequestRecord, runtime: Runtime, ticket: MoneyTicket) -> None:
        self._record, self._runtime, self.ticket = record, runtime, ticket
        self._base = self._attempts = 0

    def total(self, amount: int) -> int:
        """Return what must be held in all, for an attempt that may cost so much and for those before it."""
        if self._record.modality == "stt" and self._record.mode == "streaming":
            # Its audio is counted over all attempts.
            return amount
        return self._base + amount

    def next_attempt(self) -> None:
        """Keep what the last attempt held, unless its vendor refused it: it may be billed without being told."""
        if self._record.attempts > self._attempts:
            self._attempts = self._record.attempts
            self._base = self._base if self._record.attempt.is_refused else self.ticket.held

    def give_back(self) -> None:
        """The attempt will not be made."""
        self.ticket.keep(self._base)

    def progress(self) -> None:
        """Hold the next stretch of a request that goes on. Called from the runtime's thread.

        What a model or a voice has begun is finished, whatever it costs. Listening is not: without money for the next
        stretch its session is ended, or, outside of one, its stream.
        """
        record, cashier = self._record, self._runtime.money
        tariff = None if cashier is None else cashier.tariffs.find(key_of(record))
        if cashier is None or tariff is None or record.outcome is not None or not record.attempts:
            return
        total = self.total(cashier.most_cost(record, tariff))
        if record.modality == "stt":
            self.ticket.extend(total, until_ns=boot_ns() + STRETCH_WAIT_NS, wake=self._stretched)
        else:
            self.ticket.extend_freely(total)

    def _stretched(self, outcome: MoneyTicket | MoneyRefusal) -> None:
        record = self._record
        if isinstance(outcome, MoneyTicket) or record.outcome is not None:
            return
        live, stream = record.live, record.stream
        if live is not None:
            reason = f"budget {outcome.budget_id!r} has no money for more listening ({outcome.reason})"
            self._runtime.sessions.end_one(live, outcome.sentence, reason, budget_id=outcome.budget_id)
        elif stream is not None:
            from_thread(stream._task.get_loop(), stream._task.cancel)


class Lack:
    """What an attempt could not hold at once."""

    __slots__ = ("_cashier", "_plan", "_record", "_runtime", "_tariff")

    def __init__(
        self, record: RequestRecord, runtime: Runtime, cashier: Cashier, plan: MoneyPlan, tariff: ModelTariff | None
    ) -> None:
        self._record, self._runtime, self._cashier, self._plan = record, runtime, cashier, plan
        self._tariff = tariff
        """None: not even its price is known."""

    async def wait(self, wait_s: float) -> MoneyRefusal | None:
        """Wait for the money; None when it is held, or nobody can say how much it would have to be."""
        tariff = self._tariff or await self._priced()
        if tariff is None:
            return None
        amount = self._cashier.most_cost(self._record, tariff)
        self._cashier.price_ended()
        held = _hold(self._record, self._runtime, self._cashier, self._plan, amount)
        if held is not None:
            return None
        money = self._record.money
        if money is None:
            money = self._record.money = Spending(
                self._record, self._runtime, MoneyTicket(self._cashier.book, self._plan)
            )
        queue = _MoneyQueue(self._runtime, self._cashier.book, money, money.total(amount))
        outcome = await Turn(queue).outcome(max(wait_s, MONEY_WAIT_S_MIN))
        # Whoever is woken and does not hear of it goes on: it is our loop that is slow.
        return outcome if isinstance(outcome, MoneyRefusal) else None

    async def _priced(self) -> ModelTariff | None:
        key, tariffs = key_of(self._record), self._cashier.tariffs
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[None] = loop.create_future()
        tariffs.when_known(key, partial(from_thread, loop, _set, heard))
        self._cashier.on_due()
        await asyncio.wait((heard,), timeout=TARIFF_WAIT_S)
        return tariffs.find(key)


def hold(record: RequestRecord, runtime: Runtime) -> Lack | None:
    """Hold what the next attempt may cost, if that is at hand; what it lacks otherwise. Never raises."""
    cashier = runtime.money
    if cashier is None:
        return None
    try:
        if record.money is not None:
            record.money.next_attempt()
        plan = cashier.book.known(target_of(record), record.identity.session_id)
        if plan is None or not plan.leases:
            return None
        tariff = cashier.tariffs.find(key_of(record))
        if tariff is None:
            cashier.met(record)
            is_vain = cashier.tariffs.is_vain(key_of(record))
            return None if is_vain else Lack(record, runtime, cashier, plan, None)
        held = _hold(record, runtime, cashier, plan, cashier.most_cost(record, tariff))
        return Lack(record, runtime, cashier, plan, tariff) if held is None else None
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("budgets.hold", error)
        return None


def give_back(record: RequestRecord, runtime: Runtime) -> None:
    """An attempt is not made after all; never raises."""
    try:
        if record.money is not None:
            record.money.give_back()
    except Exception as error:  # noqa: BLE001 - an attempt has ended and must not hear of our errors
        runtime.hook_failed("budgets.give_back", error)


def must_go_on(record: RequestRecord) -> bool:
    """Whether it is a voice that says what an admitted language model wrote, or the goodbye: neither is refused."""
    live = record.live
    if live is None or record.modality != "tts":
        return False
    return record.speech_id in live.paid or (live.ending is not None and record.speech_id in live.ending.speech_ids)


def _hold(record: RequestRecord, runtime: Runtime, cashier: Cashier, plan: MoneyPlan, amount: int) -> Spending | None:
    money: Spending | None = record.money
    if money is not None:
        total = money.total(amount)
        if must_go_on(record):
            money.ticket.extend_freely(total)
            return money
        return money if money.ticket.try_extend(total) else None
    if must_go_on(record):
        ticket: MoneyTicket | None = cashier.book.reserve_what_is_there(plan, amount)
    else:
        ticket = cashier.book.try_reserve(plan, amount)
    if ticket is None:
        return None
    record.money = money = Spending(record, runtime, ticket)
    return money


class _MoneyQueue:
    """The line of the book, for one attempt."""

    def __init__(self, runtime: Runtime, book: MoneyBook, money: Spending, total: int) -> None:
        self._runtime, self._book, self._money, self._total = runtime, book, money, total

    def join(self, wake: Callable[[MoneyTicket | MoneyRefusal], None]) -> MoneyWaiter:
        # Who waits leaves by itself.
        return self._book.wait_for_more(self._money.ticket, self._total, until_ns=boot_ns(), wake=wake)

    def is_unheard(self, waiter: MoneyWaiter) -> bool:
        # A refusal ends a call: not because the controller is slow, or the window has just begun for all at once.
        return self._book.is_unheard(waiter)

    def leave(self, waiter: MoneyWaiter) -> MoneyTicket | MoneyRefusal | None:
        return self._book.cancel(waiter)

    def give_back(self, outcome: MoneyTicket | MoneyRefusal) -> None:
        if isinstance(outcome, MoneyTicket):
            try:
                self._money.give_back()
            except Exception as error:  # noqa: BLE001 - an attempt has ended and must not hear of our errors
                self.failed(error)

    def failed(self, error: BaseException) -> None:
        self._runtime.hook_failed("budgets.wait", error)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
