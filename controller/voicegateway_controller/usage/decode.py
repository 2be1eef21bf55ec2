"""OTLP spans to inbox rows: pure, and the hottest code of the controller (its cost per span is benchmarked)."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from voicegateway_controller.usage import attribute
from voicegateway_controller.usage.attribute import BAD, REPORTED, REST, TEXT, USAGE
from voicegateway_controller.usage.columns import COLUMNS, INDEX, SEPARATOR, Row
from voicegateway_controller.usage.otlp import DecodeError, KeyValue, Span
from voicegateway_shared.telemetry import attributes as names

CLOCK_AHEAD_NS: Final = 5 * 60 * 10**9
"""A span that ends further in our future than this has a wrong clock; it is kept, flagged, charged on arrival."""
CLOCK_BEHIND_NS: Final = 7 * 86_400 * 10**9
"""Outboxes may lag for days; a week is a wrong clock or a forgotten disk."""
ATTRIBUTES_MAX: Final = 256
"""OpenTelemetry's own default limit is 128 per span."""
NAMES_BYTES_MAX: Final = 2_400
"""Of project, agent, provider and model together: they are one key of the sums, and Postgres indexes 2,704 bytes."""
UTF8_BYTES_MAX: Final = 4
"""Of one character."""
REST_MAX: Final = 32
"""How many attributes that we do not know are kept beside a span."""
REST_CHARS_MAX: Final = 2_048
"""Long enough for the sixteen vendor request ids that one request may have."""

_MODALITIES: Final = frozenset({"stt", "llm", "tts", "realtime"})
_OUTCOMES: Final = frozenset({"ok", "cancelled", "interrupted", "error"})
_REQUIRED: Final = tuple(
    (INDEX[column], name)
    for column, name in (
        ("project", names.PROJECT),
        ("provider", names.PROVIDER),
        ("model", names.REQUEST_MODEL),
        ("modality", names.MODALITY),
    )
)
_UUID: Final = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII).fullmatch
_BLANK: Final[Row] = [""] * len(COLUMNS)
_json: Final = msgspec.json.Encoder().encode

_NAMES: Final = tuple(INDEX[name] for name in ("project", "agent", "provider", "model"))
_REQUEST_ID, _TRACE_ID, _SPAN_ID, _INCARNATION, _PROJECT, _MODALITY, _OUTCOME, _ESTIMATED = (
    INDEX[name]
    for name in (
        "request_id", "trace_id", "span_id", "incarnation", "project", "modality", "outcome", "estimated",
    )
)  # fmt: skip
_ERROR_TYPE, _ATTEMPTS, _DURATION, _STARTED, _ENDED, _SUSPECT, _USAGE, _REPORTED, _ATTRIBUTES = (
    INDEX[name]
    for name in (
        "error_type", "attempts", "duration_ms", "started_at", "ended_at", "clock_suspect", "usage", "reported",
        "attributes",
    )
)  # fmt: skip


class Malformed(Exception):
    """A span that calls itself ours but cannot be one; the message is the reason shown to people."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One span for the quarantine, in the bytes in which it came."""

    reason: str
    body: bytes


@dataclass(slots=True)
class Decoded:
    """What a request body held; filled by `decode_into`, then only read."""

    rows: list[Row] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    foreign: int = 0

    def columns(self) -> list[str]:
        """Return one joined text per column, after refusing the rows that would break the joining."""
        joined = [SEPARATOR.join(column) for column in zip(*self.rows, strict=True)]
        separators = len(self.rows) - 1
        if any(column.count(SEPARATOR) != separators or "\0" in column for column in joined):
            self._refuse_control_characters()
            return self.columns()
        return joined

    def _refuse_control_characters(self) -> None:
        kept = [not any(SEPARATOR in text or "\0" in text for text in row) for row in self.rows]
        self.refused += [
            Refused("a text holds a control character (0x00 or 0x1F)", body)
            for body, good in zip(self.bodies, kept, strict=True)
            if not good
        ]
        self.rows = [row for row, good in zip(self.rows, kept, strict=True) if good]
        self.bodies = [body for body, good in zip(self.bodies, kept, strict=True) if good]


def decode_into(decoded: Decoded, message: Any, *, arrived_ns: int, allows: Callable[[str], bool]) -> Iterator[None]:
    """Fill `decoded` span by span; pauses after each, so that a caller may breathe in between.

    `message` is an `otlp.Request`; `allows` says whether the sender may write to a project.
    """
    for resource_spans in message.resource_spans:
        incarnation = _incarnation(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for body in scope_spans.spans:
                try:
                    row = _row(body, arrived_ns)
                    if row is None:
                        decoded.foreign += 1
                    elif not allows(row[_PROJECT]):
                        raise Malformed(f"the token may not write to project {row[_PROJECT]!r}")
                    else:
                        row[_INCARNATION] = incarnation
                        decoded.rows.append(row)
                        decoded.bodies.append(body)
                except Malformed as error:
                    decoded.refused.append(Refused(str(error), body))
                yield


def _row(body: bytes, arrived_ns: int) -> Row | None:
    """Return the row of one span, or None when it is not ours."""
    try:
        span = Span.FromString(body)
    except DecodeError as error:
        raise Malformed("not an OTLP span") from error
    row = _BLANK.copy()
    usage: list[str] = []
    reported: list[str] = []
    rest: list[Any] = []
    problem = ""
    remembered, parse = attribute.MEMO.get, attribute.parse
    pairs = span.attributes
    if len(pairs) > ATTRIBUTES_MAX:
        problem = f"more than {ATTRIBUTES_MAX} attributes"
        pairs = pairs[:ATTRIBUTES_MAX]
    for raw in pairs:
        kind, target, text = remembered(raw) or parse(raw)
        if kind == TEXT:
            row[target] = text
        elif kind == USAGE:
            usage.append(target + text)
        elif kind == REST:
            rest.append(target)
        elif kind == BAD:
            problem = text
        elif kind == REPORTED:
            reported.append(target + text)
    if not row[_REQUEST_ID]:
        if problem.startswith(names.REQUEST_ID):
            raise Malformed(problem)
        return None
    if problem:
        raise Malformed(problem)
    _check(row)
    _set_ids(span, row)
    _set_instants(span, row, arrived_ns)
    row[_USAGE] = "{" + ",".join(usage) + "}"
    if reported:
        row[_REPORTED] = "{" + ",".join(reported) + "}"
    if rest:
        row[_ATTRIBUTES] = _kept(rest)
    return row


def _check(row: Row) -> None:
    for index, name in _REQUIRED:
        if not row[index]:
            raise Malformed(f"{name} is missing")
    if _UUID(row[_REQUEST_ID]) is None:
        raise Malformed(f"{names.REQUEST_ID} is not a UUID")
    if row[_MODALITY] not in _MODALITIES:
        raise Malformed(f"{names.MODALITY} is not one of stt, llm, tts, realtime")
    if row[_OUTCOME] not in _OUTCOMES:
        if row[_OUTCOME]:
            raise Malformed(f"{names.OUTCOME} is not one of ok, cancelled, interrupted, error")
        row[_OUTCOME] = "error" if row[_ERROR_TYPE] else "ok"
    row[_ESTIMATED] = row[_ESTIMATED] or "f"
    row[_ATTEMPTS] = row[_ATTEMPTS] or "1"
    names_text = "".join([row[index] for index in _NAMES])
    if len(names_text) > NAMES_BYTES_MAX // UTF8_BYTES_MAX and len(names_text.encode()) > NAMES_BYTES_MAX:
        raise Malformed(f"project, agent, provider and model are longer than {NAMES_BYTES_MAX} bytes together")


def _set_ids(span: Any, row: Row) -> None:
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or len(span_id) != 8:
        raise Malformed("trace_id must have 16 bytes and span_id 8")
    row[_TRACE_ID] = trace_id.hex()
    row[_SPAN_ID] = span_id.hex()


def _set_instants(span: Any, row: Row, arrived_ns: int) -> None:
    """Set the times, in whole microseconds. The day follows from the end, so that a resend meets the first's key."""
    started_ns, ended_ns = span.start_time_unix_nano, span.end_time_unix_nano
    if not ended_ns:
        raise Malformed("the span has no end time")
    row[_STARTED] = str((started_ns or ended_ns) // 1000)
    row[_ENDED] = str(ended_ns // 1000)
    row[_SUSPECT] = "f" if -CLOCK_BEHIND_NS <= ended_ns - arrived_ns <= CLOCK_AHEAD_NS else "t"
    if not row[_DURATION]:
        row[_DURATION] = str(max(0, ended_ns - started_ns) // 1_000_000) if started_ns else "0"


def _incarnation(attributes: Iterable[bytes]) -> str:
    for raw in attributes:
        try:
            pair = KeyValue.FromString(raw)
        except DecodeError:
            continue
        if pair.key == names.INCARNATION:
            text = pair.value.string_value[: attribute.TEXT_CHARS_MAX]
            return text.replace("\0", "").replace(SEPARATOR, "")
    return ""


def _kept(rest: list[Any]) -> str:
    """Keep scalars; lists and maps are the user's business and stay in the user's own traces."""
    kept: dict[str, Any] = {}
    for key, value in rest[:REST_MAX]:
        which = value.WhichOneof("value")
        name = key[: attribute.TEXT_CHARS_MAX].replace("\0", "")
        if which == "string_value":
            kept[name] = value.string_value[:REST_CHARS_MAX].replace("\0", "")
        elif which in ("int_value", "bool_value", "double_value"):
            kept[name] = getattr(value, which)
    return _json(kept).decode() if kept else ""
