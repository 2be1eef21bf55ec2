"""A real agent session on vendors of sockets: interrupted and closed by the caller, billed as each vendor does."""

from pathlib import Path

import pytest
from tests.contract.provider_class import ProviderClass
from tests.contract.socket_vendors import SOCKET_VENDORS
from tests.fixtures.job import job
from tests.integration.voicegateway.metering import metering
from tests.integration.voicegateway.test_session import REPLY, hold, session_of

MODELS = (
    ("deepgram/flux-general-en", "deepgram/aura-2-andromeda-en"),
    ("elevenlabs/scribe_v2_realtime", "elevenlabs/eleven_flash_v2_5"),
    ("assemblyai/universal-streaming-english", "assemblyai/assemblyai-tts-1"),
)
ROWS = {row.model: row for row in SOCKET_VENDORS if not row.way}
CALLS = [(ROWS[hears], ROWS[speaks]) for hears, speaks in MODELS]


@pytest.mark.parametrize(("hears", "speaks"), CALLS, ids=lambda row: row.name)
async def test_call_is_billed_as_it_is_metered(tmp_path: Path, hears: ProviderClass, speaks: ProviderClass) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        plugins = (hears.make(meter.sims), meter.llm(), speaks.make(meter.sims))
        with job("AJ_1"):
            await hold(session_of(*plugins), turns=2, is_interrupting=True)
        for plugin in plugins:
            await plugin.aclose()
        records, bills = await meter.records(), await meter.bills()

    for row in (hears, speaks):
        for name in row.meters:
            ours = sum(record.usage.get(name, 0) for record in records if name in record.usage)
            theirs = sum(bill.usage.get(name, 0) for bill in bills)
            assert (name, ours) == (name, theirs)
    assert meter.runtime.hook_errors == 0
