"""Speech: one record a request, its characters or tokens those of the vendor's bill, whatever became of it."""

import asyncio
import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectOptions, APIError, APIStatusError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.plugins import cartesia, openai
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY, QUICK, RETRY
from tests.integration.voicegateway.metering import Meter, Record, broken, metering

from voicegateway import runtime, tracing
from voicegateway.instrument import instrument, request, second_opinion, wire
from voicegateway.instrument import tts as tts_hooks
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions, TruthRecord
from voicegateway.testing.vendors.faults import Endpoint
from voicegateway_shared.telemetry import attributes as names

TEXT = "Hello there, this is a test of speech."
REPLY = "   One sentence, to begin.   Then a second, somewhat longer one! And, to end, a third."
AUDIO_MS = 2714
CHARACTERS = ("characters_sent", "characters_failed")
TOKENS = ("input_tokens", "output_tokens", "output_audio_tokens")
RETRY_ONCE_IMPATIENTLY = APIConnectOptions(max_retry=1, retry_interval=0.05, timeout=IMPATIENT.timeout)


class StreamOnly(cartesia.TTS):
    """A plugin without a one-shot endpoint: its `synthesize()` goes through its own `stream()`."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = NO_RETRY) -> Any:
        return self._synthesize_with_stream(text, conn_options=conn_options)


async def stream_speech(voice: Any, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio streamed for a text."""
    async with voice.stream(conn_options=options) as stream:
        stream.push_text(text)
        stream.end_input()
        return math.fsum([audio.frame.duration async for audio in stream])


async def synthesize(voice: Any, text: str = TEXT, *, options: APIConnectOptions = NO_RETRY) -> float:
    """Return the seconds of audio of one request."""
    async with voice.synthesize(text, conn_options=options) as stream:
        return math.fsum([audio.frame.duration async for audio in stream])


def total(bills: list[TruthRecord], *meters: str) -> dict[str, int]:
    """Return what the vendor bills in all."""
    return {meter: sum(bill.usage.get(meter, 0) for bill in bills) for meter in meters}


async def settled(meter: Meter, voice: Any) -> tuple[Record, list[TruthRecord]]:
    """Close the voice; return the only record and what the vendor bills for it."""
    # An interrupted socket stays open until the plugin's next stream or its end.
    await voice.aclose()
    return await meter.record(), await meter.bills()


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


async def test_one_shot_synthesis_is_billed_by_its_text(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        seconds = await synthesize(voice)
        record, [bill] = await settled(meter, voice)

    assert seconds == pytest.approx(AUDIO_MS / 1000, abs=0.02)
    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)


@pytest.mark.parametrize("after_chunks", [0, 1, 3])
@pytest.mark.parametrize("options", [NO_RETRY, RETRY])
async def test_one_shot_synthesis_that_is_cut_off_is_billed_if_it_brought_audio(
    tmp_path: Path, after_chunks: int, options: APIConnectOptions
) -> None:
    kind: FaultKind = "abort_mid_stream"
    rule = FaultRule(vendor="cartesia", endpoint="tts_bytes", kind=kind, nth=1, after_chunks=after_chunks)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        with contextlib.nullcontext() if options is RETRY else pytest.raises(APIError):
            await synthesize(voice, options=options)
        record, bills = await settled(meter, voice)

    assert [bill.billed for bill in bills] == [after_chunks > 0, True][: record.attempts]
    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)


async def test_one_shot_synthesis_refused_once_is_billed_once(tmp_path: Path) -> None:
    rule = FaultRule(vendor="cartesia", endpoint="tts_bytes", kind="rate_limited", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts()
        await synthesize(voice, options=RETRY)
        record, bills = await settled(meter, voice)

    assert record.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


async def test_one_shot_synthesis_cancelled_mid_way_is_billed_by_its_text(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts()
        stream = voice.synthesize(TEXT * 20, conn_options=NO_RETRY)
        await anext(stream)
        await stream.aclose()
        record, [bill] = await settled(meter, voice)

    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert record.outcome == "cancelled"


async def test_synthesis_through_the_plugins_own_stream_is_one_request(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = StreamOnly(**meter.sims.cartesia.plugin_kwargs())
        instrument(voice, PluginFacts(provider="cartesia", modality="tts", project=None, key_id=""))
        seconds = await synthesize(voice)
        record, [bill] = await settled(meter, voice)

    assert seconds == pytest.approx(AUDIO_MS / 1000, abs=0.02)
    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert record.usage["characters_pushed"] == len(TEXT)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)


async def test_token_billed_speech_counts_the_vendors_tokens(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts("openai/gpt-4o-mini-tts:ash", instructions="Speak calmly.")
        await synthesize(voice)
        record, [bill] = await settled(meter, voice)

    assert record.billed(*TOKENS) == total([bill], *TOKENS)
    assert record.usage["characters_sent"] == bill.usage["characters_sent"]
    assert record[names.VOICE] == "ash"
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert record.vendor_ids == [bill.request_id]


async def test_interrupted_token_billed_speech_is_estimated(tmp_path: Path) -> None:
    slow = OpenAIOptions(ttft_ms=QUICK.ttft_ms, speech_first_chunk_ms=10)
    async with metering(tmp_path, openai=slow) as meter:
        voice = meter.tts("openai/gpt-4o-mini-tts", response_format="pcm")
        stream = voice.synthesize(TEXT * 20, conn_options=NO_RETRY)
        await anext(stream)
        await stream.aclose()
        record, [bill] = await settled(meter, voice)

    assert (record.outcome, record.is_estimated) == ("cancelled", True)
    assert record.usage["input_tokens"] == pytest.approx(bill.usage["input_tokens"], rel=0.5)
    assert 0 < record.usage["output_audio_tokens"] <= bill.usage["output_audio_tokens"]
    assert record.usage["output_tokens"] == record.usage["output_audio_tokens"]


async def test_token_billed_speech_that_broke_after_audio_is_estimated_beside_the_retry(tmp_path: Path) -> None:
    rule = FaultRule(vendor="openai", endpoint="speech", kind="abort_mid_stream", nth=1, after_chunks=3)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = meter.tts("openai/gpt-4o-mini-tts", response_format="pcm")
        await synthesize(voice, options=RETRY)
        record, bills = await settled(meter, voice)

    assert [bill.billed for bill in bills] == [True, True]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", True, 2)
    in_all = total(bills, *TOKENS)
    assert bills[1].usage["output_tokens"] < record.usage["output_tokens"] <= in_all["output_tokens"]
    assert record.usage["input_tokens"] == pytest.approx(in_all["input_tokens"], rel=0.5)


async def test_refused_token_billed_speech_costs_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(FaultRule(vendor="openai", kind="unauthorized", nth=1),)) as meter:
        voice = meter.tts("openai/gpt-4o-mini-tts")
        with pytest.raises(APIStatusError):
            await synthesize(voice)
        record, bills = await settled(meter, voice)

    assert bills == []
    assert (record.outcome, record.is_estimated) == ("error", False)
    assert record.billed(*TOKENS) == dict.fromkeys(TOKENS, 0)


async def test_token_billed_speech_after_a_retry_is_one_record(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(FaultRule(vendor="openai", kind="rate_limited", nth=1),)) as meter:
        voice = meter.tts("openai/gpt-4o-mini-tts")
        await synthesize(voice, options=RETRY)
        record, [bill] = await settled(meter, voice)

    assert record.billed(*TOKENS) == total([bill], *TOKENS)
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


async def test_character_billed_openai_speech_counts_characters(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = meter.tts("openai/tts-1")
        await synthesize(voice)
        record, [bill] = await settled(meter, voice)

    assert bill.usage == {"characters_sent": len(TEXT)}
    assert record.billed(*CHARACTERS) == total([bill], *CHARACTERS)
    assert (record.outcome, record.is_estimated) == ("ok", False)


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


BROKEN_HOOKS = [
    (request, "open_record"),
    (request, "follow"),
    (tracing, "start_span"),
    (tracing, "end_span"),
    (wire, "wire_count"),
    (wire, "meter_session"),
    (second_opinion, "expect"),
    (tts_hooks, "_counted_audio"),
    (tts_hooks, "_first_audio"),
    (tts_hooks, "_counted_text"),
    (runtime.Runtime, "begin"),
    (runtime.Runtime, "settle"),
]


@pytest.mark.parametrize(("target", "name"), BROKEN_HOOKS, ids=[name for _, name in BROKEN_HOOKS])
async def test_error_of_ours_is_counted_and_not_heard(tmp_path: Path, target: Any, name: str) -> None:
    async with metering(tmp_path) as meter:
        bare = cartesia.TTS(**meter.sims.cartesia.plugin_kwargs())
        metered = meter.tts()
        expected = await stream_speech(bare)
        with broken(target, name) as raised:
            heard = await stream_speech(metered)
        await bare.aclose()
        await metered.aclose()

    assert heard == expected
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


async def test_plugin_is_what_it_was(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        for bare in (
            cartesia.TTS(**meter.sims.cartesia.plugin_kwargs()),
            openai.TTS(**meter.sims.openai.plugin_kwargs()),
        ):
            label, before, kind = bare.label, dict(vars(bare)), type(bare)
            facts = PluginFacts(provider="x", modality="tts", project=None, key_id="")

            assert instrument(instrument(bare, facts), facts) is bare
            assert isinstance(bare, kind)
            assert (bare.label, repr(type(bare))) == (label, repr(kind))
            assert {key: vars(bare)[key] for key in before} == before
            await bare.aclose()
