"""`voicegw providers`, run as a person runs it: list, disable for an hour, enable."""

import json
from pathlib import Path

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.health_worker import HealthWorker
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token


async def test_a_vendor_is_seen_switched_off_and_on(url: str, engine: AsyncEngine, tmp_path: Path) -> None:
    worker = {"Authorization": f"Bearer {await create_token(engine, role=Role.WORKER, name='w')}"}
    async with httpx.AsyncClient(base_url=url) as api:
        await HealthWorker(api, worker).says(failed=2)
    token = await create_token(engine, role=Role.OPERATOR, name="o")
    voicegw = Voicegw("providers", url, token, tmp_path)

    off = await voicegw("disable", "deepgram", "--for", "1h", "--reason", "brown-out")
    listed = await voicegw("list")
    as_json = json.loads((await voicegw("list", "--json")).out)
    on = await voicegw("enable", "deepgram")
    again = await voicegw("enable", "deepgram")
    wrong = await voicegw("disable", "deepgram", "--for", "soon")
    one = await voicegw("disable", "openai/gpt-4.1-mini")
    one_on = await voicegw("enable", "openai/gpt-4.1-mini")
    both = await voicegw("disable", "openai/gpt-4.1-mini", "--model", "gpt-4.1")

    assert (off.code, off.out[:25], "brown-out" in off.out) == (0, "deepgram is off until 202", True)
    assert "openai/gpt-4.1-mini" in listed.out
    assert "deepgram is off until" in listed.out
    assert [each["cause"] for each in as_json["targets"]] == ["errors"]
    assert (on.code, on.out) == (0, "deepgram is on again\n")
    assert (again.code, wrong.code) == (2, 2)
    assert "not switched off" in again.err
    assert "write 90s, 30m, 1h or 2d" in wrong.err
    assert (one.code, one.out) == (0, "openai/gpt-4.1-mini is off until somebody enables it\n")
    assert (one_on.code, one_on.out) == (0, "openai/gpt-4.1-mini is on again\n")
    assert (both.code, "write one of them" in both.err) == (2, True)
