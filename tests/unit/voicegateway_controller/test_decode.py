"""OTLP spans to rows: what is taken, what is refused and why, and that the quick path agrees with protobuf's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.traces import INCARNATION, a_request, a_span, attribute

from voicegateway_controller.usage import attribute as parser
from voicegateway_controller.usage.columns import COLUMNS
from voicegateway_controller.usage.decode import Decoded, decode_into
from voicegateway_controller.usage.otlp import Request
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.usage import METERS

NOW_NS = 1_795_000_000_000_000_000
REQUEST_ID = "01930000-0000-7000-8000-000000000001"


def decoded(*spans: Span, allowed: frozenset[str] | None = None) -> Decoded:
    """Return what a request with these spans holds, arrived at NOW_NS."""
    result = Decoded()

    def allows(project: str) -> bool:
        return allowed is None or project in allowed

    for _ in decode_into(result, Request.FromString(a_request(*spans)), arrived_ns=NOW_NS, allows=allows):
        pass
    return result


def the_row(span: Span) -> dict[str, str]:
    """Return the one row of the one span."""
    [row] = decoded(span).rows
    return dict(zip(COLUMNS, row, strict=True))


def the_reason(span: Span) -> str:
    """Return why the one span was refused."""
    [refused] = decoded(span).refused
    assert Span.FromString(refused.body) == span
    return refused.reason


def test_a_whole_span() -> None:
    span = a_span(request_id=REQUEST_ID, ended_ns=NOW_NS, LANGUAGE="en", VOICE="v", STATUS_CODE=200)
    span.attributes.append(attribute("customer.tier", "gold"))
    span.attributes.append(attribute("customer.score", 0.5))
    span.attributes.append(attribute("customer.tags", True))
    span.attributes.append(
        KeyValue(key="customer.list", value=AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])))
    )

    assert the_row(span) == {
        "request_id": REQUEST_ID, "trace_id": "000102030405060708090a0b0c0d0e0f", "span_id": "0001020304050607",
        "incarnation": INCARNATION, "project": "acme", "session_id": "AJ_1", "agent": "receptionist", "room": "call-1",
        "job_id": "AJ_1", "speech_id": "speech_1", "key_id": "k-12345678", "modality": "llm", "provider": "openai",
        "model": "gpt-4.1-mini", "response_model": "gpt-4.1-mini-2025-04-14", "response_id": "chatcmpl-1",
        "language": "en", "voice": "v", "mode": "streaming", "service_tier": "default", "outcome": "ok",
        "estimated": "f", "error_type": "", "status_code": "200", "attempts": "1", "ttfb_ms": "400",
        "duration_ms": "900", "started_at": "1794999999100000", "ended_at": "1795000000000000", "clock_suspect": "f",
        "usage": '{"input_tokens":1200,"cache_read_tokens":1024,"output_tokens":60}', "reported": "",
        "attributes": '{"customer.tier":"gold","customer.score":0.5,"customer.tags":true}',
    }  # fmt: skip


def test_what_is_absent_has_a_plain_meaning() -> None:
    optional = [
        names.ESTIMATED, names.ATTEMPTS, names.DURATION_MS, names.TTFB_MS, names.OUTCOME, names.SESSION_ID,
    ]  # fmt: skip

    row = the_row(a_span(ended_ns=NOW_NS, without=optional))

    assert {key: row[key] for key in ("estimated", "attempts", "duration_ms", "ttfb_ms", "outcome", "session_id")} == {
        "estimated": "f", "attempts": "1", "duration_ms": "900", "ttfb_ms": "", "outcome": "ok", "session_id": "",
    }  # fmt: skip
    assert the_row(a_span(without=optional, ERROR_TYPE="Timeout"))["outcome"] == "error"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": "7"}, "voicegateway.request.id is not a UUID"),
        ({"request_id": "{01930000-0000-7000-8000-000000000001}"}, "voicegateway.request.id is not a UUID"),
        ({"without": [names.PROJECT]}, "voicegateway.project is missing"),
        ({"without": [names.PROVIDER]}, "gen_ai.provider.name is missing"),
        ({"without": [names.REQUEST_MODEL]}, "gen_ai.request.model is missing"),
        ({"without": [names.MODALITY]}, "voicegateway.modality is missing"),
        ({"PROJECT": ""}, "voicegateway.project is missing"),
        ({"PROJECT": 7}, "voicegateway.project is not a text of at most 256 characters"),
        ({"PROJECT": "x" * 257}, "voicegateway.project is not a text of at most 256 characters"),
        ({"MODALITY": "smell"}, "voicegateway.modality is not one of stt, llm, tts, realtime"),
        ({"OUTCOME": "fine"}, "voicegateway.outcome is not one of ok, cancelled, interrupted, error"),
        ({"ESTIMATED": "no"}, "voicegateway.estimated is not true or false"),
        ({"TTFB_MS": -1}, "voicegateway.ttfb_ms is not a whole number from 0 to 2147483647"),
        ({"TTFB_MS": 2**31}, "voicegateway.ttfb_ms is not a whole number from 0 to 2147483647"),
        ({"ATTEMPTS": "one"}, "voicegateway.attempts is not a whole number from 0 to 2147483647"),
        ({"usage": {"sighs": 1}}, "voicegateway.usage.sighs is not a meter we know"),
        ({"usage": {"input_tokens": -1}}, "voicegateway.usage.input_tokens is not a whole number from 0 to 10"),
        ({"usage": {"input_tokens": 10**15 + 1}}, "voicegateway.usage.input_tokens is not a whole number from 0 to 10"),
        ({"usage": {"input_tokens": 1.5}}, "voicegateway.usage.input_tokens is not a whole number from 0 to 10"),
        ({"usage": {"input_tokens": "12"}}, "voicegateway.usage.input_tokens is not a whole number from 0 to 10"),
        ({"usage": {"input_tokens": True}}, "voicegateway.usage.input_tokens is not a whole number from 0 to 10"),
    ],
)
def test_a_malformed_span_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    assert the_reason(a_span(ended_ns=NOW_NS, **changes)).startswith(reason)


def test_ids_and_times_must_be_there() -> None:
    short, endless = a_span(), a_span()
    short.trace_id = b"short"
    endless.end_time_unix_nano = 0

    assert the_reason(short) == "trace_id must have 16 bytes and span_id 8"
    assert the_reason(endless) == "the span has no end time"


def test_what_a_vendor_told_in_its_answer_is_kept_beside_the_request() -> None:
    span = a_span(request_id=REQUEST_ID, ended_ns=NOW_NS)
    span.attributes.append(attribute(f"{names.VENDOR_ECHO_PREFIX}character_cost", "42"))
    span.attributes.append(attribute(f"{names.VENDOR_ECHO_PREFIX}request_id", "req_1"))

    assert the_row(span)["attributes"] == (
        '{"voicegateway.vendor.character_cost":"42","voicegateway.vendor.request_id":"req_1"}'
    )


def test_too_many_attributes_are_refused() -> None:
    span = a_span()
    span.attributes.extend([attribute(f"k{n}", n) for n in range(256)])

    assert the_reason(span) == "more than 256 attributes"


@pytest.mark.parametrize("character", ["\x00", "\x1f"])
def test_control_characters_that_postgres_or_we_cannot_carry_are_refused(character: str) -> None:
    good, bad = a_span(), a_span(ROOM_NAME=f"room{character}1")

    result = decoded(good, bad)
    columns = result.columns()

    assert [refused.reason for refused in result.refused] == ["a text holds a control character (0x00 or 0x1F)"]
    assert Span.FromString(result.refused[0].body) == bad
    assert [column.count("\x1f") for column in columns] == [0] * len(COLUMNS)


def test_nothing_left_after_refusing_control_characters() -> None:
    result = decoded(a_span(ROOM_NAME="\x00"))

    assert result.columns() == []
    assert len(result.refused) == 1


def test_a_project_out_of_reach_is_refused() -> None:
    result = decoded(a_span(), a_span(PROJECT="rival"), allowed=frozenset({"acme"}))

    assert len(result.rows) == 1
    assert [refused.reason for refused in result.refused] == ["the token may not write to project 'rival'"]


def test_spans_without_our_id_are_foreign_however_odd() -> None:
    odd = a_span(without=[names.REQUEST_ID], usage={"input_tokens": -1})

    result = decoded(odd, Span(), Span(name="GET /"))

    assert (result.foreign, result.rows, result.refused) == (3, [], [])


@pytest.mark.parametrize(
    ("seconds", "is_suspect"),
    [(0, "f"), (300, "f"), (301, "t"), (-7 * 86_400, "f"), (-7 * 86_400 - 1, "t"), (10**9, "t")],
)
def test_an_absurd_clock_is_flagged(seconds: int, is_suspect: str) -> None:
    assert the_row(a_span(ended_ns=NOW_NS + seconds * 10**9))["clock_suspect"] == is_suspect


def test_unknown_attributes_are_kept_within_bounds() -> None:
    span = a_span()
    span.attributes.extend([attribute(f"key-{n}", "x" * 5_000) for n in range(100)])

    kept = the_row(span)["attributes"]

    assert kept.count("key-") == 32
    assert len(kept) < 32 * (parser.TEXT_CHARS_MAX + 2_100)


KEYS = [
    *vars(names).values(),
    *(names.USAGE_PREFIX + meter for meter in METERS),
    *(names.REPORTED_PREFIX + meter for meter in METERS),
    names.USAGE_PREFIX + "sighs",
    "customer.tier",
    "",
]
VALUES = (
    st.builds(lambda value: AnyValue(string_value=value), st.text(max_size=300))
    | st.builds(lambda value: AnyValue(int_value=value), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**20))
    | st.builds(lambda value: AnyValue(bool_value=value), st.booleans())
    | st.builds(lambda value: AnyValue(double_value=value), st.floats())
    | st.just(AnyValue())
)


@given(key=st.sampled_from([key for key in KEYS if isinstance(key, str)]) | st.text(max_size=200), value=VALUES)
def test_the_quick_path_agrees_with_protobuf(key: str, value: AnyValue) -> None:
    raw = KeyValue(key=key, value=value).SerializeToString()
    parser.MEMO.clear()

    quick = parser.parse(raw)
    slow = parser._parse_any(raw)

    assert quick[0] == slow[0]
    if quick[0] != parser.REST:
        assert quick == slow
    assert parser.MEMO.get(raw, quick) == quick


@given(raw=st.binary(max_size=64), key=st.sampled_from([names.PROJECT, names.TTFB_MS, names.USAGE_PREFIX + "requests"]))
def test_no_bytes_break_the_parser(raw: bytes, key: str) -> None:
    framed = bytes([0x0A, len(key)]) + key.encode() + raw

    for body in (raw, framed):
        assert parser.parse(body)[0] in (
            parser.TEXT, parser.USAGE, parser.REPORTED, parser.REST, parser.IGNORED, parser.BAD,
        )  # fmt: skip


@given(raw=st.binary(max_size=64), key=st.sampled_from([names.PROJECT, names.TTFB_MS, names.USAGE_PREFIX + "requests"]))
def test_what_the_quick_path_takes_protobuf_takes_too(raw: bytes, key: str) -> None:
    framed = bytes([0x0A, len(key)]) + key.encode() + raw
    parser.MEMO.clear()

    quick = parser.parse(framed)

    if quick[0] in (parser.TEXT, parser.USAGE):
        assert quick == parser._parse_any(framed)
