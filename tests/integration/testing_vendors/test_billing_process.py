"""The billing APIs as a process, and over what the simulated vendors have just written."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fixtures.bills import a_record, unix, write_records
from tests.fixtures.waiting import eventually

from voicegateway.testing.vendors import VendorSimulators
from voicegateway.testing.vendors.bill import bill
from voicegateway.testing.vendors.billing import ADMIN_KEYS, BillingSimulators, credential_of
from voicegateway_shared.money import parse_usd

COMMAND = (sys.executable, "-m", "voicegateway.testing.vendors.billing")
CHAT: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}


async def test_what_a_vendor_has_just_served_is_on_its_bill(tmp_path: Path) -> None:
    start = datetime.now(UTC) - timedelta(minutes=5)
    async with (
        VendorSimulators(truth_dir=tmp_path) as vendors,
        BillingSimulators(truth_dir=tmp_path, accounts={"sk-mine": "proj_mine"}) as bills,
        aiohttp.ClientSession() as http,
    ):
        key = {"Authorization": "Bearer sk-mine"}
        async with http.post(f"{vendors.openai.base_url}/chat/completions", json=CHAT, headers=key) as answer:
            assert answer.status == 200
        await vendors.settled()
        admin = {"Authorization": f"Bearer {ADMIN_KEYS['openai']}"}
        query = f"start_time={int(start.timestamp())}&group_by=api_key_id&group_by=project_id"
        async with http.get(f"{bills.urls()['openai']}/v1/organization/costs?{query}", headers=admin) as answer:
            page = json.loads(await answer.text(), parse_float=str)

    (result,) = [each for bucket in page["data"] for each in bucket["results"]]
    assert (result["api_key_id"], result["project_id"]) == (credential_of("openai", "sk-mine"), "proj_mine")
    assert parse_usd(f"{float(result['amount']['value']):.12f}") == parse_usd(bill(tmp_path)["amount_usd"])


async def test_a_process_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    truth, ports = write_records(tmp_path / "truth", a_record()), tmp_path / "ports.json"
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--truth-dir", str(truth), "--port-file", str(ports), "--now", "2026-11-05T00:00:00Z"),
        *("--faults", '{"doubled_requests": 1}', "--accounts", '{"sk-a": "proj_a"}'),
        stderr=DEVNULL,
    )
    try:
        await eventually(lambda: ports.exists() or process.returncode is not None)
        url = f"{json.loads(ports.read_text())['openai']}/v1/organization/costs?start_time={unix('2026-11-02')}"
        headers = {"Authorization": f"Bearer {ADMIN_KEYS['openai']}"}
        async with aiohttp.ClientSession() as http, http.get(f"{url}&group_by=project_id", headers=headers) as answer:
            page = await answer.json()
    finally:
        if process.returncode is None:
            process.terminate()
        code = await process.wait()

    (result,) = page["data"][0]["results"]
    assert (result["amount"]["value"], result["project_id"], code) == (0.006, "proj_a", 0)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--traps", '{"page_sise": 1}', "page_sise"),
        ("--faults", "[]", "not BillingFaults as JSON"),
        ("--now", "2026-11-05T00:00:00", "needs a zone"),
    ],
)
async def test_wrong_switches_are_refused_with_the_reason(
    tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--truth-dir", str(tmp_path), "--port-file", str(tmp_path / "p"), option, value), stderr=PIPE
    )
    _, said = await process.communicate()

    assert process.returncode == 2
    assert complaint in said.decode()
