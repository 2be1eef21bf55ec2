"""Builds an OTLP ExportTraceServiceRequest around spans that are already bytes, without parsing them."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

SERVICE_NAME: Final = "voicegateway"
_LENGTH_DELIMITED: Final = 2
_PARTS_OF_INCARNATION: Final = 3


class Row(NamedTuple):
    """One settled span as it lies in the outbox."""

    seq: int
    request_id: str
    incarnation: str
    body: bytes


def export_request(rows: Iterable[Row]) -> bytes:
    """Return the wire bytes of one request: a ResourceSpans per run of rows of one incarnation, order kept."""
    parts: list[bytes] = []
    for incarnation, group in groupby(rows, key=attrgetter("incarnation")):
        bodies = [row.body for row in group]
        heads = [_head(2, len(body)) for body in bodies]
        resource = _field(1, _resource(incarnation))
        scope_bytes = len(_SCOPE) + sum(map(len, heads)) + sum(map(len, bodies))
        scope_head = _head(2, scope_bytes)
        parts += (_head(1, len(resource) + len(scope_head) + scope_bytes), resource, scope_head, _SCOPE)
        parts += chain.from_iterable(zip(heads, bodies, strict=True))
    # Joined once: a batch is up to a MiB, and nesting by concatenation would copy it four times.
    return b"".join(parts)


def _resource(incarnation: str) -> bytes:
    """Return a Resource naming the process that made the spans, which need not be the one that sends them."""
    resource = _string_attribute("service.name", SERVICE_NAME)
    resource += _string_attribute("service.instance.id", incarnation)
    parts = incarnation.rsplit("-", _PARTS_OF_INCARNATION - 1)
    if len(parts) == _PARTS_OF_INCARNATION and parts[1].isdecimal():
        resource += _string_attribute("host.name", parts[0])
        resource += _integer_attribute("process.pid", int(parts[1]))
    return resource


def _string_attribute(key: str, value: str) -> bytes:
    return _field(1, _field(1, key.encode()) + _field(2, _field(1, value.encode())))


def _integer_attribute(key: str, value: int) -> bytes:
    any_value = bytes((3 << 3,)) + _varint(value)
    return _field(1, _field(1, key.encode()) + _field(2, any_value))


def _field(number: int, payload: bytes) -> bytes:
    return _head(number, len(payload)) + payload


@lru_cache(maxsize=4_096)
def _head(number: int, length: int) -> bytes:
    """Cached: spans of one host have a few hundred lengths, and a varint costs ten times a look-up."""
    return bytes((number << 3 | _LENGTH_DELIMITED,)) + _varint(length)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_SCOPE: Final = _field(1, _field(1, SERVICE_NAME.encode()))
