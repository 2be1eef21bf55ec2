"""Farewell: what becomes of an attempt that a budget does not admit. A caller hears a sentence, never a silence.

A language model's stream says the sentence instead of a reply, and its session ends once that was spoken. A stream of
speech to text goes deaf instead of failing: LiveKit would open another every half second, and close the session after
the fourth without a word. A voice stays silent; the goodbye's own is never refused. Outside of a session a language
model says the sentence, and the others raise.
"""

import asyncio
import functools
from typing import Any, Final

from voicegateway.budgets.refusal import BudgetRefused, MoneyRefusal
from voicegateway.record import BUDGET_USED_UP, SESSION_ENDED, RequestRecord
from voicegateway.runtime import Runtime
from voicegateway.sessions import LiveSession

PAYMENT_REQUIRED: Final = 402
TOO_MANY_REQUESTS: Final = 429
PASSING: Final = ("scarce", "learning")
"""Reasons that a moment may take away: a slow answer of ours must not end a call. LiveKit retries for four seconds."""
CLIENT_CLOSED: Final = 499
"""LiveKit ends a stream that raises this without an error, and without a retry."""


def is_goodbye(record: RequestRecord) -> bool:
    """Whether a request is the voice of a session's goodbye, which is never refused."""
    ending = None if record.live is None else record.live.ending
    return ending is not None and record.modality == "tts" and record.speech_id in ending.speech_ids


def refusal_of_our_own(record: RequestRecord, runtime: Runtime) -> MoneyRefusal | None:
    """Why a request is refused before any budget is asked: a guard has stopped its session's next turn.

    Raises:
        SessionEnds: its session is ending; nothing more is thought or heard in it.
    """
    live: LiveSession | None = record.live
    if live is not None and live.ending is not None and record.modality != "tts":
        raise SessionEnds
    refusal = runtime.guards.refusal(record)
    if refusal is None or is_goodbye(record) or _is_paid(record):
        return None
    return refusal


class SessionEnds(Exception):
    """A request came while its session is ending."""


def note(record: RequestRecord, refused: BudgetRefused | SessionEnds) -> None:
    """Note that an attempt is not admitted."""
    if isinstance(refused, SessionEnds):
        record.refuse_attempt(SESSION_ENDED)
    else:
        record.refuse_attempt(BUDGET_USED_UP, budget_id=refused.refusal.budget_id)


async def turn_away(record: RequestRecord, runtime: Runtime, refused: BudgetRefused | SessionEnds) -> None:
    """End an attempt that is not admitted, in the way its caller can live with; within its stream's `_run`.

    Raises:
        APIStatusError: 429, to be retried, where the money is only elsewhere for a moment; 402, never to be retried,
            where there is no session to say goodbye in, or another model may still be asked; 499 from a voice, which
            LiveKit takes for a quiet end.
    """
    live: LiveSession | None = record.live
    if isinstance(refused, SessionEnds):
        record.turn_away()
    else:
        if refused.refusal.reason in PASSING and _is_tried_again(record):
            raise _error(f"voicegateway: {refused}", TOO_MANY_REQUESTS, _body(refused.refusal), is_retryable=True)
        record.turn_away()
        if is_followed(record):
            raise api_error(record, refused.refusal)
        if live is None:
            _say_to_nobody_in_particular(record, refused.refusal)
            return
        _end_session(record, runtime, live, refused.refusal)
    if record.modality == "stt" and record.mode == "streaming":
        await _be_deaf(record.stream)
    elif record.modality == "tts":
        raise _error("voicegateway: nothing is said, for a budget is used up", CLIENT_CLOSED, {})


def api_error(record: RequestRecord, refusal: MoneyRefusal) -> Exception:
    """The error of a refused request that has nobody to say goodbye to."""
    return _error(
        f"voicegateway: the budget {refusal.budget_id!r} refuses this request "
        f"({record.facts.provider}/{record.model}: {refusal.reason})",
        PAYMENT_REQUIRED,
        _body(refusal),
    )


def _body(refusal: MoneyRefusal) -> dict[str, Any]:
    return {"budget": refusal.budget_id, "reason": refusal.reason, "retry_after_ms": refusal.retry_after_ms}


def _is_tried_again(record: RequestRecord) -> bool:
    """Whether LiveKit will make another attempt of an error that may be retried."""
    if (passage := record.passage) is not None and passage.origin is not None:
        return _is_tried_again(passage.origin)
    options = getattr(record.stream, "_conn_options", None)
    # A stream of speech to text counts its failures anew after each success.
    failed = getattr(record.stream, "_num_retries", record.attempts + record.limited - 1)
    return options is not None and failed < options.max_retry


def _say_to_nobody_in_particular(record: RequestRecord, refusal: MoneyRefusal) -> None:
    if record.modality != "llm":
        raise api_error(record, refusal)
    _say(record, refusal.sentence)


def _end_session(record: RequestRecord, runtime: Runtime, live: LiveSession, refusal: MoneyRefusal) -> None:
    """End the session once; the stream of a language model says the sentence itself."""
    speech = _speech() if record.modality == "llm" else None
    is_first = runtime.sessions.end_one(
        live,
        refusal.sentence,
        f"budget {refusal.budget_id!r} refused a request ({record.modality}, {refusal.reason})",
        budget_id=refusal.budget_id,
        carrier=speech,
    )
    if is_first and record.modality == "llm":
        _say(record, refusal.sentence)


def _say(record: RequestRecord, sentence: str) -> None:
    """Emit a sentence as a language model would, uncounted: no vendor has sent it."""
    from livekit.agents.llm import ChatChunk, ChoiceDelta

    channel = record.stream._event_ch
    chunk = ChatChunk(id=record.request_id, delta=ChoiceDelta(role="assistant", content=sentence))
    # Our own hook is on the instance.
    type(channel).send_nowait(channel, chunk)


async def _be_deaf(stream: Any) -> None:
    """Take what is heard and do nothing with it, until the stream is closed or its audio ends."""
    async for _ in stream._input_ch:
        await asyncio.sleep(0)


def _is_paid(record: RequestRecord) -> bool:
    """Whether a voice says what an admitted language model wrote: running speech finishes."""
    return record.modality == "tts" and record.live is not None and record.speech_id in record.live.paid


def is_followed(record: RequestRecord) -> bool:
    """Whether another model will be asked, which this budget may not be about: of a route, or by a FallbackAdapter."""
    if (passage := record.passage) is not None and passage.origin is not None:
        # Beside a hedge runs the one that it hedges.
        return passage.cause == "hedge" or not passage.is_last
    session = None if record.live is None else record.live.session()
    adapter = getattr(getattr(session, "_activity", None), record.modality, None)
    members: list[Any] = getattr(adapter, f"_{record.modality}_instances", [])
    return any(member is record.owner for member in members[:-1])


def _speech() -> Any:
    variable = speech_variable()
    return None if variable is None else variable.get(None)


@functools.cache
def speech_variable() -> Any:
    """LiveKit's context variable of the speech that runs; None when it has none any more."""
    from livekit.agents.voice import agent_activity

    return getattr(agent_activity, "_SpeechHandleContextVar", None)


def _error(message: str, status_code: int, body: dict[str, Any], *, is_retryable: bool = False) -> Exception:
    from livekit.agents import APIStatusError

    return APIStatusError(message, status_code=status_code, body=body, retryable=is_retryable)
