"""What is counted of a request, and when the count is only an estimate, case by case."""

from typing import Any

import pytest
from tests.unit.voicegateway.records import HELLO_TOKENS, a_record, chunk, tokens

from voicegateway.record import VENDOR_IDS_MAX, RequestRecord
from voicegateway.wire_count import WireCount

TOLD = [chunk("Hi"), chunk(" there"), chunk(usage=tokens(50, 2))]
UNTOLD = [chunk("Hi"), chunk(" there")]


def attempted(record: RequestRecord, *attempts: str) -> RequestRecord:
    """Let a record live through attempts: `refused`, `silent`, `timeout`, `broken`, `told`, `limited`, `ok`."""
    record.attempts = 0
    for kind in attempts:
        if kind == "limited":
            record.refuse_attempt()
            continue
        record.begin_attempt()
        record.attempt.is_refused = kind == "refused"
        record.attempt.is_timed_out = kind == "timeout"
        if kind in ("broken", "told") and record.modality == "llm":
            record.llm_chunks.append(chunk("Hm"))
        elif kind == "broken":
            record.attempt.is_answered = True
            record.received_samples += 24_000
            record.received_rate = 24_000
        elif kind == "ok" and record.modality == "llm":
            record.llm_chunks.extend(TOLD)
        if kind == "told":
            record.llm_chunks.append(chunk(usage=tokens(50, 1, cached=40)))
    if attempts[-1] != "ok" and record.outcome == "error":
        record.end_failed_attempt()
    return record


def cancelled_after(content: str, record: RequestRecord) -> RequestRecord:
    """Let the running attempt of a language model bring a chunk, and cancel it."""
    record.llm_chunks.append(chunk(content))
    record.outcome = "cancelled"
    return record


def cases(named: list[tuple[Any, ...]]) -> list[Any]:
    """Return test cases whose first item is their name."""
    return [pytest.param(*case[1:], id=case[0]) for case in named]


def counted(record: RequestRecord) -> dict[str, int]:
    """Return the usage without what counts the counting."""
    return {meter: count for meter, count in record.usage().items() if meter not in ("requests", "chunks_received")}


LLM_CASES: list[tuple[Any, ...]] = [
    ("told", a_record(llm_chunks=TOLD), {"input_tokens": 50, "output_tokens": 2}, False),
    (
        "told with parts",
        a_record(llm_chunks=[chunk(usage=tokens(50, 9, cached=40, written=5, reasoning=7))]),
        {
            "input_tokens": 50,
            "output_tokens": 9,
            "cache_read_tokens": 40,
            "cache_write_tokens": 5,
            "reasoning_tokens": 7,
        },
        False,
    ),
    ("ended without a word on usage", a_record(llm_chunks=UNTOLD), {"input_tokens": 6, "output_tokens": 2}, True),
    (
        "cancelled mid-way",
        a_record(outcome="cancelled", llm_chunks=UNTOLD),
        {"input_tokens": 6, "output_tokens": 2},
        True,
    ),
    ("cancelled before a chunk", a_record(outcome="cancelled"), {"input_tokens": 6, "output_tokens": 0}, True),
    (
        "told what cannot be",
        a_record(llm_chunks=[*UNTOLD, chunk(usage=tokens(10**30, 2)), chunk(usage=tokens(50, -2))]),
        {"input_tokens": 6, "output_tokens": 2},
        True,
    ),
    ("cancelled before it was sent", a_record(outcome="cancelled", attempts=0), {}, False),
    (
        "vendor's failure, then our refusal, then cancelled",
        attempted(a_record(outcome="cancelled"), "silent", "limited"),
        {},
        False,
    ),
    (
        "broke after a chunk, then our refusal",
        attempted(a_record(outcome="error"), "broken", "limited"),
        {"input_tokens": HELLO_TOKENS, "output_tokens": 1},
        True,
    ),
    (
        "refused by us, then told",
        attempted(a_record(), "limited", "ok"),
        {"input_tokens": 50, "output_tokens": 2},
        False,
    ),
    ("refused by us twice", attempted(a_record(outcome="error"), "limited", "limited"), {}, False),
    ("still open", a_record(outcome=None, attempts=0), {"input_tokens": 6, "output_tokens": 0}, True),
    ("refused", attempted(a_record(outcome="error"), "refused"), {}, False),
    ("broke before a chunk", attempted(a_record(outcome="error"), "silent"), {}, False),
    (
        "broke after a chunk",
        attempted(a_record(outcome="error"), "broken"),
        {"input_tokens": HELLO_TOKENS, "output_tokens": 1},
        True,
    ),
    (
        "timed out twice",
        attempted(a_record(outcome="error"), "timeout", "timeout"),
        {"input_tokens": 2 * HELLO_TOKENS, "output_tokens": 0},
        True,
    ),
    ("refused, then told", attempted(a_record(), "refused", "ok"), {"input_tokens": 50, "output_tokens": 2}, False),
    ("timed out, then told", attempted(a_record(), "timeout", "ok"), {"input_tokens": 100, "output_tokens": 2}, True),
    (
        "broke after its usage was told",
        attempted(a_record(outcome="error"), "told"),
        {"input_tokens": 50, "output_tokens": 1, "cache_read_tokens": 40},
        False,
    ),
    (
        "broke after its usage was told, then told",
        attempted(a_record(), "told", "ok"),
        {"input_tokens": 100, "output_tokens": 3, "cache_read_tokens": 40},
        False,
    ),
    (
        "broke after its usage was told, then refused",
        attempted(a_record(outcome="error"), "told", "refused"),
        {"input_tokens": 50, "output_tokens": 1, "cache_read_tokens": 40},
        False,
    ),
    (
        "broke after its usage was told, then cancelled",
        cancelled_after("Well", attempted(a_record(outcome=None), "told", "cancelled")),
        {"input_tokens": 100, "output_tokens": 2, "cache_read_tokens": 40},
        True,
    ),
    ("broke, then told", attempted(a_record(), "broken", "ok"), {"input_tokens": 100, "output_tokens": 3}, True),
]


@pytest.mark.parametrize(("record", "usage", "is_estimated"), cases(LLM_CASES))
def test_tokens_of_a_chat(record: RequestRecord, usage: dict[str, int], is_estimated: bool) -> None:
    assert counted(record) == usage
    assert record.is_estimated() == is_estimated


def a_wire(characters: int = 0, failed: int = 0, *, is_used: bool = True) -> WireCount:
    wire = WireCount(sample_rate=16_000)
    if is_used:
        wire.characters(failed)
        wire.attempt_failed()
        wire.characters(characters)
    return wire


def speech(**fields: Any) -> RequestRecord:
    return a_record("tts", pushed=40, **fields)


def heard(**fields: Any) -> RequestRecord:
    return speech(received_samples=48_000, received_rate=24_000, **fields)


PUSHED = {"characters_pushed": 40}
AUDIO = {"audio_received_ms": 2000}
OPENAI: dict[str, Any] = {"provider": "openai", "model": "gpt-4o-mini-tts", "is_push_whole": True}


def characters(sent: int, failed: int) -> dict[str, int]:
    return {"characters_sent": sent, "characters_failed": failed}


def speech_tokens(text: int, audio: int) -> dict[str, int]:
    return {"input_tokens": text, "output_tokens": audio, "output_audio_tokens": audio}


TTS_CASES: list[tuple[Any, ...]] = [
    ("seen on the wire", heard(wire=a_wire(42)), PUSHED | AUDIO | characters(42, 0), False),
    ("failed once on the wire", heard(wire=a_wire(42, 42)), PUSHED | AUDIO | characters(84, 42), False),
    ("cancelled on the wire", speech(wire=a_wire(7), outcome="cancelled"), PUSHED | characters(7, 0), False),
    ("heard, but not seen", heard(wire=a_wire(is_used=False)), PUSHED | AUDIO | characters(40, 0), True),
    ("nothing to see", heard(), PUSHED | AUDIO | characters(40, 0), True),
    ("sent whole", heard(is_push_whole=True), PUSHED | AUDIO | characters(40, 0), False),
    ("never sent", speech(is_push_whole=True, attempts=0, outcome="cancelled"), PUSHED | characters(0, 0), False),
    ("still open", speech(is_push_whole=True, attempts=0, outcome=None), PUSHED | characters(40, 0), True),
    (
        "refused, then sent whole",
        attempted(heard(is_push_whole=True), "refused", "ok"),
        PUSHED | AUDIO | characters(40, 0),
        False,
    ),
    (
        "silent, then sent whole",
        attempted(heard(is_push_whole=True), "silent", "ok"),
        PUSHED | AUDIO | characters(80, 40),
        False,
    ),
    (
        "broken, then sent whole",
        attempted(speech(is_push_whole=True), "broken", "ok"),
        PUSHED | {"audio_received_ms": 1000} | characters(80, 0),
        False,
    ),
    (
        "refused for good",
        attempted(speech(is_push_whole=True, outcome="error"), "refused"),
        PUSHED | characters(0, 0),
        False,
    ),
    (
        "tokens told",
        heard(**OPENAI, tts_tokens=(9, 40)),
        PUSHED | AUDIO | characters(40, 0) | speech_tokens(9, 40),
        False,
    ),
    (
        "tokens not told",
        heard(**OPENAI, outcome="cancelled"),
        PUSHED | AUDIO | characters(40, 0) | speech_tokens(10, 40),
        True,
    ),
    (
        "tokens of a refusal",
        attempted(speech(**OPENAI, outcome="error"), "refused"),
        PUSHED | characters(0, 0),
        False,
    ),
    (
        "tokens told after a broken attempt",
        attempted(speech(**OPENAI, tts_tokens=(9, 40)), "broken", "ok"),
        PUSHED | {"audio_received_ms": 1000} | characters(80, 0) | speech_tokens(9 + 10, 40 + 20),
        True,
    ),
    (
        "characters of an older model",
        heard(provider="openai", model="tts-1-hd", is_push_whole=True),
        PUSHED | AUDIO | characters(40, 0),
        False,
    ),
]


@pytest.mark.parametrize(("record", "usage", "is_estimated"), cases(TTS_CASES))
def test_characters_and_tokens_of_speech(record: RequestRecord, usage: dict[str, int], is_estimated: bool) -> None:
    assert counted(record) == usage
    assert record.is_estimated() == is_estimated


def said(**fields: Any) -> RequestRecord:
    return a_record("stt", pushed=32_000, pushed_rate=16_000, **fields)


def sent(size_bytes: int) -> WireCount:
    wire, connection = WireCount(sample_rate=16_000), object()
    wire.opened(connection, 0)
    wire.audio(connection, 0, size_bytes)
    return wire


STT_CASES: list[tuple[Any, ...]] = [
    ("seen on the wire", said(wire=sent(16_000)), 500, False),
    ("not yet connected", said(wire=WireCount(sample_rate=16_000)), 0, False),
    ("answered, but not seen", said(wire=WireCount(sample_rate=16_000), chunks=1), 2000, True),
    ("nothing to see", said(chunks=3), 2000, True),
    ("refused, nothing to see", attempted(said(outcome="error"), "refused"), None, False),
    ("still open", said(wire=sent(16_000), outcome=None), 500, True),
    ("recording", said(mode="batch", is_push_whole=True, chunks=1), 2000, False),
    ("recording cancelled", said(mode="batch", is_push_whole=True, outcome="cancelled"), 2000, False),
    (
        "recording refused, then taken",
        attempted(said(mode="batch", is_push_whole=True), "refused", "ok"),
        2000,
        False,
    ),
    (
        "recording timed out, then taken",
        attempted(said(mode="batch", is_push_whole=True), "timeout", "ok"),
        4000,
        True,
    ),
    (
        "recording timed out for good",
        attempted(said(mode="batch", is_push_whole=True, outcome="error"), "timeout"),
        2000,
        True,
    ),
    ("recording refused", attempted(said(mode="batch", is_push_whole=True, outcome="error"), "refused"), None, False),
]


@pytest.mark.parametrize(("record", "sent_ms", "is_estimated"), cases(STT_CASES))
def test_audio_of_a_transcription(record: RequestRecord, sent_ms: int | None, is_estimated: bool) -> None:
    usage = record.usage()

    assert usage.get("audio_sent_ms") == sent_ms
    assert usage["audio_pushed_ms"] == 2000
    assert record.is_estimated() == is_estimated


def test_every_usage_counts_one_request_and_its_chunks() -> None:
    assert a_record(llm_chunks=TOLD).usage() == {
        "input_tokens": 50,
        "output_tokens": 2,
        "requests": 1,
        "chunks_received": 2,
    }


def test_milliseconds_are_rounded_down_for_each_connection_as_vendors_do() -> None:
    wire = WireCount(sample_rate=16_000)
    for connection in (object(), object()):
        wire.audio(connection, 0, 16_000 * 2 + 31)

    # 31 bytes are just short of a millisecond; of both connections together they would be one.
    assert wire.audio_sent_ms() == 2000


def test_socket_time_ends_with_the_socket() -> None:
    wire, connection = WireCount(sample_rate=16_000), object()
    wire.opened(connection, 0)
    wire.closed(object())
    running_ms = wire.socket_open_ms()
    wire.closed(connection)
    wire.closed(connection)
    closed_ms = wire.socket_open_ms()

    assert 0 < running_ms <= closed_ms
    assert wire.socket_open_ms() == closed_ms


def test_ids_of_a_vendor_are_kept_once_each_and_not_without_end() -> None:
    record = a_record()
    for number in range(VENDOR_IDS_MAX + 5):
        record.vendor_id(f"id-{number}")
        record.vendor_id(f"id-{number}")
        record.vendor_id("")

    assert record.vendor_ids == [f"id-{number}" for number in range(VENDOR_IDS_MAX)]
    assert record.response_id == f"id-{VENDOR_IDS_MAX - 1}"


def test_first_byte_is_the_first() -> None:
    record = a_record()
    record.first_byte(0)
    first = record.ttfb_ns
    record.first_byte(0)

    assert record.ttfb_ns == first > 0
