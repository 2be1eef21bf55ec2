"""Vendor usage: what vendors tell themselves becomes our meters, cumulative where it is told so, whole or not."""

from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import APIStatusError
from tests.unit.voicegateway.records import a_record, chunk, tokens

from voicegateway.instrument import vendor_usage
from voicegateway.record import RequestRecord

LIFETIMES = SimpleNamespace(ephemeral_5m_input_tokens=1_000, ephemeral_1h_input_tokens=200)


def started(*, lifetimes: Any = LIFETIMES, written: int = 1_200) -> Any:
    """Return a `message_start` of 9,300 input tokens."""
    usage = SimpleNamespace(
        input_tokens=100,
        cache_creation_input_tokens=written,
        cache_read_input_tokens=8_000,
        cache_creation=lifetimes,
        output_tokens=1,
        service_tier="standard",
    )
    return SimpleNamespace(type="message_start", message=SimpleNamespace(usage=usage))


def went_on(output_tokens: int) -> Any:
    """Return a `message_delta`, which tells the tokens of the whole message so far."""
    usage = SimpleNamespace(
        input_tokens=100,
        cache_creation_input_tokens=1_200,
        cache_read_input_tokens=8_000,
        output_tokens=output_tokens,
    )
    return SimpleNamespace(type="message_delta", usage=usage)


def read(record: RequestRecord, *events: Any) -> list[Any]:
    """Have a stream of Anthropic's plugin parse these events; return what the plugin saw."""
    seen: list[Any] = []
    stream = SimpleNamespace(_parse_event=seen.append)
    vendor_usage.watch_stream(stream, record)
    for event in events:
        stream._parse_event(event)
    return seen


def test_anthropics_output_is_counted_once_and_its_cache_by_lifetime() -> None:
    record = a_record(provider="anthropic", llm_chunks=[chunk("Hi"), chunk(usage=tokens(9_300, 21))])

    seen = read(record, started(), went_on(20))

    assert [event.type for event in seen] == ["message_start", "message_delta"]
    assert record.usage() == {
        "input_tokens": 9_300,
        "cache_read_tokens": 8_000,
        "cache_write_5m_tokens": 1_000,
        "cache_write_1h_tokens": 200,
        "output_tokens": 20,
        "requests": 1,
        "chunks_received": 1,
    }
    assert not record.is_estimated()
    assert record.echoes == {"service_tier": "standard"}


def test_a_write_of_no_stated_lifetime_is_a_write() -> None:
    record = a_record(provider="anthropic", llm_chunks=[chunk("Hi")])

    read(record, started(lifetimes=None), went_on(20))

    assert record.usage()["cache_write_tokens"] == 1_200


def test_a_message_that_is_cancelled_is_known_but_for_its_output() -> None:
    record = a_record(provider="anthropic", outcome="cancelled", llm_chunks=[chunk("Hi"), chunk(" there")])

    read(record, started())

    assert record.usage()["input_tokens"] == 9_300
    assert record.usage()["output_tokens"] == 2
    assert record.is_estimated()


def test_what_was_told_of_a_failed_attempt_is_not_the_next_ones() -> None:
    record = a_record(provider="anthropic", outcome=None, attempts=0)
    record.begin_attempt()
    read(record, started(), went_on(20))

    record.begin_attempt()

    assert (record.vendor_usage, record.is_vendor_usage_whole) == ({}, False)


def test_transcripts_of_one_stream_add_up() -> None:
    record = a_record("stt", provider="openai", model="gpt-4o-mini-transcribe")
    usage = {"input_tokens": 14, "input_token_details": {"audio_tokens": 10, "text_tokens": 4}, "output_tokens": 3}

    for told in (usage, usage, {"type": "duration", "seconds": 3}, None):
        vendor_usage.note_transcription(record, told)

    assert record.vendor_usage == {"input_tokens": 28, "input_audio_tokens": 20, "output_tokens": 6}


def test_a_recording_of_which_nothing_was_told_is_estimated() -> None:
    record = a_record("stt", provider="openai", model="gpt-4o-transcribe", mode="batch", is_push_whole=True)
    record.pushed, record.pushed_rate, record.chunks, record.outcome = 16_000 * 3, 16_000, 1, "cancelled"

    assert record.usage()["input_audio_tokens"] == 30
    assert record.usage()["output_tokens"] == 12
    assert record.is_estimated()


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (SimpleNamespace(status=429, code="rate_limit_exceeded"), 429),
        (SimpleNamespace(code="invalid_api_key"), 401),
        (SimpleNamespace(code="a new word"), -1),
    ],
)
def test_an_error_on_the_websocket_of_responses_has_its_status(event: Any, status: int) -> None:
    def handle(event: Any) -> None:
        raise APIStatusError("refused", status_code=-1, retryable=False)

    stream = SimpleNamespace(_parse_ws_event=None, _handle_error=handle)
    vendor_usage.watch_stream(stream, a_record())

    with pytest.raises(APIStatusError) as raised:
        stream._handle_error(event)

    assert raised.value.status_code == status
