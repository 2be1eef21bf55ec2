"""What the outbox must know of a serialized OTLP Span: is it estimated, whose is it, and how to interrupt it."""

from typing import Final

from voicegateway_shared.telemetry import attributes

PROCESS_DIED: Final = "process_died"
"""error.type of a request whose process ended before the request did."""
ENCODE_FAILED: Final = "encode_failed"
"""error.type of a request whose final span could not be made; its last known state stands for it."""

_BOOL_TRUE: Final = b"\x12\x02\x10\x01"
_ESTIMATED_MARK: Final = attributes.ESTIMATED.encode() + _BOOL_TRUE
"""How `KeyValue{estimated: true}` ends on the wire: key, then an AnyValue of two bytes, bool_value 1."""


def is_estimated(body: bytes) -> bool:
    """Whether the span says `voicegateway.estimated=true`; a byte search, since parsing costs 50 times more."""
    return _ESTIMATED_MARK in body


def provider_and_model(body: bytes) -> tuple[str, str]:
    """Return who would have been paid for what; empty strings where the span does not say or cannot be read."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    try:
        span = Span.FromString(body)
    except DecodeError:
        return "", ""
    found = {item.key: item.value.string_value for item in span.attributes}
    return found.get(attributes.PROVIDER, ""), found.get(attributes.REQUEST_MODEL, "")


def request_id_and_start(body: bytes) -> tuple[str, int]:
    """Return the request's id and its start in Unix nanoseconds.

    Raises:
        ValueError: the bytes are not a span, or it names no request.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    try:
        span = Span.FromString(body)
    except DecodeError as error:
        raise ValueError("the intent is not an OTLP span") from error
    for item in span.attributes:
        if item.key == attributes.REQUEST_ID:
            return item.value.string_value, span.start_time_unix_nano
    raise ValueError("the intent names no request")


def interrupt(body: bytes, *, error_type: str, seen_ns: int | None) -> bytes:
    """Return the span of an intent, ended: outcome interrupted, estimated, with the reason in `error.type`.

    It ends where its own last word says; without one, when it was last written (`seen_ns`), or began.

    Raises:
        ValueError: the bytes are not a span.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    try:
        span = Span.FromString(body)
    except DecodeError as error:
        raise ValueError("the intent is not an OTLP span") from error
    span.end_time_unix_nano = max(span.start_time_unix_nano, span.end_time_unix_nano or seen_ns or 0)
    replaced = {attributes.OUTCOME, attributes.ESTIMATED, attributes.ERROR_TYPE}
    kept = [item for item in span.attributes if item.key not in replaced]
    del span.attributes[:]
    span.attributes.extend(kept)
    span.attributes.add(key=attributes.OUTCOME).value.string_value = "interrupted"
    span.attributes.add(key=attributes.ESTIMATED).value.bool_value = True
    span.attributes.add(key=attributes.ERROR_TYPE).value.string_value = error_type
    return span.SerializeToString()
