"""The contract of voices on sockets that serve many requests: each one's characters are its own, whatever happens."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIError
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TEXT, speaks
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import IMPATIENT, NO_RETRY, RETRY
from tests.integration.voicegateway.metering import Meter, Record, metering, settled, total
from tests.integration.voicegateway.plugin_use import stream_speech

from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

VOICES = [row for row in SOCKET_VENDORS if row.use is speaks]
CHARACTERS = ("characters_sent",)
TEXTS = ("Short.", "Somewhat longer than short.", TEXT * 3)

every_voice = pytest.mark.parametrize("row", VOICES, ids=lambda row: row.name)


async def interrupt(voice: Any, text: str = TEXT * 20) -> None:
    """Hang up while the voice is speaking."""
    stream = voice.stream(conn_options=NO_RETRY)
    stream.push_text(text)
    stream.flush()
    await anext(stream)
    await stream.aclose()


async def characters_of(meter: Meter, row: ProviderClass, text: str) -> int:
    """Return what it takes to say a text when nothing else happens."""
    voice = row.make(meter.sims)
    await stream_speech(voice, text)
    await voice.aclose()
    return (await meter.records())[-1].usage["characters_sent"]


async def all_settled(meter: Meter, voice: Any) -> list[Record]:
    """Close a voice; the ledger's characters are the vendor's, in all."""
    await voice.aclose()
    records, bills = await meter.records(), await meter.bills()
    assert sum(record.usage["characters_sent"] for record in records) == total(bills, *CHARACTERS)["characters_sent"]
    assert meter.runtime.hook_errors == 0
    return records


@every_voice
async def test_interrupted_speech_is_billed_by_what_was_sent(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        voice = row.make(meter.sims)
        await interrupt(voice)
        record, bills = await settled(meter, voice)

    assert record.usage["characters_sent"] > 0
    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.is_estimated, record.attempts) == ("cancelled", False, 1)


@every_voice
async def test_what_follows_an_interruption_is_not_billed_for_it(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        voice = row.make(meter.sims)
        await stream_speech(voice, TEXT)
        await interrupt(voice)
        await stream_speech(voice, TEXT)
        first, interrupted, last = await all_settled(meter, voice)

    assert first.usage["characters_sent"] == last.usage["characters_sent"]
    assert interrupted.usage["characters_sent"] != last.usage["characters_sent"]


@every_voice
async def test_speech_cancelled_before_it_began_costs_nothing(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        voice = row.make(meter.sims)
        stream = voice.stream(conn_options=NO_RETRY)
        await asyncio.sleep(0)
        await stream.aclose()
        [record] = await all_settled(meter, voice)

    assert not any(record.billed(*row.meters).values())
    assert (record.outcome, record.is_estimated) == ("cancelled", False)


@every_voice
async def test_concurrent_speech_of_one_plugin_does_not_mix(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        alone = [await characters_of(meter, row, text) for text in TEXTS]
        voice = row.make(meter.sims)
        await asyncio.gather(*(stream_speech(voice, text) for text in TEXTS))
        records = await all_settled(meter, voice)

    together = {record.usage["characters_pushed"]: record.usage["characters_sent"] for record in records[-3:]}
    assert together == dict(zip(map(len, TEXTS), alone, strict=True))


@every_voice
async def test_socket_that_was_opened_ahead_is_metered(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        voice = row.make(meter.sims)
        voice.prewarm()
        # No truth yet where the unit of a bill begins with its text; the handshake has been answered all the same.
        await eventually(lambda: _is_open(voice))
        for _ in range(2):
            await stream_speech(voice, TEXT)
        first, second = await all_settled(meter, voice)

    assert first.usage["characters_sent"] == second.usage["characters_sent"] > 0


@every_voice
async def test_text_of_every_attempt_is_counted(tmp_path: Path, row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="vendor_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = row.make(meter.sims)
        await stream_speech(voice, TEXT, options=RETRY)
        record, bills = await settled(meter, voice)

    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.attempts) == ("ok", 2)


@every_voice
async def test_voice_that_falls_silent_times_out(tmp_path: Path, row: ProviderClass) -> None:
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="stall", every=1, stall_s=60)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = row.make(meter.sims)
        with pytest.raises(APIError):
            await stream_speech(voice, TEXT, options=IMPATIENT)
        record, bills = await settled(meter, voice)

    assert record.billed(*row.meters) == total(bills, *row.meters)
    assert (record.outcome, record.attempts) == ("error", 1)
    assert record[names.ERROR_TYPE]


def _is_open(voice: Any) -> bool:
    pool = getattr(voice, "_pool", None)
    return bool(pool._available) if pool is not None else voice._TTS__current_connection is not None
