"""Transcription: one record a stream or request, its audio that of the vendor's bill, whatever became of it."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from livekit import rtc
from livekit.agents import APIConnectionError, APIStatusError, stt
from livekit.plugins import deepgram, openai
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, silence, speech
from tests.integration.voicegateway.metering import Meter, Record, broken, metering

from voicegateway import runtime, tracing
from voicegateway.instrument import instrument, request, second_opinion, wire
from voicegateway.instrument import stt as stt_hooks
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, FaultRule, TruthRecord, read_truth
from voicegateway.wire_count import WireCount
from voicegateway_shared.telemetry import attributes as names

SAID = "Hi, I'd like to know when my order will arrive."
UTTERANCE_MS = 1700
DEEPGRAM = PluginFacts(provider="deepgram", modality="stt", project=None, key_id="")


def utterance() -> Iterable[rtc.AudioFrame]:
    """Return silence, speech and silence: the simulator answers with a sentence."""
    return [*silence(ms=500), *speech(ms=900), *silence(ms=300)]


async def transcribe(stream: Any, frames: Iterable[rtc.AudioFrame]) -> str:
    """Say something and return the first final transcript."""
    for frame in frames:
        stream.push_frame(frame)
    async for event in stream:
        if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
            return str(event.alternatives[0].text)
    raise AssertionError("the stream ended without a transcript")


async def converse(plugin: Any, *, options: Any = RETRY) -> str:
    """Open a stream, say something, close it once it was understood."""
    async with plugin.stream(conn_options=options) as stream:
        return await transcribe(stream, utterance())


async def settled(meter: Meter, plugin: Any) -> tuple[Record, list[TruthRecord]]:
    """Close the plugin; return the only record and what the vendor bills for it."""
    await plugin.aclose()
    return await meter.record(), await meter.bills()


def sent_ms(bills: list[TruthRecord]) -> int:
    """Return the audio the vendor bills in all."""
    return sum(bill.usage["audio_sent_ms"] for bill in bills)


async def test_stream_is_billed_by_the_audio_that_was_sent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt("deepgram/nova-3:en-US")
        said = await converse(plugin)
        record, [bill] = await settled(meter, plugin)

    assert said == SAID
    assert record.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"] == UTTERANCE_MS
    assert record.usage["audio_pushed_ms"] == UTTERANCE_MS
    assert record.usage["socket_open_ms"] <= record[names.DURATION_MS]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert (record[names.LANGUAGE], record[names.MODE]) == ("en-US", "streaming")
    assert record.vendor_ids == [bill.request_id]
    assert record[names.TTFB_MS] >= 0


async def test_stream_that_ends_in_order_is_billed_to_its_last_sample(tmp_path: Path) -> None:
    odd = rtc.AudioFrame(bytes(2 * 777), 16_000, 1, 777)
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            for frame in [*speech(ms=500), odd]:
                stream.push_frame(frame)
            stream.flush()
            await transcribe(stream, ())
        record, [bill] = await settled(meter, plugin)

    assert bill.usage == {"audio_sent_ms": 500 + 777 * 1000 // 16_000}
    assert record.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"]


async def test_audio_that_never_left_is_pushed_but_not_billed(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        stream = plugin.stream(conn_options=RETRY)
        for frame in speech(ms=2000):
            stream.push_frame(frame)
        await stream.aclose()
        record, bills = await settled(meter, plugin)

    assert bills == []
    assert record.billed("audio_sent_ms", "audio_pushed_ms") == {"audio_sent_ms": 0, "audio_pushed_ms": 2000}
    assert (record.outcome, record.is_estimated) == ("ok", False)


async def test_stream_closed_while_it_sends_is_billed_by_what_was_sent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        stream = plugin.stream(conn_options=RETRY)
        await eventually(lambda: not meter.sims.deepgram.truth.is_settled.is_set())
        for frame in speech(ms=2000):
            stream.push_frame(frame)
        await asyncio.sleep(0)
        await stream.aclose()
        record, [bill] = await settled(meter, plugin)

    assert record.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"]
    assert record.usage["audio_pushed_ms"] == 2000


async def test_stream_closed_before_it_connected_costs_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        await plugin.stream(conn_options=RETRY).aclose()
        record, bills = await settled(meter, plugin)

    assert bills == []
    assert (record.outcome, record.is_estimated) == ("ok", False)
    assert record.billed("audio_sent_ms", "audio_pushed_ms") == {"audio_sent_ms": 0, "audio_pushed_ms": 0}


async def test_audio_is_counted_after_the_plugin_resampled_it(tmp_path: Path) -> None:
    frame = rtc.AudioFrame(array("h", [9000, -9000] * 480).tobytes(), 48_000, 1, 960)
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            for _ in range(50):
                stream.push_frame(frame)
            stream.flush()
            await asyncio.wait_for(anext(stream), 5)
        record, [bill] = await settled(meter, plugin)

    assert record.usage["audio_pushed_ms"] == 1000
    assert record.usage["audio_sent_ms"] == bill.usage["audio_sent_ms"]
    assert bill.usage["audio_sent_ms"] == pytest.approx(1000, abs=50)


@pytest.mark.parametrize(("kind", "status"), [("unauthorized", 401), ("server_error", 503)])
async def test_refused_stream_costs_nothing(tmp_path: Path, kind: FaultKind, status: int) -> None:
    async with metering(tmp_path, faults=(FaultRule(vendor="deepgram", kind=kind, every=1),)) as meter:
        plugin = meter.stt()
        with pytest.raises((APIStatusError, APIConnectionError)):
            await converse(plugin, options=NO_RETRY)
        record, bills = await settled(meter, plugin)

    assert bills == []
    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 1)
    assert record.usage["audio_sent_ms"] == 0
    assert record[names.ERROR_TYPE] in (str(status), "APIConnectionError")


async def test_stream_whose_handshake_was_refused_once_is_one_record(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(FaultRule(vendor="deepgram", kind="server_error", nth=1),)) as meter:
        plugin = meter.stt()
        await converse(plugin)
        record, bills = await settled(meter, plugin)

    assert record.usage["audio_sent_ms"] == sent_ms(bills) == UTTERANCE_MS
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
async def test_stream_over_two_connections_is_billed_for_both(tmp_path: Path, kind: FaultKind) -> None:
    rule = FaultRule(vendor="deepgram", kind=kind, nth=1, after_audio_ms=500)
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            [open_record] = meter.runtime._open.values()
            for frame in speech(ms=500):
                stream.push_frame(frame)
            # What is said before the plugin has noticed is lost, and may be counted.
            await eventually(lambda: open_record.attempts == 2)
            await transcribe(stream, utterance())
        record, bills = await settled(meter, plugin)

    assert len(bills) == 2
    assert record.usage["audio_sent_ms"] == sent_ms(bills)
    assert record.vendor_ids == [bill.request_id for bill in bills]
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 2)


async def test_stream_that_reconnects_for_new_options_is_billed_for_both(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            await transcribe(stream, utterance())
            plugin.update_options(language="de")
            await eventually(lambda: len(meter.sims.truth()) == 1)
            await transcribe(stream, utterance())
        record, bills = await settled(meter, plugin)

    assert [bill.context["language"] for bill in bills] == ["en-US", "de"]
    assert record.usage["audio_sent_ms"] == sent_ms(bills)
    assert record.vendor_ids == [bill.request_id for bill in bills]
    assert record.attempts == 1


async def test_add_ons_are_billed_while_they_are_switched_on(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt(enable_diarization=True)
        async with plugin.stream(conn_options=RETRY) as stream:
            await transcribe(stream, utterance())
            plugin.update_options(keyterm=["refund"])
            await eventually(lambda: len(meter.sims.truth()) == 1)
            await transcribe(stream, utterance())
        record, bills = await settled(meter, plugin)

    meters = ("audio_sent_ms", "diarize_ms", "keyterm_ms")
    assert record.billed(*meters) == {m: sum(bill.usage.get(m, 0) for bill in bills) for m in meters}
    assert 0 < record.usage["keyterm_ms"] < record.usage["diarize_ms"] == record.usage["audio_sent_ms"]


async def test_concurrent_streams_of_one_plugin_do_not_mix(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()

        async def say(ms: int) -> None:
            async with plugin.stream(conn_options=RETRY) as stream:
                await transcribe(stream, [*utterance(), *silence(ms=ms)])
                await eventually(lambda: not stream._input_ch.qsize())

        await asyncio.gather(say(0), say(500), say(1000))
        await plugin.aclose()
        records, bills = await meter.records(), await meter.bills()

    by_id = {bill.request_id: bill.usage["audio_sent_ms"] for bill in bills}
    assert {record[names.RESPONSE_ID]: record.usage["audio_sent_ms"] for record in records} == by_id
    assert sorted(record.usage["audio_pushed_ms"] for record in records) == [1700, 2200, 2700]


async def test_each_stream_inside_a_fallback_adapter_has_its_own_record(tmp_path: Path) -> None:
    rule = FaultRule(vendor="deepgram", kind="server_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        first, second = meter.stt("deepgram/nova-2"), meter.stt("deepgram/nova-3")
        adapter = stt.FallbackAdapter([first, second], max_retry_per_stt=0)
        async with adapter.stream() as stream:
            # What is said while the adapter changes over is lost.
            stream.push_frame(next(iter(silence(ms=50))))
            await eventually(lambda: len(read_truth(meter.sims.truth_dir, event="started")) == 2)
            await transcribe(stream, utterance())
        await adapter.aclose()
        await first.aclose()
        await second.aclose()
        records, bills = await meter.records(), await meter.bills()

    # The failed vendor hears the call too, to see whether it is back: both are billed.
    by_model = {(record[names.REQUEST_MODEL], record.outcome): record.usage["audio_sent_ms"] for record in records}
    assert by_model[("nova-2", "error")] == 0
    billed = {bill.request_id: bill.usage["audio_sent_ms"] for bill in bills}
    assert {r[names.RESPONSE_ID]: r.usage["audio_sent_ms"] for r in records if names.RESPONSE_ID in r.facts} == billed


# --- one request for a whole recording ----------------------------------------------------------------------------


@asynccontextmanager
async def prerecorded(*statuses: int) -> AsyncIterator[str]:
    """Run Deepgram's endpoint for recordings; it answers with these statuses, then 200. Yields its URL."""
    pending = list(statuses)

    async def listen(http: web.Request) -> web.Response:
        await http.read()
        status = pending.pop(0) if pending else 200
        if status == 0:
            await asyncio.sleep(60)
        if status != 200:
            return web.json_response({"err_code": "SIMULATED"}, status=status)
        alternative = {"transcript": SAID, "confidence": 0.99, "words": [{"word": "hi", "start": 0.1, "end": 0.2}]}
        channels = [{"alternatives": [alternative]}]
        return web.json_response({"metadata": {"request_id": "dg-1"}, "results": {"channels": channels}})

    app = web.Application()
    app.router.add_post("/v1/listen", listen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/listen"
    finally:
        await runner.cleanup()


async def test_recording_is_billed_by_its_length(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter, prerecorded() as url:
        plugin = meter.stt("deepgram/nova-3:en-US", base_url=url)
        event = await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()
        record = await meter.record()

    assert event.alternatives[0].text == SAID
    assert record.usage == {
        "audio_pushed_ms": UTTERANCE_MS,
        "audio_sent_ms": UTTERANCE_MS,
        "requests": 1,
        "chunks_received": 1,
    }
    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 1)
    assert (record[names.MODE], record[names.LANGUAGE]) == ("batch", "en-US")
    assert record.vendor_ids == ["dg-1"]


async def test_recording_that_is_refused_costs_nothing(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter, prerecorded(401) as url:
        plugin = meter.stt(base_url=url)
        with pytest.raises(APIConnectionError):
            await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()
        record = await meter.record()

    assert (record.outcome, record.is_estimated, record.attempts) == ("error", False, 1)
    assert record.billed("audio_sent_ms") == {"audio_sent_ms": 0}


async def test_recording_after_a_retry_is_one_record(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter, prerecorded(503, 503) as url:
        plugin = meter.stt(base_url=url)
        await plugin.recognize(list(utterance()), conn_options=RETRY)
        await plugin.aclose()
        record = await meter.record()

    assert (record.outcome, record.is_estimated, record.attempts) == ("ok", False, 3)
    assert record.usage["audio_sent_ms"] == UTTERANCE_MS


async def test_recording_that_is_given_up_is_billed_as_sent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter, prerecorded(0) as url:
        plugin = meter.stt(base_url=url)
        recognizing = asyncio.create_task(plugin.recognize(list(utterance()), conn_options=NO_RETRY))
        await eventually(lambda: any(record.attempts for record in meter.runtime._open.values()))
        recognizing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recognizing
        await plugin.aclose()
        record = await meter.record()

    assert (record.outcome, record.attempts) == ("cancelled", 1)
    assert record.usage["audio_sent_ms"] == UTTERANCE_MS


BROKEN_HOOKS = [
    (request, "open_record"),
    (request, "follow"),
    (tracing, "start_span"),
    (tracing, "end_span"),
    (wire, "wire_count"),
    (second_opinion, "expect"),
    (stt_hooks, "_counted_frames"),
    (stt_hooks, "_counted_events"),
    (stt_hooks, "_transcript_lag_ns"),
    (wire, "_request_id"),
    (WireCount, "audio"),
    (WireCount, "opened"),
    (WireCount, "closed"),
    (runtime.Runtime, "begin"),
    (runtime.Runtime, "settle"),
]


@pytest.mark.parametrize(("target", "name"), BROKEN_HOOKS, ids=[name for _, name in BROKEN_HOOKS])
async def test_error_of_ours_is_counted_and_not_heard(tmp_path: Path, target: Any, name: str) -> None:
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        with broken(target, name) as raised:
            said = await converse(plugin)
        await plugin.aclose()

    assert said == SAID
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


@pytest.mark.parametrize("name", ["begin", "settle"])
async def test_error_of_ours_does_not_disturb_a_recording(tmp_path: Path, name: str) -> None:
    async with metering(tmp_path) as meter, prerecorded() as url:
        plugin = meter.stt(base_url=url)
        with broken(runtime.Runtime, name):
            event = await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()

    assert event.alternatives[0].text == SAID
    assert meter.runtime.hook_errors == 1


async def test_plugin_is_what_it_was(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        for bare in (
            deepgram.STT(**meter.sims.deepgram.plugin_kwargs()),
            openai.STT(**meter.sims.openai.plugin_kwargs()),
        ):
            label, before, kind = bare.label, dict(vars(bare)), type(bare)

            assert instrument(instrument(bare, DEEPGRAM), DEEPGRAM) is bare
            assert isinstance(bare, kind)
            assert (bare.label, repr(type(bare))) == (label, repr(kind))
            assert {key: vars(bare)[key] for key in before} == before
            await bare.aclose()
