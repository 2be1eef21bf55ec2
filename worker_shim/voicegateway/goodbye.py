"""Goodbye: how one running `AgentSession` is brought to its end, on its own loop, by its public methods only."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

END_WITHIN_S: Final = 1.0
"""What the agent is saying may be finished within; then it is cut short: a caller hears the sentence within two."""
STARTED_WITHIN_S: Final = 3.0
"""A session that is ended while it still starts: its agent enters within this, or nothing is said."""
SOUND_WITHIN_S: Final = 5.0
"""A sentence of which nothing is heard by then is not waited for: the voice's vendor is down."""
SAID_WITHIN_S: Final = 30.0
"""The longest sentence takes about twenty seconds."""
CUT_WITHIN_S: Final = 1.0
"""LiveKit cuts a speech within a few milliseconds, and gives it up after five seconds."""
CLOSED_WITHIN_S: Final = 5.0
"""A session closes when its tools have ended; one that does not is left to the end of its job."""

VERBATIM: Final = 'Say exactly this, word for word and nothing else: "{sentence}"'
"""What a realtime model is told when it is to say the goodbye."""

Heard = Literal["said", "silent", "lost"]
"""`silent`: no sound came of it. `lost`: it was interrupted, or something else was said in its place."""


async def say_goodbye(
    session: Any, sentence: str, *, carrier: Any = None, on_speech: Callable[[str], None] = lambda speech_id: None
) -> bool:
    """Have the caller hear a sentence, once, and say whether that worked; bounded, whatever the vendors do.

    Args:
        session: The `AgentSession`.
        sentence: What to say.
        carrier: The speech that says it already, if one does: a reply of a language model that was refused.
        on_speech: Told the id of the speech that is made to say it, before its voice is asked for.
    """
    if carrier is not None:
        _protect(carrier)
        heard = await _heard(session, carrier, sentence)
        if heard != "lost":
            return heard == "said"
    else:
        await _let_finish(session)
    await _started(session)
    try:
        speech = session.say(sentence, allow_interruptions=False)
    except RuntimeError:
        # It has no voice of its own, or is closing already.
        speech = _asked_to_say(session, sentence)
        if speech is None:
            return False
        # A model that speaks by itself may not say it to the letter.
        sentence = ""
    on_speech(speech.id)
    return await _heard(session, speech, sentence) == "said"


def _asked_to_say(session: Any, sentence: str) -> Any:
    """Have a realtime model say a sentence; None when the session has none, or is closing."""
    from livekit.agents.llm import RealtimeModel

    try:
        if not isinstance(session.current_agent.realtime_llm_session.realtime_model, RealtimeModel):
            return None
        return session.generate_reply(instructions=VERBATIM.format(sentence=sentence))
    except (RuntimeError, AttributeError):
        return None


async def shut_down(session: Any) -> bool:
    """Close a session as `session.shutdown()` does, and say whether it has closed within the bound."""
    closed = asyncio.Event()
    with _listening(session, "close", lambda _: closed.set()):
        session.shutdown(drain=True)
        return await _within(closed.wait(), CLOSED_WITHIN_S)


async def _let_finish(session: Any) -> None:
    """Let the agent finish what it is saying, for a moment; a reply of which nothing is heard yet is not waited for."""
    speech = session.current_speech
    if speech is None:
        return
    if session.agent_state == "speaking":
        await _done(speech, END_WITHIN_S)
    try:
        cut = session.interrupt(force=True)
    except RuntimeError:
        return
    await asyncio.wait((cut,), timeout=CUT_WITHIN_S)


async def _heard(session: Any, speech: Any, sentence: str) -> Heard:
    """Wait until a speech is over, or is known not to be heard; it is stopped then."""
    ended, sounding = asyncio.Event(), asyncio.Event()

    def speech_ended(_: Any) -> None:
        ended.set()
        sounding.set()

    def state_changed(_: Any) -> None:
        if session.agent_state == "speaking":
            sounding.set()

    speech.add_done_callback(speech_ended)
    with _listening(session, "agent_state_changed", state_changed):
        state_changed(None)
        if await _within(sounding.wait(), SOUND_WITHIN_S):
            await _within(ended.wait(), SAID_WITHIN_S)
    if not ended.is_set():
        is_awaited = speech.scheduled
        speech.interrupt(force=True)
        await _within(ended.wait(), CUT_WITHIN_S)
        return "silent" if is_awaited else "lost"
    if speech.interrupted or not _is_in(speech, sentence):
        return "lost" if speech.exception() is None else "silent"
    return "said"


def _is_in(speech: Any, sentence: str) -> bool:
    return any(sentence in (getattr(item, "text_content", None) or "") for item in speech.chat_items)


def _protect(speech: Any) -> None:
    """Let nobody talk over it, unless that has happened."""
    try:
        speech.allow_interruptions = False
    except RuntimeError:
        return


async def _started(session: Any) -> None:
    started = asyncio.Event()

    def state_changed(_: Any) -> None:
        if session.agent_state != "initializing":
            started.set()

    with _listening(session, "agent_state_changed", state_changed):
        state_changed(None)
        await _within(started.wait(), STARTED_WITHIN_S)


async def _done(speech: Any, timeout_s: float) -> None:
    done = asyncio.Event()
    speech.add_done_callback(lambda _: done.set())
    await _within(done.wait(), timeout_s)


async def _within(waiting: Any, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await waiting
    except TimeoutError:
        return False
    return True


@contextmanager
def _listening(session: Any, event: str, handler: Any) -> Iterator[None]:
    session.on(event, handler)
    try:
        yield
    finally:
        session.off(event, handler)
