"""Encode a request record as one OTLP span: the bytes that wait in the outbox and reach the controller."""

from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from voicegateway.record import RequestRecord
from voicegateway.wire_count import NS_PER_MS
from voicegateway_shared.telemetry import attributes as names

TEXT_CHARS_MAX: Final = 8_192
"""Of one attribute. Vendors tell ids and tiers; were one of them endless, the outbox would not take the span."""
INTEGER_MAX: Final = 2**63 - 1
"""A span has no room for more, whatever a vendor tells."""
OPERATIONS = {"llm": "chat", "stt": "transcribe", "tts": "synthesize", "realtime": "realtime"}


def encode_span(record: RequestRecord) -> bytes:
    """Return the serialized `opentelemetry.proto.trace.v1.Span` of a record as it stands.

    Without an outcome it is the request's intent: no end, usage so far, flagged estimated.
    """
    span = Span(
        trace_id=record.trace_id,
        span_id=record.span_id,
        name=f"voicegateway.{record.modality}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=record.started_unix_ns,
    )
    # Ends by the monotonic clock: a stepped wall clock must not stretch or shrink a request.
    span.end_time_unix_nano = record.started_unix_ns + record.duration_ns
    if record.outcome == "error":
        span.status.code = Status.STATUS_CODE_ERROR
    strings, integers = _facts(record)
    span.attributes.extend(
        [KeyValue(key=key, value=AnyValue(string_value=_text(value))) for key, value in strings.items() if value]
    )
    span.attributes.extend(
        [
            KeyValue(key=key, value=AnyValue(int_value=max(-INTEGER_MAX, min(value, INTEGER_MAX))))
            for key, value in integers.items()
        ]
    )
    span.attributes.append(KeyValue(key=names.ESTIMATED, value=AnyValue(bool_value=record.is_estimated())))
    return span.SerializeToString()


def _text(value: str) -> str:
    """What a vendor's JSON told may hold halves of characters, which UTF-8 cannot say."""
    value = value[:TEXT_CHARS_MAX]
    return value if value.isascii() else value.encode(errors="replace").decode()


def asked(record: RequestRecord) -> int:
    """How often the vendor was tried; only a request that a limit held up may never have reached it."""
    return record.attempts if record.limited or record.admission_wait_ns else max(1, record.attempts)


def identifying(record: RequestRecord) -> dict[str, str]:
    """What is known of a request when it starts: who asks whom for what. Empty values mean unknown."""
    identity = record.identity
    return {
        names.REQUEST_ID: record.request_id,
        names.PROJECT: record.project,
        names.SESSION_ID: identity.session_id,
        names.AGENT_NAME: identity.agent,
        names.JOB_ID: identity.job_id,
        names.ROOM_NAME: identity.room,
        names.KEY_ID: record.facts.key_id,
        names.MODALITY: record.modality,
        names.OPERATION: OPERATIONS[record.modality],
        names.PROVIDER: record.facts.provider,
        names.REQUEST_MODEL: record.model,
        names.LANGUAGE: record.language,
        names.VOICE: record.voice,
        names.MODE: record.mode,
    }


def _facts(record: RequestRecord) -> tuple[dict[str, str], dict[str, int]]:
    # First, because it finds the vendor's last word in what was kept: the service tier is in there too.
    usage = record.usage()
    strings = {
        **identifying(record),
        names.SPEECH_ID: record.speech_id,
        names.RESPONSE_ID: record.response_id,
        names.VENDOR_REQUEST_IDS: " ".join(record.vendor_ids),
        names.SERVICE_TIER: getattr(record.llm_usage, "service_tier", None) or "",
        names.OUTCOME: record.outcome or "",
        names.ERROR_TYPE: record.error_type if record.outcome == "error" else "",
        names.BUDGET_ID: record.budget_id,
    }
    integers = _route(record, strings)
    for name, told in list(record.echoes.items()):
        strings[names.VENDOR_ECHO_PREFIX + name] = told
    integers |= {
        names.ATTEMPTS: asked(record),
        names.DURATION_MS: record.duration_ns // NS_PER_MS,
    }
    if record.ttfb_ns >= 0:
        integers[names.TTFB_MS] = record.ttfb_ns // NS_PER_MS
    if record.limited:
        integers[names.ADMISSION_REFUSED] = record.limited
    if record.admission_wait_ns:
        integers[names.ADMISSION_WAIT_MS] = -(-record.admission_wait_ns // NS_PER_MS)
    if record.status_code > 0:
        integers[names.STATUS_CODE] = record.status_code
    for meter, quantity in usage.items():
        integers[names.USAGE_PREFIX + meter] = quantity
    for meter, quantity in record.reported.items():
        integers[names.REPORTED_PREFIX + meter] = quantity
    for meter, quantity in record.vendor_counts().items():
        integers[names.TOLD_PREFIX + meter] = quantity
    return strings, integers


def _route(record: RequestRecord, strings: dict[str, str]) -> dict[str, int]:
    """Add where in its route a request stood; return its position there, when it stood in one."""
    place = record.place
    if place is None:
        return {}
    strings[names.CHAIN] = place.chain
    strings[names.ROUTE_CAUSE] = place.cause
    strings[names.ROUTE_ORIGIN] = place.origin
    strings[names.ROUTE_REJECTED] = "; ".join(map(str, place.rejected))
    return {names.ROUTE_POSITION: place.position}
