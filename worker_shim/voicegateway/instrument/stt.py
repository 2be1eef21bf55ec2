"""Speech to text: one record per `stream()` or `recognize()`, audio counted at the socket and at the push."""

from collections.abc import Callable
from typing import Any, Final, Literal

from voicegateway import tracing
from voicegateway.budgets.refusal import BudgetRefused
from voicegateway.health.observing import attempt_began, observe_attempt
from voicegateway.instrument import failure, farewell, relay, relay_stt, request, second_opinion, wire
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.relay_stt import RecognitionRelay, STTRelay
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.routing.journey import Passage, passing
from voicegateway.runtime import Runtime, current_runtime
from voicegateway_shared.usage import Outcome

RELAY: Final = STTRelay()


def methods(cls: Any) -> dict[str, Any]:
    """The methods that a dynamic subclass of an `stt.STT` overrides."""
    from livekit.agents import stt

    overridden: dict[str, Any] = {
        "emit": second_opinion.emit_of(cls),
        "recognize": _recognize_of(cls),
        "_recognize_impl": _recognize_attempt_of(cls),
    }

    def stream(self: Any, *args: Any, **kwargs: Any) -> Any:
        if request.is_nested(self):
            return cls.stream(self, *args, **kwargs)
        passage = relay.passage_of(self)
        if relay.is_anothers(passage, self):
            return relay.stand_in(passage, "stream", args, kwargs)
        return _observed(self, cls.stream, args, kwargs, passage)

    if getattr(cls, "stream", None) is not stt.STT.stream:
        overridden["stream"] = stream
    return overridden


def _observed(plugin: Any, make: Callable[..., Any], args: Any, kwargs: Any, passage: Passage | None) -> Any:
    try:
        runtime = current_runtime()
        record = _record(plugin, mode="streaming", language=kwargs.get("language"))
        relay.begin(record, passage, args, kwargs)
        record.wire = wire.wire_count(plugin, record)
        scope = request.entered(record)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        current_runtime().hook_failed("stt.stream", error)
        return make(plugin, *args, **kwargs)
    with scope:
        stream = make(plugin, *args, **kwargs)
    try:
        if request.is_made_by_another(stream, record):
            return stream
        _counted_frames(stream, record)
        _counted_events(stream, record)
        relay_stt.prepare(stream, record)
        second_opinion.expect(plugin, record, stream)
        request.follow(stream, stream._task, record, runtime, RELAY)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        runtime.hook_failed("stt.stream", error)
    return stream


def _recognize_of(cls: Any) -> Callable[..., Any]:
    async def recognize(self: Any, buffer: Any, *args: Any, **kwargs: Any) -> Any:
        if request.is_nested(self):
            return await cls.recognize(self, buffer, *args, **kwargs)
        passage = relay.passage_of(self)
        if relay.is_anothers(passage, self):
            with passing(passage):
                return await passage.member.plugin.recognize(buffer, *args, **kwargs)
        try:
            runtime = current_runtime()
            record = _batch_record(self, buffer, kwargs.get("language"))
            relay.begin(record, passage, (buffer, *args), kwargs)
            wire.watch_post(self, record)
            scope = request.entered(record)
            intent = runtime.begin(record)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("stt.recognize", error)
            return await cls.recognize(self, buffer, *args, **kwargs)
        outcome: Outcome = "cancelled"
        try:
            await request.intent_durable(intent, runtime)
            with scope:
                result = await cls.recognize(self, buffer, *args, **kwargs)
            outcome = "error" if record.is_turned_away or record.passed_on else "ok"
            return result
        except Exception as error:
            outcome = "error"
            record.end_failed_attempt()
            if not record.error_type:
                failure.note_error(record, error)
            raise
        finally:
            if outcome == "cancelled":
                record.end_unsent_attempt()
            request.settle(record, runtime, outcome)

    return recognize


def _recognize_attempt_of(cls: Any) -> Callable[..., Any]:
    async def recognize_attempt(self: Any, *args: Any, **kwargs: Any) -> Any:
        record = CURRENT.get()
        if record is None or record.owner is not self or record.mode != "batch":
            return await cls._recognize_impl(self, *args, **kwargs)
        runtime = current_runtime()
        others = RecognitionRelay()
        relay.begin_round(record)
        try:
            return await attempt(self, record, runtime, args, kwargs)
        except farewell.SessionEnds as refused:
            farewell.note(record, refused)
            await farewell.turn_away(record, runtime, refused)
        except BudgetRefused as refused:
            farewell.note(record, refused)
            if not await relay.hand_over(record, runtime, others, refused):
                await farewell.turn_away(record, runtime, refused)
        except Exception as error:
            if not await relay.hand_over(record, runtime, others, error):
                raise
        return others.heard or _nothing_heard()

    async def attempt(self: Any, record: RequestRecord, runtime: Runtime, args: Any, kwargs: Any) -> Any:
        admitted = await request.admitted_by_all(record, runtime)
        record.begin_attempt()
        attempt_began(record, runtime)
        try:
            event = await cls._recognize_impl(self, *args, **kwargs)
        except Exception as error:
            failure.attempt_failed(record, runtime, error)
            raise
        finally:
            if admitted is not None:
                admitted.settle()
        record.chunks = 1
        record.first_byte(record.started_ns)
        observe_attempt(record, runtime, None)
        record.vendor_id(str(getattr(event, "request_id", "") or ""))
        return event

    return recognize_attempt


def _nothing_heard() -> Any:
    from livekit.agents.stt import SpeechEvent, SpeechEventType

    return SpeechEvent(type=SpeechEventType.FINAL_TRANSCRIPT)


def _batch_record(plugin: Any, buffer: Any, language: Any) -> RequestRecord:
    record = _record(plugin, mode="batch", language=language)
    frames = buffer if isinstance(buffer, list) else [buffer]
    record.pushed = sum(frame.samples_per_channel for frame in frames)
    record.pushed_rate = frames[0].sample_rate if frames else 0
    record.is_push_whole = True
    return record


def _record(plugin: Any, *, mode: Literal["streaming", "batch"], language: Any) -> RequestRecord:
    facts: PluginFacts = plugin._voicegateway_facts
    options = getattr(plugin, "_opts", None)
    if not isinstance(language, str):
        language = getattr(options, "language", None) or getattr(plugin, "_language", None) or facts.variant
    record = request.open_record(plugin, facts, mode=mode, language=str(language or ""))
    tracing.start_span(record)
    return record


def _counted_frames(stream: Any, record: RequestRecord) -> None:
    """Hook a stream's input. Runs per audio frame, fifty to a hundred times a second for the whole call."""
    push_frame = stream.push_frame

    def counted(frame: Any) -> None:
        push_frame(frame)
        record.pushed += frame.samples_per_channel

    def looked_at(frame: Any) -> None:
        counted(frame)
        record.pushed_rate = frame.sample_rate
        stream.push_frame = counted

    stream.push_frame = looked_at


def _counted_events(stream: Any, record: RequestRecord) -> None:
    """Hook a stream's events: a few a second, while somebody speaks."""
    from livekit.agents.stt import SpeechEventType

    send_nowait = stream._event_ch.send_nowait
    final = SpeechEventType.FINAL_TRANSCRIPT

    def counted(event: Any) -> None:
        send_nowait(event)
        try:
            record.chunks += 1
            if not record.attempt.observed:
                observe_attempt(record, current_runtime(), None)
            record.vendor_id(event.request_id)
            if record.ttfb_ns < 0 and event.type == final:
                record.ttfb_ns = _transcript_lag_ns(event, stream, record)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("stt.event", error)

    stream._event_ch.send_nowait = counted


def _transcript_lag_ns(event: Any, stream: Any, record: RequestRecord) -> int:
    """How far the first final transcript trails its last word, in audio time; -1 when the vendor gave no time."""
    end_s = event.alternatives[0].end_time if event.alternatives else 0.0
    if not end_s or record.wire is None:
        return -1
    # Plugins report times since the session's start; a connection's audio begins at its own zero.
    end_ns: int = round((end_s - stream.start_time_offset) * 1e9)
    return max(0, record.wire.connection_audio_ms() * 1_000_000 - end_ns)
