"""Metering by events only: the fallback when livekit-agents no longer has what full metering needs."""

from types import SimpleNamespace
from typing import Any

from voicegateway import tracing
from voicegateway.instrument import request
from voicegateway.record import PluginFacts
from voicegateway.runtime import current_runtime

NS_PER_S = 1_000_000_000


def subscribe(plugin: Any, facts: PluginFacts) -> None:
    """One settled record per metrics event; requests that emit none (cancelled, failed) are not seen."""

    def on_metrics(metrics: Any) -> None:
        try:
            _record_event(plugin, facts, metrics)
        except Exception as error:  # noqa: BLE001 - TypeError from a handler reaches the audio pipeline
            current_runtime().hook_failed("events", error)

    plugin.on("metrics_collected", on_metrics)


def _record_event(plugin: Any, facts: PluginFacts, metrics: Any) -> None:
    if facts.modality == "stt" and not metrics.audio_duration:
        # How long connecting took, told as an event of its own.
        return
    runtime = current_runtime()
    record = request.open_record(plugin, facts)
    duration_ns = round(getattr(metrics, "duration", 0.0) * NS_PER_S)
    record.started_unix_ns -= duration_ns
    record.ended_ns = record.started_ns + duration_ns
    record.attempts = 1
    first = getattr(metrics, "ttft", getattr(metrics, "ttfb", -1.0))
    record.ttfb_ns = round(first * NS_PER_S) if first >= 0 else -1
    record.response_id = metrics.request_id
    if facts.modality == "llm" and metrics.prompt_tokens:
        record.llm_usage = SimpleNamespace(
            prompt_tokens=metrics.prompt_tokens,
            completion_tokens=metrics.completion_tokens,
            prompt_cached_tokens=metrics.prompt_cached_tokens,
            cache_creation_tokens=metrics.cache_creation_tokens,
            reasoning_tokens=metrics.reasoning_tokens,
        )
    elif facts.modality == "tts":
        record.pushed = metrics.characters_count
        record.tts_tokens = (metrics.input_tokens, metrics.output_tokens)
    elif facts.modality == "stt":
        record.pushed, record.pushed_rate = round(metrics.audio_duration * 1000), 1000
    tracing.start_span(record)
    runtime.begin(record)
    runtime.settle(record, "cancelled" if getattr(metrics, "cancelled", False) else "ok")
    tracing.end_span(record)
