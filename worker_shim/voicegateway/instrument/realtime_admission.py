"""Realtime admission: a response asks the fleet's budgets and limits before its vendor hears of it, where that can be.

A reply that the agent asks for waits for its admission. One that the vendor begins by itself, because a user has
stopped speaking, is stopped when it is not admitted. Either way a used-up budget ends the session with its farewell.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from voicegateway.budgets.refusal import BudgetRefused, MoneyRefusal
from voicegateway.instrument import admission, farewell
from voicegateway.record import RequestRecord

if TYPE_CHECKING:
    from voicegateway.instrument.realtime import SessionMeter

ASKED: ContextVar[RequestRecord | None] = ContextVar("voicegateway_realtime", default=None)
"""The response that is being asked for by whoever runs in this context."""
ASK_AGAIN_S: Final = 0.5
"""Money that is elsewhere for a moment is asked for again after this time; nobody else retries a realtime response."""
TIMES_MAX: Final = 4
RATE_LIMITED: Final = "rate_limit_exceeded"


def asked_first(generate_reply: Callable[..., Any], meter: "SessionMeter") -> Callable[..., Any]:
    """Return a `generate_reply` that asks for admission first; what it returns is a future as before."""

    def asked(*args: Any, **kwargs: Any) -> Any:
        try:
            record = meter.response()
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            meter.runtime.hook_failed("realtime.ask", error)
            return generate_reply(*args, **kwargs)
        try:
            pending = _ask(record, meter)
        except (BudgetRefused, farewell.SessionEnds) as refused:
            return _refused_future(record, meter, refused)
        except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
            meter.runtime.hook_failed("realtime.ask", error)
            pending = None
        if pending is None:
            return _made(record, meter, generate_reply, args, kwargs)
        outer: asyncio.Future[Any] = meter.loop.create_future()
        waiting = meter.loop.create_task(_admit(pending, record, meter), name="voicegateway-realtime-admission")

        def admitted(done: "asyncio.Task[None]") -> None:
            if outer.done() or done.cancelled():
                meter.settle(record, "cancelled")
                return
            error = done.exception()
            if error is None and meter.is_ended:
                error = ConnectionError("the realtime session has ended")
            if error is not None:
                outer.set_exception(_error(record, meter, error))
                return
            try:
                made = _made(record, meter, generate_reply, args, kwargs)
            except Exception as refused:  # noqa: BLE001 - whoever waits must hear of it
                outer.set_exception(refused)
                return
            _chain(made, outer)

        waiting.add_done_callback(admitted)
        # Whoever is interrupted meanwhile wants no reply any more.
        outer.add_done_callback(lambda future: waiting.cancel() if future.cancelled() else None)
        return outer

    return asked


def ask_afterwards(record: RequestRecord, meter: "SessionMeter") -> None:
    """Ask for a response that the vendor has begun by itself; it is stopped when it is not admitted."""
    try:
        pending = _ask(record, meter)
    except (BudgetRefused, farewell.SessionEnds) as refused:
        _stop(record, meter, refused)
        return
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        meter.runtime.hook_failed("realtime.ask", error)
        return
    if pending is None:
        return
    waiting = meter.loop.create_task(_admit(pending, record, meter), name="voicegateway-realtime-admission")

    def admitted(done: "asyncio.Task[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and record.outcome is None:
            _stop(record, meter, error)

    waiting.add_done_callback(admitted)


def _ask(record: RequestRecord, meter: "SessionMeter") -> admission.Pending | None:
    if _is_goodbye(record):
        return None
    if (refusal := farewell.refusal_of_our_own(record, meter.runtime)) is not None:
        raise BudgetRefused(refusal)
    asked = admission.ask(record, meter.runtime)
    return asked if isinstance(asked, admission.Pending) else None


def _is_goodbye(record: RequestRecord) -> bool:
    ending = None if record.live is None else record.live.ending
    return ending is not None and record.speech_id in ending.speech_ids


async def _admit(pending: admission.Pending, record: RequestRecord, meter: "SessionMeter") -> None:
    for times in range(1, TIMES_MAX + 1):
        try:
            await pending.admitted()
            return
        except BudgetRefused as refused:
            if refused.refusal.reason not in farewell.PASSING or times == TIMES_MAX:
                raise
        await asyncio.sleep(ASK_AGAIN_S)
        again = admission.ask(record, meter.runtime)
        if not isinstance(again, admission.Pending):
            return
        pending = again


def _made(
    record: RequestRecord, meter: "SessionMeter", generate_reply: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    token = ASKED.set(record)
    meter.asks(record)
    try:
        future = generate_reply(*args, **kwargs)
        meter.asked(record, future)
        return future
    except BaseException:
        meter.settle(record, "error")
        raise
    finally:
        ASKED.reset(token)


def _chain(inner: "asyncio.Future[Any]", outer: "asyncio.Future[Any]") -> None:
    """What becomes of the one becomes of the other."""

    def told(done: "asyncio.Future[Any]") -> None:
        if outer.done():
            return
        if done.cancelled():
            outer.cancel()
        elif (error := done.exception()) is not None:
            outer.set_exception(error)
        else:
            outer.set_result(done.result())

    inner.add_done_callback(told)
    outer.add_done_callback(lambda future: inner.cancel() if future.cancelled() else None)


def _refused_future(record: RequestRecord, meter: "SessionMeter", refused: BaseException) -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = meter.loop.create_future()
    future.set_exception(_error(record, meter, refused))
    return future


def _error(record: RequestRecord, meter: "SessionMeter", refused: BaseException) -> Exception:
    """Settle a response that is not admitted, end its session if a budget says so, and return what its asker hears."""
    from livekit.agents.llm import RealtimeError

    _turn_away(record, meter, refused)
    meter.settle(record, "cancelled" if meter.is_ended else "error")
    return RealtimeError(f"voicegateway: {refused}", code=RATE_LIMITED)


def _stop(record: RequestRecord, meter: "SessionMeter", refused: BaseException) -> None:
    if isinstance(refused, BudgetRefused):
        record.budget_id = refused.refusal.budget_id
        _end_session(record, meter, refused.refusal)
    meter.cancel(record)


def _turn_away(record: RequestRecord, meter: "SessionMeter", refused: BaseException) -> None:
    if isinstance(refused, BudgetRefused | farewell.SessionEnds):
        farewell.note(record, refused)
        record.turn_away()
    if isinstance(refused, BudgetRefused):
        _end_session(record, meter, refused.refusal)


def _end_session(record: RequestRecord, meter: "SessionMeter", refusal: MoneyRefusal) -> None:
    live = record.live
    if live is None:
        return
    reason = f"budget {refusal.budget_id!r} refused a request ({record.modality}, {refusal.reason})"
    meter.runtime.sessions.end_one(live, refusal.sentence, reason, budget_id=refusal.budget_id)
