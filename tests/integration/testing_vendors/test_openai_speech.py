"""The real OpenAI speech plugin against the simulator: audio, usage, faults, and the bill to the token."""

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions
from livekit.agents.metrics import TTSMetrics
from livekit.plugins import openai
from tests.integration.testing_vendors.bench import (
    NO_RETRY,
    RETRY,
    started,
    truth_of,
)

from voicegateway.testing.vendors import FaultKind, FaultRule, VendorSimulators

TEXT = "Hello there, this is a test of speech."


async def say(
    sims: VendorSimulators,
    text: str = TEXT,
    *,
    model: str = "gpt-4o-mini-tts",
    response_format: str = "mp3",
    options: APIConnectOptions = NO_RETRY,
) -> float:
    """Return the seconds of audio that the plugin decoded."""
    voice = openai.TTS(model=model, response_format=response_format, **sims.openai.plugin_kwargs())
    try:
        async with voice.synthesize(text, conn_options=options) as stream:
            return sum([audio.frame.duration async for audio in stream])
    finally:
        await voice.aclose()


@pytest.mark.parametrize("response_format", ["mp3", "pcm", "wav"])
async def test_speech_has_the_asked_format_and_length(response_format: str) -> None:
    async with started() as sims:
        seconds = await say(sims, response_format=response_format)
        [bill] = await truth_of(sims)

    # 38 characters at 14 a second are 2714 ms: 55 audio tokens at 20 a second. Containers pad a little.
    assert seconds == pytest.approx(2.714, abs=0.1)
    assert bill.usage == {
        "characters_sent": 38,
        "input_tokens": 10,
        "output_tokens": 55,
        "output_audio_tokens": 55,
    }
    assert (bill.outcome, bill.modality, bill.model) == ("ok", "tts", "gpt-4o-mini-tts")


async def test_speech_usage_reaches_the_plugin() -> None:
    async with started() as sims:
        voice = openai.TTS(**sims.openai.plugin_kwargs())
        metrics: list[TTSMetrics] = []
        voice.on("metrics_collected", metrics.append)
        async with voice.synthesize(TEXT, conn_options=NO_RETRY) as stream:
            audio = [event async for event in stream]
        await voice.aclose()
        [bill] = await truth_of(sims)

    assert (metrics[0].input_tokens, metrics[0].output_tokens) == (10, 55)
    assert audio[0].request_id == bill.request_id


async def test_character_priced_speech_bills_characters() -> None:
    async with started() as sims:
        seconds = await say(sims, model="tts-1")
        [bill] = await truth_of(sims)

    assert seconds == pytest.approx(2.714, abs=0.1)
    assert bill.usage == {"characters_sent": 38}


async def test_interrupted_speech_bills_the_audio_written() -> None:
    async with started() as sims:
        voice = openai.TTS(response_format="pcm", **sims.openai.plugin_kwargs())
        stream = voice.synthesize(TEXT * 40, conn_options=NO_RETRY)
        await anext(stream)
        await stream.aclose()
        [bill] = await truth_of(sims)
        await voice.aclose()

    assert (bill.billed, bill.outcome) == (True, "client_closed")
    assert 0 < bill.usage["output_audio_tokens"] < 38 * 40 * 20 // 14


@pytest.mark.parametrize("kind", ["rate_limited", "server_error"])
async def test_plugin_survives_refused_speech_by_retrying(kind: FaultKind) -> None:
    rule = FaultRule(vendor="openai", endpoint="speech", kind=kind, nth=1)
    async with started(faults=(rule,)) as sims:
        seconds = await say(sims, options=RETRY)
        bills = await truth_of(sims, count=2)

    assert seconds > 2
    assert [bill.billed for bill in bills] == [False, True]


async def test_speech_aborted_before_audio_is_free() -> None:
    rule = FaultRule(vendor="openai", endpoint="speech", kind="abort_mid_stream", nth=1, after_chunks=0)
    async with started(faults=(rule,)) as sims:
        with pytest.raises(APIConnectionError):
            await say(sims)
        [bill] = await truth_of(sims)

    assert (bill.billed, bill.usage, bill.outcome) == (False, {}, "fault:abort_mid_stream")
