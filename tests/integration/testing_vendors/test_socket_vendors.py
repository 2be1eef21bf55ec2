"""The real plugins against the simulated vendors of sockets: what is said and heard, its times, and silence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.agents import APIError, stt, utils
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TEXT, keeps_talking, listens, recognizes, utterance
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY

from voicegateway.testing.vendors import (
    AssemblyAIOptions,
    CartesiaOptions,
    DeepgramOptions,
    ElevenLabsOptions,
    FaultPlan,
    FaultRule,
    VendorSimulators,
    VoiceOptions,
)
from voicegateway.testing.vendors.tone import spoken_ms

SAID = "Hi, I'd like to know when my order will arrive."
QUICK = VoiceOptions(first_chunk_ms=5, chunk_every_ms=2)
VOICES = [row for row in SOCKET_VENDORS if row.modality == "tts"]
TRANSCRIPTIONS = [row for row in SOCKET_VENDORS if row.modality == "stt"]
ALIGNED = [row for row in VOICES if not row.way and row.native.__module__.split(".")[2] in ("elevenlabs", "assemblyai")]


@asynccontextmanager
async def simulated(row: ProviderClass, *, faults: FaultPlan = ()) -> AsyncIterator[tuple[VendorSimulators, Any]]:
    """Run simulators whose voices are quick; yields them and a bare plugin."""
    async with (
        utils.http_context.open(),
        VendorSimulators(
            faults=faults,
            deepgram=DeepgramOptions(voice=QUICK),
            cartesia=CartesiaOptions(first_chunk_ms=5, chunk_every_ms=2),
            elevenlabs=ElevenLabsOptions(voice=QUICK),
            assemblyai=AssemblyAIOptions(voice=QUICK),
        ) as sims,
    ):
        plugin = row.bare(sims)
        try:
            yield sims, plugin
        finally:
            await plugin.aclose()


@pytest.mark.parametrize("row", TRANSCRIPTIONS, ids=lambda row: row.name)
async def test_what_is_said_is_heard(row: ProviderClass) -> None:
    async with simulated(row) as (sims, plugin):
        said = await row.use(plugin, NO_RETRY)
        [bill] = await sims.settled()

    assert said == SAID
    assert (bill.outcome, bill.billed, bill.modality) in (("ok", True, "stt"), ("client_closed", True, "stt"))


@pytest.mark.parametrize(
    "row",
    [row for row in TRANSCRIPTIONS if row.use is listens and row.model != "cartesia/ink-whisper"],
    ids=lambda row: row.name,
)
async def test_turn_begins_goes_on_and_ends(row: ProviderClass) -> None:
    async with simulated(row) as (_, plugin), plugin.stream(conn_options=NO_RETRY) as stream:
        for frame in utterance():
            stream.push_frame(frame)
        kinds = []
        async for event in stream:
            kinds.append(event.type)
            if event.type == stt.SpeechEventType.END_OF_SPEECH:
                break

    heard = [kind for kind in kinds if kind != stt.SpeechEventType.RECOGNITION_USAGE]
    assert heard[0] == stt.SpeechEventType.START_OF_SPEECH
    assert stt.SpeechEventType.INTERIM_TRANSCRIPT in heard
    assert heard[-2:] == [stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.END_OF_SPEECH]


@pytest.mark.parametrize("row", VOICES, ids=lambda row: row.name)
async def test_text_is_spoken_as_long_as_it_takes(row: ProviderClass) -> None:
    async with simulated(row) as (sims, plugin):
        seconds = await row.use(plugin, NO_RETRY)
        await plugin.aclose()
        bills = [bill for bill in await sims.settled() if bill.usage]

    # Blanks between words that come one by one take no time, and MP3 comes in frames of 26 ms.
    assert seconds == pytest.approx(spoken_ms(TEXT) / 1000, abs=1.2)
    assert sum(bill.usage["characters_sent"] for bill in bills) >= len(TEXT.replace(" ", ""))


@pytest.mark.parametrize("row", ALIGNED, ids=lambda row: row.name)
async def test_words_are_timed_in_their_order(row: ProviderClass) -> None:
    async with simulated(row) as (_, plugin), plugin.stream(conn_options=NO_RETRY) as stream:
        stream.push_text(TEXT)
        stream.end_input()
        timed = [word async for audio in stream for word in audio.frame.userdata.get("lk.timed_transcripts", [])]

    starts = [word.start_time for word in timed]
    assert "".join(timed).split() == TEXT.split()
    assert starts == sorted(starts)
    assert timed[-1].end_time == pytest.approx(spoken_ms(TEXT) / 1000, abs=0.6)


@pytest.mark.parametrize("row", VOICES, ids=lambda row: row.name)
async def test_vendor_that_falls_silent_goes_on_later(row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="stall", nth=1, stall_s=0.2)
    async with simulated(row, faults=(rule,)) as (sims, plugin):
        assert await row.use(plugin, NO_RETRY) > 1
        await plugin.aclose()
        outcomes = {bill.outcome for bill in await sims.settled()}

    assert outcomes == {"fault:stall"}


@pytest.mark.parametrize("row", [row for row in TRANSCRIPTIONS if row.use is recognizes], ids=lambda row: row.name)
async def test_recording_may_have_to_wait(row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="stall", nth=1, stall_s=0.1)
    async with simulated(row, faults=(rule,)) as (sims, plugin):
        assert await row.use(plugin, NO_RETRY) == SAID
        [bill] = await sims.settled()

    assert (bill.outcome, bill.usage) == ("fault:stall", {"audio_sent_ms": 1900})


@pytest.mark.parametrize(
    "row", [row for row in TRANSCRIPTIONS if "vendor_error" in row.breaks], ids=lambda row: row.name
)
async def test_vendor_tells_of_its_failure_and_hangs_up(row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="vendor_error", nth=1, after_audio_ms=500)
    async with simulated(row, faults=(rule,)) as (sims, plugin):
        with pytest.raises(APIError):
            await keeps_talking(plugin, IMPATIENT)
        [bill] = await sims.settled()

    assert (bill.outcome, bill.billed) == ("fault:vendor_error", True)
