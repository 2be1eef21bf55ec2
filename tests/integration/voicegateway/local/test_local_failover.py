"""Local models in chains: one that has no slot hands the request to the next, and one stands in for a vendor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents.stt import SpeechEventType
from tests.fixtures.tiny_voices import make_kokoro, make_piper
from tests.fixtures.tiny_whisper import make_whisper
from tests.fixtures.waiting import eventually
from tests.integration.voicegateway.local.engines import SENTENCES, silence, slots_of, spoken, tone
from tests.integration.voicegateway.local.loudness import LoudnessVAD
from tests.integration.voicegateway.metering import metering

from voicegateway.local import loaded
from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.routing import ChainModel
from voicegateway_shared.telemetry import attributes as names

EFFORT_WITHOUT_END = 4_000
SPOKEN_S = 4.06
"""By the tiny Piper, of the sentences."""


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


async def test_voice_without_a_free_slot_hands_the_speech_to_the_next(tmp_path: Path) -> None:
    models = make_piper(make_kokoro(tmp_path, effort=EFFORT_WITHOUT_END))
    given: dict[str, Any] = {"model_dir": models, "slots": 1, "waiting_max": 0}
    async with metering(tmp_path) as meter:
        other = meter.gateway.tts("kokoro/v1.0:af_sarah", **given)
        slots = slots_of(other)
        speech = other.synthesize("Hello there.")
        await eventually(lambda: slots.busy == 1)
        tts = meter.gateway.tts(["kokoro/v1.0:af_sarah", "piper/en_US-tiny-low"], **given)
        stream = tts.stream()
        stream.push_text(SENTENCES)
        stream.end_input()
        heard_s = await spoken(stream)
        await speech.aclose()
        records = await meter.records()

    # What Piper says at 16 kHz is heard at Kokoro's 24 kHz, as long as it is.
    assert tts.sample_rate == 24_000
    assert heard_s == pytest.approx(SPOKEN_S, abs=0.05)
    refused, served = records[-2:]
    assert (refused[names.PROVIDER], refused.outcome, refused[names.ERROR_TYPE]) == ("kokoro", "error", "429")
    assert refused.billed("characters_sent", "node_busy_ms") == {"characters_sent": 0, "node_busy_ms": 0}
    assert (served[names.PROVIDER], served.outcome) == ("piper", "ok")
    assert served.usage["characters_sent"] == len(SENTENCES) - 2
    assert served.usage["node_busy_ms"] > 0


async def test_local_voice_speaks_when_the_vendor_does_not(tmp_path: Path) -> None:
    models = make_piper(tmp_path)
    fault = FaultRule(vendor="cartesia", kind="server_error", every=1)
    async with metering(tmp_path, faults=(fault,)) as meter:
        vendor = ChainModel(model="cartesia/sonic-3", options={**meter.sims.cartesia.plugin_kwargs()})
        here = ChainModel(model="piper/en_US-tiny-low", options={"model_dir": str(models)})
        tts = meter.gateway.tts([vendor, here])
        stream = tts.stream()
        stream.push_text(SENTENCES)
        stream.end_input()
        heard_s = await spoken(stream)
        await tts.aclose()
        records = await meter.records()

    assert heard_s == pytest.approx(SPOKEN_S, abs=0.05)
    assert [(record[names.PROVIDER], record.outcome) for record in records] == [("cartesia", "error"), ("piper", "ok")]


async def test_whisper_hears_in_a_stream_what_a_vad_cuts_out(tmp_path: Path) -> None:
    models = make_whisper(tmp_path)
    async with metering(tmp_path) as meter:
        stt = meter.gateway.stt("whisper/tiny:en", model_dir=models, slots=1, vad=LoudnessVAD())
        async with stt.stream() as stream:
            for frame in (tone(0.5), *[silence(0.1)] * 5) * 2:
                stream.push_frame(frame)
            stream.end_input()
            events = [event async for event in stream]
        record = await meter.record()

    finals = [event for event in events if event.type == SpeechEventType.FINAL_TRANSCRIPT]
    assert [event.alternatives[0].text for event in finals] == ["hello world"] * 2
    assert (record.outcome, record.is_estimated, record[names.MODE]) == ("ok", False, "streaming")
    assert record.usage["audio_pushed_ms"] == 2_000
    assert record.usage["node_busy_ms"] > 0


async def test_whisper_hears_when_the_vendor_does_not(tmp_path: Path) -> None:
    models = make_whisper(tmp_path)
    fault = FaultRule(vendor="deepgram", kind="server_error", every=1)
    async with metering(tmp_path, faults=(fault,)) as meter:
        vendor = ChainModel(model="deepgram/nova-3", options={**meter.sims.deepgram.plugin_kwargs()})
        here = ChainModel(model="whisper/tiny", options={"model_dir": str(models), "vad": LoudnessVAD()})
        stt = meter.gateway.stt([vendor, here])
        async with stt.stream() as stream:
            for frame in (tone(0.5), *[silence(0.1)] * 5):
                stream.push_frame(frame)
            stream.end_input()
            events = [event async for event in stream]
        await stt.aclose()
        records = await meter.records()

    finals = [event for event in events if event.type == SpeechEventType.FINAL_TRANSCRIPT]
    assert [event.alternatives[0].text for event in finals] == ["hello world"]
    assert [(record[names.PROVIDER], record.outcome) for record in records] == [
        ("deepgram", "error"),
        ("whisper", "ok"),
    ]
