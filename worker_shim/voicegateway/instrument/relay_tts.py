"""Relay of voices: before the first sound the next one says everything, after it the next one says the rest.

The stream's own voice gets an emitter of ours, which sends to the same channel as LiveKit's would: another voice can
take its place at any time, and in the end LiveKit's emitter becomes that of the voice that spoke last.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from voicegateway.instrument import relay
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.relay import TakeFloor
from voicegateway.instrument.speech import Outlet, Speech
from voicegateway.instrument.understudy import Understudy, note_start, when_asked
from voicegateway.record import RequestRecord
from voicegateway.routing.journey import Passage, is_relayed, passing
from voicegateway.runtime import current_runtime

SPEECH: Final = "_voicegateway_speech"
"""Where a stream that may be relayed keeps what it has said."""
LOOKS: Final = 4
"""So often within the time of a silence it is looked whether a voice has broken off."""
QUIET_END: Final = 499
"""LiveKit ends a stream that raises this without an error."""


class TTSRelay:
    """One for all voices; holds nothing."""

    def is_open(self, record: RequestRecord) -> bool:
        """As long as anything is left to be said."""
        speech = _speech_of(record)
        return speech is not None and not speech.is_over

    async def serve(self, record: RequestRecord, passage: Passage, take_floor: TakeFloor) -> None:
        """Let a member's voice say what is not said yet."""
        speech = _speech_of(record)
        assert speech is not None
        position = await speech.seam() if passage.cause == "failover" else 0
        if position is not None:
            await _Turn(speech, passage, position, take_floor).run()

    def mute(self, record: RequestRecord) -> None:
        """The own voice's emitter is no longer the one that is heard."""
        speech = _speech_of(record)
        if speech is not None:
            speech.outlet.mute()

    def times_silence(self, record: RequestRecord) -> bool:
        """Always: the clock starts when text was sent."""
        return True

    def watch(self, record: RequestRecord) -> None:
        """A voice is asked with the first text that is sent to it; what an agent pushes first may wait for its end."""
        when_asked(record.stream, record.passage.journey.ask)


def prepare(stream: Any, record: RequestRecord, *, is_streamed: bool) -> Callable[[], None]:
    """Make a new stream ready to be relayed, before it is followed; return what is left to be done after that."""
    journey = relay.journey_of(record)
    if journey is None or len(journey.members) == 1:
        return _nothing
    speech = Speech(stream, record, is_streamed=is_streamed)
    setattr(stream, SPEECH, speech)
    stream._run = _heard_run(stream._run, record, speech)
    return lambda: setattr(stream, "_run", _round_run(stream._run, speech))


def _nothing() -> None:
    """Of a stream that nobody else could serve."""


def _heard_run(run: Callable[..., Awaitable[Any]], record: RequestRecord, speech: Speech) -> Callable[..., Any]:
    """The own voice's attempt: that it brought nothing is found while others can still take its place."""

    async def heard_run(emitter: Any) -> None:
        own = speech.outlet
        journey = record.passage.journey
        if not journey.left():
            await run(emitter)
            return
        try:
            async with asyncio.timeout(None) as patience:
                with _unless_stalled(own, journey.silence_s, patience):
                    await run(emitter)
        except TimeoutError as error:
            from livekit.agents import APITimeoutError

            raise APITimeoutError(f"voicegateway: {record.model} broke off without a word") from error
        if emitter._started:
            emitter.end_input()
            await emitter.join()
        if own.heard_s:
            own.learn_pace()
        elif speech.pushed.text.strip() and not record.passed_on and journey.left():
            from livekit.agents import APIError

            raise APIError(f"voicegateway: {record.model} brought no audio")

    return heard_run


@contextlib.contextmanager
def _unless_stalled(outlet: Outlet, silence_s: float, patience: asyncio.Timeout) -> Iterator[None]:
    """Let patience end when a voice breaks off without a word, within the context."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal timer
        timer = loop.call_later(silence_s / LOOKS, look)
        try:
            if outlet.is_stalled(silence_s):
                patience.reschedule(loop.time())
                timer.cancel()
        except Exception as error:  # noqa: BLE001 - the plugin's own timeout holds
            current_runtime().hook_failed("tts.stall", error)
            timer.cancel()

    timer = loop.call_later(silence_s, look)
    try:
        yield
    finally:
        timer.cancel()


def _round_run(counted_run: Callable[..., Awaitable[Any]], speech: Speech) -> Callable[..., Any]:
    """All attempts of one of LiveKit's rounds."""

    async def round_run(emitter: Any) -> None:
        try:
            own = speech.begin_round(emitter)
        except Exception as error:  # noqa: BLE001 - LiveKit's is another one than ours: nobody can take over
            current_runtime().hook_failed("tts.round", error)
            speech.is_over = True
            await counted_run(emitter)
            return
        if speech.is_streamed:
            # LiveKit gives another round everything anew.
            speech.record.pushed = len(speech.pushed.text)
        try:
            await counted_run(own)
        except Exception as error:
            raised: Any = error
            if speech.heard_s and hasattr(raised, "retryable"):
                # Another round would say again what was heard.
                raised.retryable = False
            raise
        finally:
            await speech.end_round()

    return round_run


class _Turn:
    """One member's turn in another's place."""

    def __init__(self, speech: Speech, passage: Passage, position: int, take_floor: TakeFloor) -> None:
        self._speech, self._passage, self._position = speech, passage, position
        self._take_floor = take_floor
        self._has_floor, self._is_over = False, False

    async def run(self) -> None:
        speech, passage = self._speech, self._passage
        options = {"conn_options": relay.once(speech.stream._conn_options)}
        with passing(passage):
            other = Understudy(passage.member.plugin, speech.pushed, self._position, options)
        try:
            with contextlib.ExitStack() as stack:
                async with asyncio.timeout(None) as patience:
                    if not passage.is_last:
                        when_asked(other.stream, lambda: self._start_clock(patience))
                    await self._pass_on(other, patience, stack)
        except TimeoutError as error:
            raise relay.silent(other.stream, passage, current_runtime()) from error
        finally:
            self._is_over = True
            await other.aclose()

    async def _pass_on(self, other: Understudy, patience: asyncio.Timeout, stack: contextlib.ExitStack) -> None:
        speech = self._speech
        mouth: Any = None
        async for audio in other.stream:
            if mouth is None:
                if not self._take_floor():
                    return
                self._has_floor = True
                patience.reschedule(None)
                plugin = self._passage.member.plugin
                outlet = speech.open(plugin, self._position, tells_words=other.tells_words)
                mouth = outlet.mouth()
                if not self._passage.is_last:
                    stack.enter_context(_unless_stalled(outlet, self._passage.journey.silence_s, patience))
                note_start(speech.stream, other.stream)
            mouth.say(audio)
        if mouth is not None:
            mouth.close()
            speech.outlet.learn_pace()
        elif speech.pushed.text[self._position :].strip():
            # It would have raised, had its vendor brought nothing: it was turned away, and so is all that is left.
            speech.is_over = self._passage.cause == "failover"
            raise quiet_end()
        elif self._take_floor():
            mouth = speech.open(self._passage.member.plugin, self._position, tells_words=False).mouth()
            if speech.heard_s:
                # There was nothing left to say; the session is told so with a last piece.
                mouth.hush()
            mouth.close()

    def _start_clock(self, patience: asyncio.Timeout) -> None:
        if not (self._has_floor or self._is_over) and patience.when() is None:
            patience.reschedule(asyncio.get_running_loop().time() + self._passage.journey.silence_s)


def _speech_of(record: RequestRecord) -> Speech | None:
    return getattr(record.stream, SPEECH, None)


def is_mended_elsewhere(plugin: Any) -> bool:
    """Whether an error that a plugin tells now is of a stream within another, which tells its own if it ends badly."""
    if is_relayed():
        return True
    record = CURRENT.get()
    if record is None or record.owner is not plugin or record.passage is None or record.stream is None:
        return False
    stream = record.stream
    task = getattr(stream, "_synthesize_task", None) or getattr(stream, "_task", None)
    return asyncio.current_task() is not task


def quiet_end() -> Exception:
    """What ends a stream without an error."""
    from livekit.agents import APIStatusError

    return APIStatusError("voicegateway: nothing more is said", status_code=QUIET_END, retryable=False)
