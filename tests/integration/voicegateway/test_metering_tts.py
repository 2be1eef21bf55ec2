"""Speech: one record a request, its characters or tokens those of the vendor's bill, whatever became of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectOptions, APIError, APIStatusError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.plugins import cartesia
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY, RETRY
from tests.integration.voicegateway.metering import metering, settled, total
from tests.integration.voicegateway.plugin_use import AUDIO_MS, TEXT, stream_speech, synthesize

from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, FaultRule
from voicegateway.testing.vendors.faults import Endpoint
from voicegateway_shared.telemetry import attributes as names

REPLY = "   One sentence, to begin.   Then a second, somewhat longer one! And, to end, a third."
CHARACTERS = ("characters_sent", "characters_failed")
RETRY_ONCE_IMPATIENTLY = APIConnectOptions(max_retry=1, retry_interval=0.05, timeout=IMPATIENT.timeout)


async def test_streamed_speech_is_billed_by_the_characters_that_were_sent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        seconds = await stream_speech(voice)
        record, [bill] = await settled(meter, voice)

    assert seconds == pytest.approx(AUDIO_MS / 1000, abs=0.01)
    # The plugin sends a blank after the sentence, and one to end.
    assert record.billed(*CHARACTERS) == {"characters_sent": len(TEXT) + 2, "characters_failed": 0}
    assert record.usage["characters_sent"] == bill.usage["characters_sent"]
    assert record.usage["characters_pushed"] == len(TEXT)
    assert record.usage["audio_received_ms"] == pytest.approx(AUDIO_MS, abs=10)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert record.vendor_ids == [bill.request_id]
    assert 0 < record[names.TTFB_MS] <= record[names.DURATION_MS]
    assert record.reported["characters_sent"] == len(TEXT)


async def test_long_reply_is_billed_with_every_blank_the_plugin_adds(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        async with voice.stream(conn_options=NO_RETRY) as stream:
            for word in REPLY.split(" "):
                stream.push_text(f"{word} ")
            stream.end_input()
            async for _ in stream:
                continue
        record, [bill] = await settled(meter, voice)

    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert record.usage["characters_sent"] != record.usage["characters_pushed"]


async def test_speech_interrupted_mid_way_is_billed_by_what_was_sent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        stream = voice.stream(conn_options=NO_RETRY)
        stream.push_text(TEXT * 20)
        stream.flush()
        await anext(stream)
        await stream.aclose()
        record, [bill] = await settled(meter, voice)

    assert bill.outcome == "client_closed"
    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert (record.outcome, record.is_estimated, record.attempts) == ("cancelled", False, 1)
    assert record.reported == {}


async def test_no_text_is_no_error(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        nothing: Any = None
        async with voice.stream() as stream:
            # LiveKit's own stream takes it.
            stream.push_text(nothing)
            stream.push_text("")
        record, bills = await settled(meter, voice)

    assert (record.usage["characters_pushed"], bills) == (0, [])


async def test_speech_cancelled_before_any_text_costs_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        stream = voice.stream(conn_options=NO_RETRY)
        await asyncio.sleep(0)
        await stream.aclose()
        record, bills = await settled(meter, voice)

    assert bills == []
    assert (record.outcome, record.is_estimated) == ("cancelled", False)
    assert record.billed("characters_sent", "characters_failed", "characters_pushed") == {
        "characters_sent": 0,
        "characters_failed": 0,
        "characters_pushed": 0,
    }


@pytest.mark.parametrize(
    ("endpoint", "kind", "status"),
    [
        ("tts_socket", "unauthorized", 401),
        ("tts_socket", "server_error", 503),
        ("tts_bytes", "unauthorized", 401),
        ("tts_bytes", "rate_limited", 429),
    ],
)
async def test_refused_speech_costs_nothing(tmp_path: Path, endpoint: Endpoint, kind: FaultKind, status: int) -> None:
    rule = FaultRule(vendor="cartesia", endpoint=endpoint, kind=kind, every=1)
    speak = stream_speech if endpoint == "tts_socket" else synthesize
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        with pytest.raises(APIStatusError):
            await speak(voice)
        record, bills = await settled(meter, voice)

    assert bills == []
    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 1)
    assert record[names.STATUS_CODE] == status
    assert record.usage["characters_sent"] == record.usage["characters_failed"]


async def test_handshake_refused_once_is_one_record_of_two_attempts(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_socket", kind="server_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        await stream_speech(voice, options=RETRY)
        record, bills = await settled(meter, voice)

    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


async def test_characters_of_a_failed_context_are_sent_but_not_billed(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_context", kind="vendor_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        await stream_speech(voice, options=RETRY)
        record, bills = await settled(meter, voice)

    assert [bill.billed for bill in bills] == [False, True]
    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert record.usage["characters_failed"] == len(TEXT) + 2
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)
    assert record.vendor_ids == [bill.request_id for bill in bills]


async def test_speech_that_fails_every_time_bills_no_character(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_context", kind="vendor_error", every=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        with pytest.raises(APIError):
            await stream_speech(voice, options=RETRY)
        record, bills = await settled(meter, voice)

    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert record.usage["characters_sent"] == record.usage["characters_failed"] == 4 * (len(TEXT) + 2)
    assert (record.outcome, record.attempts) == ("error", 4)


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
@pytest.mark.parametrize("after_chunks", [0, 1, 3])
async def test_broken_context_is_billed_if_it_brought_audio(tmp_path: Path, kind: FaultKind, after_chunks: int) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_context", kind=kind, every=1, after_chunks=after_chunks)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        with pytest.raises(APIError):
            await stream_speech(voice)
        record, bills = await settled(meter, voice)

    assert [bill.billed for bill in bills] == [after_chunks > 0]
    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert (record.outcome, record.attempts) == ("error", 1)


async def test_context_that_stalls_is_not_billed_and_the_next_one_is(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_context", kind="stall", nth=1, stall_s=60)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        await stream_speech(voice, options=RETRY_ONCE_IMPATIENTLY)
        record, bills = await settled(meter, voice)

    assert [bill.billed for bill in bills] == [False, True]
    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert (record.outcome, record.attempts) == ("ok", 2)


async def test_concurrent_streams_of_one_plugin_do_not_mix(tmp_path: Path) -> None:
    texts = ["Short.", "Somewhat longer than short.", TEXT * 3]
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        await asyncio.gather(*(stream_speech(voice, text) for text in texts))
        await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    by_id = {bill.request_id: bill.usage["characters_sent"] for bill in bills}
    assert {record[names.RESPONSE_ID]: record.usage["characters_sent"] for record in records} == by_id
    assert sorted(record.usage["characters_pushed"] for record in records) == sorted(map(len, texts))
    assert len(by_id) == 3


@pytest.mark.parametrize("is_metered_before", [True, False])
async def test_socket_that_was_opened_ahead_is_metered(tmp_path: Path, is_metered_before: bool) -> None:
    facts = PluginFacts(provider="cartesia", modality="tts", project=None, key_id="")
    async with metering(tmp_path) as meter:
        voice = cartesia.TTS(**meter.sims.cartesia.plugin_kwargs())
        if is_metered_before:
            instrument(voice, facts)
        voice.prewarm()
        await eventually(lambda: bool(voice._pool._available))
        instrument(voice, facts)
        for _ in range(2):
            await stream_speech(voice)
        await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert [record.billed(*CHARACTERS) for record in records] == [total([bill], *CHARACTERS) for bill in bills]
    assert [record.vendor_ids for record in records] == [[bill.request_id] for bill in bills]


async def test_each_voice_inside_a_fallback_adapter_has_its_own_record(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_context", kind="vendor_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        first, second = meter.tts("cartesia/sonic-2"), meter.tts("cartesia/sonic-3")
        adapter = tts.FallbackAdapter([first, second], max_retry_per_tts=0)
        assert await stream_speech(adapter, options=DEFAULT_API_CONNECT_OPTIONS) > 0
        await eventually(lambda: adapter._status[0].available)
        await adapter.aclose()
        for voice in (first, second):
            await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    # The adapter has the failed vendor say the text again to see whether it is back.
    assert sorted((record[names.REQUEST_MODEL], record.outcome) for record in records) == [
        ("sonic-2", "error"),
        ("sonic-2", "ok"),
        ("sonic-3", "ok"),
    ]
    billed = {record[names.RESPONSE_ID]: record.billed(*CHARACTERS) for record in records}
    assert billed == {bill.request_id: total([bill], *CHARACTERS) for bill in bills}
