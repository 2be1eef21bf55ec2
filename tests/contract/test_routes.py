"""The contract of provider classes in a route: whoever fails, the next one serves, and each vendor bills its own."""

from pathlib import Path
from typing import Any

import pytest
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TEXT, speaks, utterance
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import transcribe
from tests.integration.voicegateway.voices import route_of_plugins, say

from voicegateway.testing.vendors import FaultRule
from voicegateway_shared.telemetry import attributes as names

SAID = "Hi, I'd like to know when my order will arrive."
VOICES = [row for row in SOCKET_VENDORS if row.use is speaks]
STREAMS = [row for row in SOCKET_VENDORS if row.modality == "stt" and not row.way]


def next_to(row: ProviderClass, rows: list[ProviderClass]) -> ProviderClass:
    """Return the next row of another vendor."""
    position = rows.index(row)
    return next(other for other in [*rows[position:], *rows] if other.vendor != row.vendor)


async def each_bills_its_own(meter: Meter, *rows: ProviderClass) -> list[Any]:
    """Compare the ledger with each vendor's bills; return the outcomes in order."""
    records, bills = await meter.records(), await meter.bills()
    for row in rows:
        for meter_name in row.meters:
            ours = [record.usage.get(meter_name, 0) for record in records if record[names.PROVIDER] == row.vendor]
            theirs = [bill.usage.get(meter_name, 0) for bill in bills if bill.vendor == row.vendor]
            assert (row.vendor, meter_name, sum(ours)) == (row.vendor, meter_name, sum(theirs))
    assert meter.runtime.hook_errors == 0
    return [record.outcome for record in records]


@pytest.mark.parametrize("row", VOICES, ids=lambda row: row.name)
async def test_voice_that_fails_is_followed_by_another_vendors(tmp_path: Path, row: ProviderClass) -> None:
    other = next_to(row, VOICES)
    rule = FaultRule(vendor=row.vendor, endpoint=row.breaks_at, kind="vendor_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        voice = route_of_plugins(meter, row.make(meter.sims), other.make(meter.sims))
        heard = await say(voice, TEXT)
        await voice.aclose()
        outcomes = await each_bills_its_own(meter, row, other)

    assert heard.seconds > 1
    assert outcomes == ["error", "ok"]


@pytest.mark.parametrize("row", STREAMS, ids=lambda row: row.name)
async def test_transcription_that_is_refused_is_done_by_another_vendor(tmp_path: Path, row: ProviderClass) -> None:
    other = next_to(row, STREAMS)
    rule = FaultRule(vendor=row.vendor, endpoint=row.refused_at, kind="server_error", nth=1)
    async with metering(tmp_path, faults=(rule,)) as meter:
        plugin = route_of_plugins(meter, row.make(meter.sims), other.make(meter.sims))
        async with plugin.stream(conn_options=NO_RETRY) as stream:
            assert await transcribe(stream, utterance()) == SAID
        await plugin.aclose()
        outcomes = await each_bills_its_own(meter, row, other)

    assert outcomes == ["error", "ok"]
