"""Echoes: what vendors tell of a request in their answers is kept under our names, and only so much of it."""

import httpx
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.unit.voicegateway.records import a_record

from voicegateway.encode import encode_span
from voicegateway.instrument import echoes
from voicegateway_shared.telemetry import attributes as names

OPENAI = {
    "X-Request-Id": "req_1",
    "OpenAI-Processing-Ms": "120",
    "openai-organization": "acme",
    "content-type": "text/event-stream",
}


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
def test_what_an_answer_tells_is_kept_by_our_names(kind: str) -> None:
    record = a_record()

    echoes.note_headers(record, httpx.Headers(OPENAI) if kind == "httpx" else CIMultiDictProxy(CIMultiDict(OPENAI)))

    assert record.echoes == {"request_id": "req_1", "processing_ms": "120", "organization": "acme"}


def test_the_answer_to_a_retry_replaces_the_one_before_it() -> None:
    record = a_record()

    echoes.note_headers(record, httpx.Headers({"request-id": "req_1", "anthropic-organization-id": "org"}))
    echoes.note_headers(record, httpx.Headers({"request-id": "req_2"}))

    assert record.echoes == {"request_id": "req_2", "organization": "org"}


def test_a_vendor_cannot_fill_the_outbox() -> None:
    record = a_record()

    for number in range(20):
        echoes.note(record, f"name_{number}", "x" * 1_000)

    assert len(record.echoes) == echoes.ECHOES_MAX
    assert {len(told) for told in record.echoes.values()} == {echoes.ECHO_CHARS_MAX}


def test_what_was_told_is_in_the_span() -> None:
    record = a_record("tts", provider="elevenlabs")
    echoes.note(record, echoes.CHARACTER_COST, "42")
    echoes.note(record, echoes.REGION, "")

    attributes = {item.key: item.value.string_value for item in Span.FromString(encode_span(record)).attributes}

    told = {key: value for key, value in attributes.items() if key.startswith(names.VENDOR_ECHO_PREFIX)}
    assert told == {"voicegateway.vendor.character_cost": "42"}
