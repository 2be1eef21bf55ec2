"""Transcription: one record a stream or request, its audio that of the vendor's bill, whatever became of it."""

import asyncio
from array import array
from pathlib import Path

import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIStatusError, stt
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY, silence, speech
from tests.integration.voicegateway.metering import metering, settled, total
from tests.integration.voicegateway.plugin_use import SAID, UTTERANCE_MS, converse, transcribe, utterance

from voicegateway.testing.vendors import FaultKind, FaultRule, OpenAIOptions, TruthRecord, read_truth
from voicegateway_shared.telemetry import attributes as names


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


async def test_what_the_vendor_says_it_took_is_kept_beside_our_count(tmp_path: Path) -> None:
    """Deepgram says so in its last message, which is heard when a stream is ended rather than cut off."""
    async with metering(tmp_path) as meter:
        plugin = meter.stt()
        async with plugin.stream(conn_options=RETRY) as stream:
            for frame in speech(ms=500):
                stream.push_frame(frame)
            stream.end_input()
            async for _ in stream:
                pass
        record, [bill] = await settled(meter, plugin)

    assert record.told == bill.usage == {"audio_sent_ms": 500}
    # The plugin tells how long its socket was open, which Deepgram does not bill.
    assert record.reported["audio_sent_ms"] > 0


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


async def test_turn_that_is_transcribed_when_its_stream_is_left_is_estimated(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=OpenAIOptions(transcript_ms=200)) as meter:
        given = meter.sims.openai.plugin_kwargs()
        plugin = meter.gateway.stt("openai/gpt-4o-mini-transcribe", use_realtime=True, **given)
        async with plugin.stream(conn_options=NO_RETRY) as stream:
            for frame in (*silence(ms=300), *speech(ms=900), *silence(ms=1_000)):
                stream.push_frame(frame)
            await eventually(lambda: any(each.turns and each.turns.untold_ms for each in meter.runtime._open.values()))
        record, bills = await settled(meter, plugin)

    [turn] = [bill for bill in bills if "input_tokens" in bill.usage]
    heard = ("input_tokens", "input_audio_tokens")
    assert record.billed(*heard) == total([turn], *heard)
    assert record.usage["output_tokens"] > 0
    assert (record.outcome, record.is_estimated) == ("ok", True)
