"""Recordings transcribed in one request: billed by their length, once the vendor took them."""

import asyncio
from pathlib import Path

import pytest
from livekit.agents import APIConnectionError
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.metering import metering
from tests.integration.voicegateway.plugin_use import SAID, UTTERANCE_MS, prerecorded, utterance

from voicegateway.instrument import request
from voicegateway_shared.telemetry import attributes as names


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


async def test_recording_that_is_given_up_before_it_was_sent_is_settled_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    async def not_durable(*_: object) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(request, "intent_durable", not_durable)
    async with metering(tmp_path) as meter, prerecorded() as url:
        plugin = meter.stt(base_url=url)
        recognizing = asyncio.create_task(plugin.recognize(list(utterance()), conn_options=NO_RETRY))
        await waits.wait()
        recognizing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recognizing
        await plugin.aclose()
        record = await meter.record()

    assert (record.outcome, record.is_estimated) == ("cancelled", False)
    assert record.billed("audio_sent_ms") == {"audio_sent_ms": 0}
