"""Voices of different vendors, encodings and rates stand for one another."""

from pathlib import Path
from typing import Any

import pytest
from tests.integration.voicegateway.calls import listening_to_the_voice
from tests.integration.voicegateway.metering import Meter, metering, total
from tests.integration.voicegateway.voices import fault, listening, route_of_plugins, say, say_whole, told

from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

REPLY = "Your parcel is on its way. It left the warehouse in Rotterdam early this morning, and it will be here soon."
SONIC = "cartesia/sonic-3"


def plugin_of(meter: Meter, model: str) -> Any:
    vendor = model.split("/")[0]
    arguments = ("TTS",) if vendor == "deepgram" else ()
    simulator = getattr(meter.sims, vendor)
    return meter.gateway.tts(model, **simulator.plugin_kwargs(*arguments))


VENDORS = [
    ("deepgram/aura-2-andromeda-en", "speak_socket", "speak_turn"),
    ("elevenlabs/eleven_flash_v2_5", "multi_stream_socket", "multi_stream_context"),
    ("assemblyai/assemblyai-tts-1", "voice_socket", "voice_text"),
]


def strikes(model: str, endpoint: Any, kind: Any, **fields: Any) -> tuple[FaultRule, ...]:
    vendor: Any = model.split("/")[0]
    return (FaultRule(vendor=vendor, endpoint=endpoint, kind=kind, nth=1, **fields),)


@pytest.mark.parametrize(("model", "socket", "_"), VENDORS)
async def test_refused_voice_is_followed_by_another_vendors(tmp_path: Path, model: str, socket: str, _: str) -> None:
    async with metering(tmp_path, faults=strikes(model, socket, "server_error")) as meter:
        voice = route_of_plugins(meter, plugin_of(meter, model), plugin_of(meter, SONIC))
        events = listening(voice)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY)
        await voice.aclose()
        records = await meter.records()

    assert " ".join(spoken.texts[0].split()) == REPLY
    assert heard.rates == {(voice.sample_rate, 1)}
    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.3)
    assert [outcome for _, outcome, _ in told(records)] == ["error", "ok"]
    assert events.errors == []


@pytest.mark.parametrize(("model", "_", "context"), VENDORS)
async def test_voice_that_breaks_off_is_followed_by_another_vendors(
    tmp_path: Path, model: str, _: str, context: str
) -> None:
    async with metering(tmp_path, faults=strikes(model, context, "abort_mid_stream", after_chunks=5)) as meter:
        voice = route_of_plugins(meter, plugin_of(meter, model), plugin_of(meter, SONIC))
        events = listening(voice)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, [f"{word} " for word in REPLY.split()])
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    rest = " ".join(spoken.texts[0].split())
    assert REPLY.endswith(f" {rest}")
    assert heard.rates == {(voice.sample_rate, 1)}
    said_s = first.usage["audio_received_ms"] / 1000
    assert 0.5 < said_s < 1.5
    # Nothing is left out, and at most a word and the blank before it is said again.
    assert said_s * 14 - 16 < len(REPLY) - len(rest) <= said_s * 15 + 2
    assert heard.seconds == pytest.approx(said_s + len(rest) / 14, abs=0.3)
    assert (first.outcome, second.outcome) == ("error", "ok")
    sent = [record.usage["characters_sent"] for record in (first, second)]
    assert sum(sent) == total(bills, "characters_sent")["characters_sent"]
    assert events.errors == []


@pytest.mark.parametrize(("model", "_", "__"), VENDORS)
async def test_another_vendors_voice_takes_over_in_mid_sentence(tmp_path: Path, model: str, _: str, __: str) -> None:
    async with metering(tmp_path, faults=(fault("abort_mid_stream", after_chunks=5),)) as meter:
        voice = route_of_plugins(meter, plugin_of(meter, SONIC), plugin_of(meter, model))
        heard = await say(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.rates == {(24_000, 1)}
    # Deepgram's plugin sends words, and the simulated voice takes no breath between them.
    assert len("".join(REPLY.split())) / 14 - 0.6 < heard.seconds < len(REPLY) / 14 + 0.6
    # Neither told any word's time: then LiveKit takes the text as it was written.
    assert heard.told == ("" if model.startswith("deepgram/") else REPLY)
    assert (first.outcome, second.outcome) == ("error", "ok")
    assert second.usage["characters_pushed"] == len(REPLY) - len("Your parcel is ")


@pytest.mark.parametrize("model", [model for model, _, _ in VENDORS])
async def test_whole_speech_is_said_by_another_vendors_voice(tmp_path: Path, model: str) -> None:
    async with metering(tmp_path, faults=(fault("rate_limited", "tts_bytes"),)) as meter:
        voice = route_of_plugins(meter, plugin_of(meter, SONIC), plugin_of(meter, model))
        heard = await say_whole(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.rates == {(24_000, 1)}
    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.3)
    assert (first.outcome, second.outcome) == ("error", "ok")
    assert second[names.ROUTE_ORIGIN] == first[names.REQUEST_ID]


async def test_silence_of_a_plugin_that_does_not_say_when_it_sends_counts_from_the_first_text(tmp_path: Path) -> None:
    model, _, context = VENDORS[2]
    async with metering(tmp_path, faults=strikes(model, context, "stall", stall_s=60)) as meter:
        plugins = plugin_of(meter, model), plugin_of(meter, SONIC)
        voice = route_of_plugins(meter, *plugins, attempt_timeout_ms=200)
        heard = await say(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.3)
    assert (first.outcome, first[names.ERROR_TYPE], second.outcome) == ("error", "APITimeoutError", "ok")


async def test_whole_speech_that_is_streamed_within_tells_no_error_either(tmp_path: Path) -> None:
    """The stream within tells its own error, before the one that holds it is mended."""
    model, socket, _ = VENDORS[2]
    async with metering(tmp_path, faults=strikes(model, socket, "server_error")) as meter:
        voice = route_of_plugins(meter, plugin_of(meter, model), plugin_of(meter, SONIC))
        events = listening(voice)
        heard = await say_whole(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.3)
    assert (first.outcome, second.outcome) == ("error", "ok")
    assert events.errors == []
    assert [each.metadata.model_name for each in events.metrics] == ["sonic-3"]
