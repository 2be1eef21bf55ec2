"""Relay of voices: before the first sound the next one says everything, after it the next one says the rest.

The stream's own voice gets an emitter of ours, which sends to the same channel as LiveKit's would: another voice can
take its place at any time, and in the end LiveKit's emitter becomes that of the voice that spoke last.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from types import CodeType
from typing import Any, Final

from voicegateway.instrument import relay
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.pushed_text import PushedText
from voicegateway.instrument.relay import TakeFloor
from voicegateway.instrument.speech import Speech
from voicegateway.record import RequestRecord
from voicegateway.routing.journey import Passage, is_relayed, passing
from voicegateway.runtime import current_runtime

SPEECH: Final = "_voicegateway_speech"
"""Where a stream that may be relayed keeps what it has said."""
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
        await run(emitter)
        if emitter._started:
            emitter.end_input()
            await emitter.join()
        if own.heard_s:
            own.learn_pace()
        elif speech.pushed.text.strip() and not record.passed_on and record.passage.journey.left():
            from livekit.agents import APIError

            raise APIError(f"voicegateway: {record.model} brought no audio")

    return heard_run


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
            other = Other(passage.member.plugin, speech.pushed, self._position, options)
        try:
            async with asyncio.timeout(None) as silence:
                if not passage.is_last:
                    when_asked(other.stream, lambda: self._start_clock(silence))
                await self._pass_on(other, silence)
        except TimeoutError as error:
            raise relay.silent(other.stream, passage, current_runtime()) from error
        finally:
            self._is_over = True
            await other.aclose()

    async def _pass_on(self, other: "Other", silence: asyncio.Timeout) -> None:
        speech = self._speech
        mouth: Any = None
        async for audio in other.stream:
            if mouth is None:
                if not self._take_floor():
                    return
                self._has_floor = True
                silence.reschedule(None)
                plugin = self._passage.member.plugin
                mouth = speech.open(plugin, self._position, tells_words=other.tells_words).mouth()
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

    def _start_clock(self, silence: asyncio.Timeout) -> None:
        if not (self._has_floor or self._is_over) and silence.when() is None:
            silence.reschedule(asyncio.get_running_loop().time() + self._passage.journey.silence_s)


class Other:
    """A stream of a plugin that is given what was pushed to another one. Made in the context of its turn."""

    def __init__(
        self,
        plugin: Any,
        pushed: PushedText,
        position: int,
        options: dict[str, Any],
        *,
        by_sentence: bool = False,
    ) -> None:
        from livekit.agents import tts

        self._adapter: Any = None
        self._feeding: asyncio.Task[None] | None = None
        self.tells_words = bool(getattr(plugin.capabilities, "aligned_transcript", False))
        if not pushed.is_streamed:
            self.stream = plugin.synthesize(pushed.text[position:].lstrip(), **options)
            return
        if by_sentence or not plugin.capabilities.streaming:
            # Sentence by sentence, each of them a request of its own.
            plugin = self._adapter = tts.StreamAdapter(tts=plugin)
            self.tells_words = True
        self.stream = plugin.stream(**options)
        self._feeding = asyncio.create_task(pushed.feed(self.stream, position), name="voicegateway feed")

    async def aclose(self) -> None:
        """Stop; what it was sent is metered."""
        from livekit.agents.utils import aio

        if self._feeding is not None:
            await aio.cancel_and_wait(self._feeding)
        await self.stream.aclose()
        if self._adapter is not None:
            await self._adapter.aclose()


def _speech_of(record: RequestRecord) -> Speech | None:
    return getattr(record.stream, SPEECH, None)


def note_start(stream: Any, other: Any) -> None:
    """LiveKit counts the time to the first audio from when text was first sent to anybody."""
    if not stream._started_time:
        stream._started_time = other._started_time


def when_asked(stream: Any, call: Callable[[], None]) -> None:
    """Call when text is first sent to a stream's vendor, at once when it was; perhaps more often.

    Likewise when all text was pushed: whatever the plugin still waits for then, it is its vendor.
    """
    if stream._started_time or getattr(stream, "_input_ended", False):
        call()
        return
    # Some plugins do not say when they send; theirs is the time of the first text that they are given.
    cls: Any = type(stream)
    _also(stream, "_mark_started" if _says_when_it_sends(cls) else "push_text", call)
    _also(stream, "end_input", call)


def _also(stream: Any, name: str, call: Callable[[], None]) -> None:
    method = getattr(stream, name)

    def also(*args: Any) -> Any:
        result = method(*args)
        call()
        return result

    setattr(stream, name, also)


@cache
def _says_when_it_sends(cls: type) -> bool:
    from livekit.agents import tts

    own = cls.__mro__[: cls.__mro__.index(tts.SynthesizeStream)]
    functions = [each for base in own for each in vars(base).values() if inspect.isfunction(each)]
    return any("_mark_started" in _names(function.__code__) for function in functions)


def _names(code: CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


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
