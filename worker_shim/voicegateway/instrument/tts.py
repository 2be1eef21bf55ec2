"""Text to speech: one record per `stream()` or `synthesize()`, text counted at the socket, audio as received."""

import time
from collections.abc import Callable
from typing import Any, Final

from voicegateway import tracing
from voicegateway.instrument import relay, relay_tts, request, second_opinion, shell, wire
from voicegateway.instrument.relay_tts import TTSRelay
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.routing.journey import Passage
from voicegateway.runtime import current_runtime

NS_PER_S = 1_000_000_000
RELAY: Final = TTSRelay()


def methods(cls: Any) -> dict[str, Any]:
    """The methods that a dynamic subclass of a `tts.TTS` overrides."""
    from livekit.agents import tts

    def synthesize(self: Any, text: str, *args: Any, **kwargs: Any) -> Any:
        if request.is_nested(self):
            return cls.synthesize(self, text, *args, **kwargs)
        passage = relay.passage_of(self)
        if relay.is_anothers(passage, self):
            return shell.chunks_of(self, cls.synthesize, passage, text, args, kwargs)
        return _observed(self, cls.synthesize, (text, *args), kwargs, passage, text=text)

    def stream(self: Any, *args: Any, **kwargs: Any) -> Any:
        if request.is_nested(self):
            return cls.stream(self, *args, **kwargs)
        passage = relay.passage_of(self)
        if relay.is_anothers(passage, self):
            return shell.stream_of(self, cls.stream, passage, args, kwargs)
        return _observed(self, cls.stream, args, kwargs, passage, text=None)

    def prewarm(self: Any) -> None:
        # A pooled socket opened now is used by a later request: it must be a metered one.
        wire.meter_session(self)
        cls.prewarm(self)

    tell = second_opinion.emit_of(cls)

    def emit(self: Any, event: str, *args: Any) -> None:
        if event != "error" or not relay_tts.is_mended_elsewhere(self):
            tell(self, event, *args)

    overridden: dict[str, Any] = {
        "emit": emit,
        "synthesize": synthesize,
        "prewarm": prewarm,
    }
    if getattr(cls, "stream", None) is not tts.TTS.stream:
        overridden["stream"] = stream
    return overridden


def _observed(
    plugin: Any, make: Callable[..., Any], args: Any, kwargs: Any, passage: Passage | None, *, text: str | None
) -> Any:
    try:
        runtime = current_runtime()
        record = _record(plugin)
        relay.begin(record, passage, args, kwargs)
        tracing.start_span(record)
        scope = request.entered(record)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        current_runtime().hook_failed("tts", error)
        return make(plugin, *args, **kwargs)
    with scope:
        stream = make(plugin, *args, **kwargs)
    try:
        if request.is_made_by_another(stream, record):
            return stream
        if text is None or isinstance(stream, _stream_in_disguise()):
            # Otherwise one POST carries the whole text and no websocket of the plugin is used.
            record.wire = wire.wire_count(plugin, record)
            wire.follow(plugin, stream, record)
        else:
            wire.watch_post(plugin, record)
        task = stream._synthesize_task if text is not None else stream._task
        _counted_audio(stream._event_ch, record, stream)
        if text is not None:
            record.pushed = len(text)
            record.is_push_whole = record.wire is None
            stream._set_token_usage = _counted_tokens(stream._set_token_usage, record)
        else:
            stream.push_text = _counted_text(stream.push_text, record)
        second_opinion.expect(plugin, record, stream)
        followed = relay_tts.prepare(stream, record, is_streamed=text is None)
        request.follow(stream, task, record, runtime, RELAY)
        followed()
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        runtime.hook_failed("tts", error)
    return stream


def _record(plugin: Any) -> RequestRecord:
    facts: PluginFacts = plugin._voicegateway_facts
    options = getattr(plugin, "_opts", None)
    voice = getattr(options, "voice", None) or getattr(options, "voice_id", None) or facts.variant
    return request.open_record(plugin, facts, voice=voice if isinstance(voice, str) else "")


def _stream_in_disguise() -> tuple[type, ...]:
    """The class of streams that `synthesize()` of stream-only plugins returns."""
    from livekit.agents.tts import tts

    cls = getattr(tts, "_ChunkedStreamFromStream", None)
    return (cls,) if cls is not None else ()


def _counted_audio(channel: Any, record: RequestRecord, stream: Any) -> None:
    """Hook a stream's event channel. Runs per audio frame from the vendor; the first one is looked at."""
    send_nowait = channel.send_nowait

    def counted(audio: Any) -> None:
        send_nowait(audio)
        record.received_samples += audio.frame.samples_per_channel

    def looked_at(audio: Any) -> None:
        counted(audio)
        channel.send_nowait = counted
        try:
            _first_audio(record, stream, audio, audio.frame)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("tts.audio", error)

    channel.send_nowait = looked_at


def _first_audio(record: RequestRecord, stream: Any, audio: Any, frame: Any) -> None:
    record.received_rate = frame.sample_rate
    if not record.vendor_ids:
        record.vendor_id(audio.request_id)
    # From the first text *sent*: from the first push it would measure the language model's pace.
    started_s = stream._started_time
    waited_ns = int((time.perf_counter() - started_s) * NS_PER_S) if started_s else record.duration_ns
    record.ttfb_ns = max(0, waited_ns)


def _counted_text(push_text: Callable[[str], None], record: RequestRecord) -> Callable[[str], None]:
    def counted(token: str) -> None:
        push_text(token)
        if token and not record.passed_on:
            record.pushed += len(token)

    return counted


def _counted_tokens(set_usage: Callable[..., None], record: RequestRecord) -> Callable[..., None]:
    def counted(*, input_tokens: int = 0, output_tokens: int = 0) -> None:
        set_usage(input_tokens=input_tokens, output_tokens=output_tokens)
        record.tts_tokens = (input_tokens, output_tokens)

    return counted
