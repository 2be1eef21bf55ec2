"""The contract of transcriptions on sockets: audio is billed as sent, when streams are left and when they reconnect."""

import asyncio
from pathlib import Path

import pytest
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TALK_MS, recognizes, utterance
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import RETRY, speech
from tests.integration.voicegateway.metering import metering, settled, total
from tests.integration.voicegateway.plugin_use import transcribe

from voicegateway.testing.vendors import FaultRule, read_truth

STREAMS = [row for row in SOCKET_VENDORS if row.modality == "stt" and row.use is not recognizes and not row.way]
every_stream = pytest.mark.parametrize("row", STREAMS, ids=lambda row: row.name)


@every_stream
async def test_stream_left_while_it_sends_is_billed_by_what_was_sent(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        simulator = getattr(meter.sims, row.vendor)
        plugin = row.make(meter.sims)
        stream = plugin.stream(conn_options=RETRY)
        await eventually(lambda: not simulator.truth.is_settled.is_set())
        for frame in speech(ms=2000):
            stream.push_frame(frame)
        await asyncio.sleep(0)
        await stream.aclose()
        record, bills = await settled(meter, plugin)

    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.is_estimated) == ("ok", False)
    assert record.usage["audio_pushed_ms"] == 2000


@every_stream
async def test_stream_left_before_it_connected_costs_nothing(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        await plugin.stream(conn_options=RETRY).aclose()
        record, bills = await settled(meter, plugin)

    assert bills == []
    assert record.billed("audio_sent_ms", "socket_open_ms") == {"audio_sent_ms": 0, "socket_open_ms": 0}


@every_stream
async def test_stream_over_two_connections_is_billed_for_both(tmp_path: Path, row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="close_mid_stream", nth=1, after_audio_ms=TALK_MS)
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = row.make(meter.sims)
        async with plugin.stream(conn_options=RETRY) as stream:
            for frame in speech(ms=TALK_MS):
                stream.push_frame(frame)
            # What is said before the plugin has noticed is lost, and may be counted.
            await eventually(lambda: len(read_truth(meter.sims.truth_dir, event="started")) == 2)
            await transcribe(stream, utterance())
        record, bills = await settled(meter, plugin)

    assert len(bills) == 2
    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.attempts) == ("ok", 2)
