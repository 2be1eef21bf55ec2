"""A request's intent in brief: who asks whom for what, as OTLP span bytes, in about two microseconds.

Serialized protobuf messages of one type may be concatenated: what is the same for all requests of a plugin in a session
is serialized once, and only ids and the start are added per request.
"""

import struct
from typing import Final

from voicegateway.record import RequestRecord
from voicegateway_shared.telemetry import attributes as names

CACHED_MAX: Final = 256
"""A job process has a handful of plugins in one session; a thread-based worker some dozens."""

_START: Final = struct.Struct("<Q")
_REQUEST_ID_CHARS: Final = 36

_constant: dict[tuple[object, ...], tuple[bytes, object, object]] = {}


def brief_intent(record: RequestRecord) -> bytes:
    """Return the serialized `opentelemetry.proto.trace.v1.Span` of a request that has just started.

    It names everything that identifies and prices the request, and no usage: there is none yet.
    """
    facts, identity = record.facts, record.identity
    key = (id(facts), id(identity), record.project, record.model, record.language, record.voice, record.mode)
    found = _constant.get(key)
    if found is None:
        if len(_constant) >= CACHED_MAX:
            _constant.clear()
        # Facts and identity are kept with it, so that their ids are not given to others.
        found = _constant[key] = (_constant_part(record), facts, identity)
    return b"".join(
        (
            found[0],
            b"\x0a\x10",
            record.trace_id,
            b"\x12\x08",
            record.span_id,
            b"\x39",
            _START.pack(record.started_unix_ns),
            _REQUEST_ID_PREFIX,
            record.request_id.encode(),
        )
    )


def _constant_part(record: RequestRecord) -> bytes:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from voicegateway.encode import identifying

    span = Span(name=f"voicegateway.{record.modality}", kind=Span.SPAN_KIND_CLIENT)
    for key, value in identifying(record).items():
        if value and key != names.REQUEST_ID:
            span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key=names.ESTIMATED).value.bool_value = True
    return span.SerializeToString()


def _request_id_prefix() -> bytes:
    """`Span.attributes` (field 9) of one KeyValue with our key and a string of 36 characters, up to the string."""
    key = names.REQUEST_ID.encode()
    value = bytes((0x0A, _REQUEST_ID_CHARS))
    pair_bytes = 2 + len(key) + 2 + len(value) + _REQUEST_ID_CHARS
    head = bytes((0x4A, pair_bytes, 0x0A, len(key))) + key
    return head + bytes((0x12, len(value) + _REQUEST_ID_CHARS)) + value


_REQUEST_ID_PREFIX: Final = _request_id_prefix()
