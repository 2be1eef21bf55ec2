"""What vendors of sockets tell of a request is on its record: ids of handshakes and sessions, and their own cost."""

from pathlib import Path

import pytest
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS, TEXT, synthesizes
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import metering, settled

from voicegateway_shared.telemetry import attributes as names

CONTEXTS = ("cartesia-TTS", "elevenlabs-TTS")
"""Their sockets' unit is the context, whose id the plugin makes up and the vendor repeats."""


ONE_OF_EACH = {(row.vendor, row.modality, row.use is synthesizes): row for row in SOCKET_VENDORS}


@pytest.mark.parametrize("row", ONE_OF_EACH.values(), ids=lambda row: row.name)
async def test_record_knows_the_vendors_id_of_the_request(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        await row.use(plugin, NO_RETRY)
        record, [bill] = await settled(meter, plugin)

    assert bill.request_id in record.vendor_ids
    if not row.name.startswith(CONTEXTS) or row.use is synthesizes:
        assert record[names.VENDOR_ECHO_PREFIX + "request_id"] == bill.request_id


async def test_cost_that_the_vendor_tells_in_a_header_is_kept(tmp_path: Path) -> None:
    [row] = [row for row in SOCKET_VENDORS if row.use is synthesizes and row.model == "elevenlabs/eleven_flash_v2_5"]
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        await row.use(plugin, NO_RETRY)
        record, _ = await settled(meter, plugin)

    assert record[names.VENDOR_ECHO_PREFIX + "character_cost"] == str((len(TEXT) + 1) // 2)


async def test_length_that_the_vendor_tells_of_a_session_is_kept(tmp_path: Path) -> None:
    [row] = [row for row in SOCKET_VENDORS if row.model.startswith("assemblyai/universal")]
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        await row.use(plugin, NO_RETRY)
        record, _ = await settled(meter, plugin)

    told_s = record[names.VENDOR_ECHO_PREFIX + "session_seconds"]
    assert told_s.isdecimal()
    assert record.told == {"socket_open_ms": int(told_s) * 1_000}
