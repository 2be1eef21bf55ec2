"""Relay of speech to text: the next one hears what nobody has put into words yet, then what is said from now on."""

import asyncio
import contextlib
import time
from typing import Any, Final

from voicegateway.instrument import relay
from voicegateway.instrument.relay import TakeFloor
from voicegateway.instrument.replay import Replay
from voicegateway.record import RequestRecord
from voicegateway.routing.journey import Passage, passing

REPLAY: Final = "_voicegateway_replay"
"""Where a stream that another may take over keeps its audio."""
AFTER_FINAL_S: Final = 0.5
"""Kept of what was said before a final transcript that tells no time: vendors need about so long to make it final."""


class STTRelay:
    """One for all streams of speech to text; holds nothing."""

    def is_open(self, record: RequestRecord) -> bool:
        """Always: what was put into words is not said again."""
        return hasattr(record.stream, REPLAY)

    async def serve(self, record: RequestRecord, passage: Passage, take_floor: TakeFloor) -> None:
        """Let a member hear the rest of the stream, and send on what it makes of it."""
        stream = record.stream
        replay: Replay = getattr(stream, REPLAY)
        plugin = passage.member.plugin
        ears = _streaming(record, plugin)
        inner = _listen(record, passage, ears)
        push_frame = stream.push_frame
        # From now on what is said is pushed for the other one.
        stream.push_frame = type(stream).push_frame.__get__(stream)
        replayed_s = replay.put_back()
        inner.start_time_offset = _offset_s(stream, replayed_s)
        heard = _Heard()
        ear = asyncio.ensure_future(_hear(stream, inner, heard))
        try:
            take_floor()
            await _say(stream, inner, replay, heard)
        except Exception:
            # For the next one, or the own vendor's next attempt.
            await relay.stop(ear)
            replay.put_back()
            stream.push_frame = push_frame
            raise
        finally:
            await relay.stop(ear)
            await inner.aclose()
            if ears is not plugin:
                await ears.aclose()

    def mute(self, record: RequestRecord) -> None:
        """Not needed: nobody races a stream of speech to text."""

    def times_silence(self, record: RequestRecord) -> bool:
        """Never: a caller may be silent for as long as they like."""
        return False

    def watch(self, record: RequestRecord) -> None:
        """Not needed, likewise."""


class RecognitionRelay:
    """Of one recording; it is sent to the next member as a whole."""

    def __init__(self) -> None:
        self.heard: Any = None
        """What a member has made of it."""

    def is_open(self, record: RequestRecord) -> bool:
        """Until somebody has recognized it."""
        return self.heard is None

    async def serve(self, record: RequestRecord, passage: Passage, take_floor: TakeFloor) -> None:
        """Have a member recognize the recording."""
        args, kwargs = passage.journey.call
        asked = {**kwargs, "conn_options": relay.once(kwargs.get("conn_options") or _default_options())}
        with passing(passage):
            self.heard = await passage.member.plugin.recognize(*args, **asked)
        take_floor()

    def mute(self, record: RequestRecord) -> None:
        """Not needed: nobody races."""

    def times_silence(self, record: RequestRecord) -> bool:
        """Never: the vendor's own timeout holds."""
        return False

    def watch(self, record: RequestRecord) -> None:
        """Not needed, likewise."""


def prepare(stream: Any, record: RequestRecord) -> None:
    """Keep the audio of a stream that others may take over; give up a vendor sooner that cannot be reached."""
    journey = relay.journey_of(record)
    if journey is None or len(journey.members) < 2:
        return
    setattr(stream, REPLAY, Replay(stream._input_ch))
    stream._conn_options = relay.sooner(stream._conn_options, journey.silence_s)
    _forget_what_was_said(stream)


def _forget_what_was_said(stream: Any) -> None:
    """After each final transcript of the stream's own vendor."""
    from livekit.agents.stt import SpeechEventType

    replay: Replay = getattr(stream, REPLAY)
    final = SpeechEventType.FINAL_TRANSCRIPT
    send_nowait = stream._event_ch.send_nowait

    def noted(event: Any) -> None:
        send_nowait(event)
        if event.type == final:
            # The vendor's clock may begin anew with each of its connections; ours does not.
            replay.forget(but_s=AFTER_FINAL_S)

    stream._event_ch.send_nowait = noted


def _listen(record: RequestRecord, passage: Passage, ears: Any) -> Any:
    args, kwargs = passage.journey.call
    options = relay.once(record.stream._conn_options)
    if not passage.is_last:
        options = relay.sooner(options, passage.journey.silence_s)
    with passing(passage):
        return ears.stream(*args, **{**kwargs, "conn_options": options})


def _streaming(record: RequestRecord, plugin: Any) -> Any:
    """A member that takes whole recordings hears them as the session's own detector of speech cuts them."""
    if plugin.capabilities.streaming:
        return plugin
    from livekit.agents import APIError
    from livekit.agents.stt import StreamAdapter

    session = None if record.live is None else record.live.session()
    vad = getattr(session, "vad", None)
    if vad is None:
        raise APIError(f"voicegateway: {plugin.model} takes whole recordings, and the session has no VAD to cut them")
    return StreamAdapter(stt=plugin, vad=vad)


def _offset_s(stream: Any, replayed_s: float) -> float:
    """Where on the session's clock the replayed audio begins."""
    attempt_s: float = time.time() - stream.start_time
    begins_s: float = stream.start_time_offset + attempt_s - replayed_s
    return max(0.0, begins_s)


class _Heard:
    """How much audio a member was given."""

    seconds = 0.0


async def _hear(stream: Any, inner: Any, heard: _Heard) -> None:
    """Push the audio: what was not understood, then what comes."""
    async for item in stream._input_ch:
        if hasattr(item, "duration"):
            inner.push_frame(item)
            heard.seconds += item.duration
        else:
            inner.flush()
    with contextlib.suppress(RuntimeError):
        # It has ended already.
        inner.end_input()


async def _say(stream: Any, inner: Any, replay: Replay, heard: _Heard) -> None:
    """Send on what is understood."""
    from livekit.agents.stt import SpeechEventType

    send = type(stream._event_ch).send_nowait
    async for event in inner:
        send(stream._event_ch, event)
        if event.type != SpeechEventType.FINAL_TRANSCRIPT:
            continue
        end_s = (event.alternatives[0].end_time if event.alternatives else 0.0) - inner.start_time_offset
        is_timed = 0.0 < end_s <= heard.seconds
        replay.forget(but_s=heard.seconds - end_s if is_timed else AFTER_FINAL_S)


def _default_options() -> Any:
    from livekit.agents import DEFAULT_API_CONNECT_OPTIONS

    return DEFAULT_API_CONNECT_OPTIONS
