"""Errors of our own where messages are read: counted, never heard, and the plugin does what it would have done."""

from pathlib import Path
from typing import Any

import pytest
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import broken, metering

from voicegateway.instrument import wire
from voicegateway.instrument.wire import assemblyai, elevenlabs, owners, session, socket

VOICES = [row for row in SOCKET_VENDORS if row.modality == "tts" and not row.way]
BROKEN = [
    (wire, "follow", "assemblyai"),
    (wire, "meter_session", "elevenlabs"),
    (owners, "claim", "elevenlabs"),
    (elevenlabs, "_claim_what_is_initialized", "elevenlabs"),
    (assemblyai, "_note_owner", "assemblyai"),
    (owners, "owned", "assemblyai"),
    (socket, "_counted", "elevenlabs"),
    (socket, "shared_dialect", "deepgram"),
]


@pytest.mark.parametrize(("target", "name", "vendor"), BROKEN, ids=[f"{vendor}-{name}" for _, name, vendor in BROKEN])
async def test_speech_is_not_disturbed_by_errors_of_ours(tmp_path: Path, target: Any, name: str, vendor: str) -> None:
    row: ProviderClass = next(row for row in VOICES if row.vendor == vendor)
    async with metering(tmp_path) as meter:
        undisturbed = row.make(meter.sims)
        expected = await row.use(undisturbed, NO_RETRY)
        await undisturbed.aclose()
        voice = row.make(meter.sims)
        with broken(target, name) as raised:
            heard = await row.use(voice, NO_RETRY)
        await voice.aclose()

    assert heard == pytest.approx(expected, abs=0.1)
    assert len(raised) >= 1
    assert meter.runtime.hook_errors == len(raised)


@pytest.mark.parametrize(
    "row", [row for row in SOCKET_VENDORS if row.way in ("synthesize", "recognize")], ids=lambda row: row.name
)
async def test_answer_is_not_disturbed_by_errors_of_ours(tmp_path: Path, row: ProviderClass) -> None:
    async with metering(tmp_path) as meter:
        plugin = row.make(meter.sims)
        with broken(session, "_note"):
            assert await row.use(plugin, NO_RETRY)
        await plugin.aclose()
