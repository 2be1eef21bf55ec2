"""Speech to text that fails is replaced by the next of its route, which hears what nobody has understood yet."""

from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIStatusError, stt
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, silence, speech
from tests.integration.voicegateway.calls import REPLY, VOICE, call, quiet_logs, refusing
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import SAID, converse, prerecorded, utterance

from voicegateway.instrument import stand_together
from voicegateway.routing.route import Member, Route
from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

MODELS = ["deepgram/nova-3", "deepgram/nova-2"]
UTTERANCE = utterance()


def fault(kind: Any, **fields: Any) -> FaultRule:
    return FaultRule(vendor="deepgram", endpoint="listen", kind=kind, **fields)


def two(meter: Meter, **kwargs: Any) -> Any:
    return meter.gateway.stt(MODELS, **{**meter.sims.deepgram.plugin_kwargs(), **kwargs})


def told(records: Any) -> list[tuple[str, str, int]]:
    return [(record[names.REQUEST_MODEL], record.outcome, record.attempts) for record in records]


@pytest.mark.parametrize("kind", ["rate_limited", "unauthorized", "server_error"])
async def test_refused_handshake_is_nothing_the_caller_notices(tmp_path: Path, kind: str) -> None:
    async with metering(tmp_path, faults=(fault(kind, nth=1),)) as meter:
        plugin = two(meter)
        errors: list[Any] = []
        plugin.on("error", errors.append)
        assert await converse(plugin, options=NO_RETRY) == SAID
        await plugin.aclose()
        first, second = await meter.records()
        [bill] = await meter.bills()

    assert told([first, second]) == [("nova-3", "error", 1), ("nova-2", "ok", 1)]
    assert errors == []
    assert not first.usage.get("audio_sent_ms")
    assert second.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"]
    assert second[names.ROUTE_ORIGIN] == first[names.REQUEST_ID]
    assert meter.runtime.hook_errors == 0


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
async def test_audio_of_a_broken_connection_is_heard_again(tmp_path: Path, kind: str) -> None:
    async with metering(tmp_path, faults=(fault(kind, nth=1, after_audio_ms=800),)) as meter:
        plugin = two(meter)
        assert await converse(plugin, options=NO_RETRY) == SAID
        await plugin.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    assert told([first, second]) == [("nova-3", "error", 1), ("nova-2", "ok", 1)]
    broken, whole = sorted(bill.usage["audio_sent_ms"] for bill in bills)
    assert second.usage["audio_sent_ms"] == whole
    assert first.usage["audio_sent_ms"] >= broken, "what was under way when it broke was sent, and perhaps never heard"
    assert second.usage["audio_pushed_ms"] >= 1_600, "the second one heard it all"
    assert meter.runtime.hook_errors == 0


async def test_what_was_understood_is_not_heard_again(tmp_path: Path) -> None:
    """The first vendor puts one sentence into words and breaks; the second hears but the next."""
    async with metering(tmp_path, faults=(fault("abort_mid_stream", nth=1, after_audio_ms=2_400),)) as meter:
        plugin = two(meter)
        finals: list[str] = []
        async with plugin.stream(conn_options=NO_RETRY) as stream:
            for frame in UTTERANCE:
                stream.push_frame(frame)
            async for event in stream:
                if event.type != stt.SpeechEventType.FINAL_TRANSCRIPT:
                    continue
                finals.append(event.alternatives[0].text)
                if len(finals) == 2:
                    break
                for frame in (*silence(ms=600), *speech(ms=900), *silence(ms=400)):
                    stream.push_frame(frame)
        await plugin.aclose()
        first, second = await meter.records()

    assert len(finals) == 2
    assert second.usage["audio_pushed_ms"] <= 3_600 - 1_000, "what was put into words is not paid for twice"
    assert first.usage["audio_sent_ms"] >= 2_400


async def test_stream_ends_when_its_audio_does(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", nth=1),)) as meter:
        plugin = two(meter)
        async with plugin.stream(conn_options=NO_RETRY) as stream:
            for frame in UTTERANCE:
                stream.push_frame(frame)
            stream.end_input()
            heard = [
                event.alternatives[0].text
                async for event in stream
                if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
            ]
        await plugin.aclose()
        records = await meter.records()

    assert heard == [SAID]
    assert told(records) == [("nova-3", "error", 1), ("nova-2", "ok", 1)]


async def test_when_all_fail_the_framework_tries_another_round(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=tuple(fault("server_error", nth=nth) for nth in (1, 2))) as meter:
        plugin = two(meter)
        assert await converse(plugin, options=RETRY) == SAID
        await plugin.aclose()
        records = await meter.records()

    assert told(records) == [("nova-3", "ok", 2), ("nova-2", "error", 1)]
    assert records[0].usage["audio_sent_ms"] >= 1_600


async def test_error_of_all_is_told_once(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=tuple(fault("unauthorized", nth=nth) for nth in (1, 2))) as meter:
        plugin = two(meter)
        errors: list[Any] = []
        plugin.on("error", errors.append)
        with pytest.raises((APIStatusError, APIConnectionError)):
            await converse(plugin, options=NO_RETRY)
        await plugin.aclose()
        records = await meter.records()

    assert len(errors) == 1
    assert told(records) == [("nova-3", "error", 1), ("nova-2", "error", 1)]


async def test_recording_goes_to_the_next_as_a_whole(tmp_path: Path) -> None:
    async with prerecorded(503) as url, metering(tmp_path) as meter:
        plugin = meter.gateway.stt(MODELS, api_key="simulated-key", base_url=url)
        metrics: list[Any] = []
        plugin.on("metrics_collected", metrics.append)
        event = await plugin.recognize(list(UTTERANCE), conn_options=NO_RETRY)
        await plugin.aclose()
        records = await meter.records()

    assert event.alternatives[0].text == SAID
    assert told(records) == [("nova-3", "error", 1), ("nova-2", "ok", 1)]
    assert len(metrics) == 1


async def test_budget_of_the_first_lets_the_second_listen(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = two(meter)
        with refusing("stt", at_most=1):
            assert await converse(plugin, options=NO_RETRY) == SAID
        await plugin.aclose()
        records = await meter.records()

    assert told(records) == [("nova-3", "error", 0), ("nova-2", "ok", 1)]


async def test_one_that_takes_whole_recordings_needs_a_detector_of_speech(tmp_path: Path) -> None:
    """Without a session there is none: the first one's error is told, and no error of ours is counted."""
    faults = (fault("server_error", nth=1),)
    async with metering(tmp_path, faults=faults) as meter:
        plugin = meter.gateway.stt("deepgram/nova-3", **meter.sims.deepgram.plugin_kwargs())
        whole = meter.gateway.stt("openai/gpt-4o-mini-transcribe", **meter.sims.openai.plugin_kwargs())
        members = [Member(plugin=each, model=each.model, position=i) for i, each in enumerate((plugin, whole))]
        stand_together(Route(members, runtime=lambda: meter.runtime))
        with pytest.raises((APIStatusError, APIConnectionError)):
            await converse(plugin, options=NO_RETRY)
        await plugin.aclose()
        records = await meter.records()

    assert told(records) == [("nova-3", "error", 1)]
    assert meter.runtime.hook_errors == 0


async def test_call_goes_on_when_the_first_vendor_cannot_be_reached(tmp_path: Path) -> None:
    """Every handshake with the first vendor fails; the caller is understood and answered, and no error is told."""
    faults = (fault("server_error", nth=1),)
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE, faults=faults) as meter:
        with quiet_logs():
            async with call(meter, stt=two(meter), llm=meter.llm(), tts=meter.tts()) as held:
                await held.until("listening")
                await held.microphone.speak(0.9)
                await held.until("speaking")
                await held.until("listening")
        records = await meter.records()

    assert held.said == [REPLY.replies[0]]
    assert held.errors == []
    heard = [each for each in told(records) if each[0].startswith("nova")]
    assert heard == [("nova-3", "error", 1), ("nova-2", "ok", 1)]
