"""Tracing: our span around each request, in the user's own trace, exported by the user's `OTEL_*` settings."""

import logging
import os
from functools import cache
from multiprocessing import util
from typing import Any, Final

from opentelemetry import trace

from voicegateway.encode import OPERATIONS, asked
from voicegateway.identity import Identity
from voicegateway.record import RequestRecord
from voicegateway_shared.ids import random_bits_of
from voicegateway_shared.telemetry import attributes as names

logger = logging.getLogger("voicegateway")

EXIT_PRIORITY: Final = 10
SPAN_NAMES: Final = {modality: f"voicegateway.{modality}" for modality in OPERATIONS}
SESSION_END_SPAN: Final = "voicegateway.session_end"
FLUSH_MS_MAX: Final = 2_000
"""A job process is killed 10 s after it was told to stop; spans may take two of them."""
EXPORT_INTERVAL_MS: Final = 2_000
"""Short, because a killed process loses what was not exported; the ledger does not depend on it."""


def start_span(record: RequestRecord) -> Any:
    """Start `voicegateway.<modality>` under the ambient span and take over its ids.

    Without a recording tracer the record gets random ids: the ledger never depends on sampling.
    """
    span = _tracer().start_span(SPAN_NAMES[record.modality], kind=trace.SpanKind.CLIENT)
    context = span.get_span_context()
    if context.is_valid and span.is_recording():
        record.trace_id = context.trace_id.to_bytes(16, "big")
        record.span_id = context.span_id.to_bytes(8, "big")
    elif context.is_valid:
        record.trace_id = context.trace_id.to_bytes(16, "big")
        record.span_id = _id_bytes(8)
    else:
        record.trace_id = _id_bytes(16)
        record.span_id = _id_bytes(8)
    record.span = span
    return span


def _id_bytes(length: int) -> bytes:
    """A random id, never zero: zero means invalid in OpenTelemetry."""
    return (random_bits_of(length * 8) or 1).to_bytes(length, "big")


def _tracer() -> Any:
    """LiveKit's tracer of the moment: its own wrapper binds signatures on every call, 15 µs we need not spend."""
    tracer = _livekit_tracer()
    return getattr(tracer, "_tracer", tracer)


@cache
def _livekit_tracer() -> Any:
    from livekit.agents.telemetry import tracer

    return tracer


def end_span(record: RequestRecord) -> None:
    """Put the outcome and the usage on the span in GenAI names, and end it."""
    span = record.span
    if span is None:
        return
    if span.is_recording():
        usage = record.usage()
        span.set_attributes(
            {
                names.REQUEST_ID: record.request_id,
                names.PROJECT: record.project,
                names.OPERATION: OPERATIONS[record.modality],
                names.PROVIDER: record.facts.provider,
                names.REQUEST_MODEL: record.model,
                names.OUTCOME: record.outcome or "",
                names.ESTIMATED: record.is_estimated(),
                names.ATTEMPTS: asked(record),
                **{names.USAGE_PREFIX + meter: quantity for meter, quantity in usage.items()},
            }
        )
        if record.ttfb_ns >= 0:
            span.set_attribute(names.TTFB_MS, record.ttfb_ns // 1_000_000)
        if record.limited or record.admission_wait_ns:
            span.set_attribute(names.ADMISSION_REFUSED, record.limited)
            span.set_attribute(names.ADMISSION_WAIT_MS, -(-record.admission_wait_ns // 1_000_000))
        if record.budget_id:
            span.set_attribute(names.BUDGET_ID, record.budget_id)
        if record.modality == "llm":
            span.set_attribute(names.USAGE_INPUT_TOKENS, usage.get("input_tokens", 0))
            span.set_attribute(names.USAGE_OUTPUT_TOKENS, usage.get("output_tokens", 0))
        if record.outcome == "error":
            span.set_attribute(names.ERROR_TYPE, record.error_type)
            span.set_status(trace.StatusCode.ERROR)
    span.end()


def session_ended(identity: Identity, *, reason: str, budget_id: str, is_said: bool) -> None:
    """Put the end that we gave a session into its job's trace, as a span of no length."""
    span = _tracer().start_span(SESSION_END_SPAN)
    if span.is_recording():
        span.set_attributes(
            {
                names.SESSION_ID: identity.session_id,
                names.END_REASON: reason,
                names.END_IS_SAID: is_said,
                **({names.BUDGET_ID: budget_id} if budget_id else {}),
            }
        )
    span.end()


def configure_from_environment() -> None:
    """Export spans as the standard `OTEL_*` variables say, unless the user configured tracing already.

    Does nothing when no OTLP endpoint is named, or `OTEL_SDK_DISABLED`/`OTEL_TRACES_EXPORTER=none` say so.
    """
    env = os.environ
    if not (env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none":
        return
    from livekit.agents import telemetry
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    current = getattr(telemetry.tracer, "_tracer_provider", None)
    if isinstance(current, TracerProvider):
        return
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_exporter(), schedule_delay_millis=EXPORT_INTERVAL_MS))
    telemetry.set_tracer_provider(provider)
    # atexit never runs in LiveKit job processes; a multiprocessing finalizer does.
    util.Finalize(provider, _flush, args=(provider,), exitpriority=EXIT_PRIORITY)


def _exporter() -> Any:
    protocol = os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _flush(provider: Any) -> None:
    provider.force_flush(FLUSH_MS_MAX)
    provider.shutdown()
