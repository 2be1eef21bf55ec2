"""Speech of a text that goes in one request: characters or tokens as billed, retries and interruptions included."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectOptions, APIError, APIStatusError
from livekit.plugins import cartesia
from tests.integration.testing_vendors.bench import NO_RETRY, QUICK, RETRY
from tests.integration.voicegateway.metering import metering, settled, total
from tests.integration.voicegateway.plugin_use import AUDIO_MS, TEXT, synthesize

from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

CHARACTERS = ("characters_sent", "characters_failed")
TOKENS = ("input_tokens", "output_tokens", "output_audio_tokens")


class StreamOnly(cartesia.TTS):
    """A plugin without a one-shot endpoint: its `synthesize()` goes through its own `stream()`."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = NO_RETRY) -> Any:
        return self._synthesize_with_stream(text, conn_options=conn_options)


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


async def test_one_shot_synthesis_cancelled_while_it_connects_costs_nothing(tmp_path: Path) -> None:
    connects = asyncio.Event()

    async def connect_for_ever(*_: Any, **__: Any) -> Any:
        connects.set()
        await asyncio.Event().wait()

    async with metering(tmp_path) as meter:
        voice = meter.tts()
        connector: Any = voice._ensure_session().connector
        connector._create_connection = connect_for_ever
        stream = voice.synthesize(TEXT, conn_options=NO_RETRY)
        await connects.wait()
        await stream.aclose()
        record, bills = await settled(meter, voice)

    assert bills == []
    assert record.billed(*CHARACTERS) == {"characters_sent": 0, "characters_failed": 0}
    assert (record.outcome, record.is_estimated, record.attempts) == ("cancelled", False, 1)


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
