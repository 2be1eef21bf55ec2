"""`voicegw reconcile` against a real controller and a simulated vendor: found, shown, accepted, taken back."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.month import Month, MonthPlan, make_month
from tests.fixtures.voicegw import Voicegw

from voicegateway.testing.vendors.billing import ADMIN_KEYS, NORMAL_KEY, BillingFaults, BillingSimulators, invoice_csv
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.ledger import Ledger
from voicegateway_controller.settings import Settings

PATH = "/api/v1/reconciliations"


@pytest.fixture(scope="module")
def month() -> Month:
    return make_month(MonthPlan(requests=150, seed=5))


@pytest_asyncio.fixture
async def sims(
    month: Month, engine: AsyncEngine, make_ledger: Callable[..., Ledger], tmp_path: Path
) -> AsyncIterator[BillingSimulators]:
    """A ledger that holds the month, and vendors that do."""
    month.write_truth(tmp_path)
    await month.insert(engine)
    await make_ledger().drain(limit_s=60.0)
    async with BillingSimulators(
        truth_dir=tmp_path, accounts=month.accounts, now=datetime(2026, 11, 20, tzinfo=UTC)
    ) as made:
        yield made


@pytest_asyncio.fixture
async def url(make_settings: Callable[..., Settings], sims: BillingSimulators) -> AsyncIterator[str]:
    """A controller that may ask OpenAI's billing, and Anthropic's by a key that may not."""
    settings = make_settings(
        billing_openai_key=SecretStr(ADMIN_KEYS["openai"]), billing_openai_url=sims.urls()["openai"],
        billing_anthropic_key=SecretStr(NORMAL_KEY), billing_anthropic_url=sims.urls()["anthropic"],
    )  # fmt: skip
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> Voicegw:
    token = await create_token(engine, role=Role.OPERATOR, name="test")
    return Voicegw("reconcile", url, token, tmp_path)


async def test_a_month_is_compared_accepted_and_shown(
    voicegw: Voicegw, sims: BillingSimulators, tmp_path: Path
) -> None:
    sims.set_faults(BillingFaults(tax_percent="19", doubled_lines=2))
    page = tmp_path / "report.html"

    drifting = await voicegw("openai", "--month", "2026-10", "--threshold", "$0.00", "--json", "--by", "model",
                             "--html", str(page))  # fmt: skip
    accepted = await voicegw("accept", "1", "--reference", "INV-1")
    shown = await voicegw("show", "1")

    assert drifting.code == 1, drifting.err
    found = json.loads(drifting.out)
    assert {part["category"] for part in found["report"]["parts"]} == {"duplicate", "tax"}
    assert {group["key"] for group in found["groups"]} >= {"gpt-4.1-mini"}
    assert page.read_text().startswith("<!doctype html>")
    assert "Waterfall of the difference" in page.read_text()
    assert accepted.code == 0
    assert f"${found['report']['difference_usd']} booked" in accepted.out
    assert (shown.code, "above $0.00" in shown.out, "accepted" in shown.out) == (1, True, True)


async def test_a_file_is_compared_and_a_refusal_says_why(
    voicegw: Voicegw, tmp_path: Path, month: Month, sims: BillingSimulators
) -> None:
    table = tmp_path / "groq.csv"
    table.write_bytes(invoice_csv(sims.invoice("groq", month.first), layout="a"))

    by_file = await voicegw("groq", "--month", "2026-10", "--file", str(table), "--threshold", "$0.05")
    forbidden = await voicegw("anthropic", "--month", "2026-10")

    assert by_file.code == 0, by_file.err + by_file.out
    assert "within $0.05" in by_file.out
    assert (forbidden.code, "reconciliation 2 failed:" in forbidden.err) == (2, True)


async def _done(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = (await client.get(f"{PATH}/{number}")).json()
        if found["state"] != "running":
            return found
        await asyncio.sleep(0.05)


async def test_runs_are_compared_accepted_and_taken_back_over_http(
    url: str, make_token: Callable[..., Any], sims: BillingSimulators
) -> None:
    asked = {"provider": "openai", "month": "2026-10"}
    headers = await make_token(Role.OPERATOR)
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        assert (await client.post(PATH, json=asked)).status_code == 202
        first = await _done(client, 1)
        sims.set_faults(BillingFaults(tax_percent="19"))
        await client.post(PATH, json=asked)
        second = await _done(client, 2)
        compared = (await client.get(f"{PATH}/2/compare")).json()
        cells = (await client.get(f"{PATH}/2/cells")).json()["cells"]
        groups = (await client.get(f"{PATH}/2/groups", params={"by": "day"})).json()["groups"]
        evidence = (await client.get(f"{PATH}/2/documents")).json()["documents"]
        body = (await client.get(f"{PATH}/2/documents/0")).content
        accepted = (await client.post(f"{PATH}/2/accept", json={})).json()
        again = (await client.post(f"{PATH}/2/accept", json={})).json()
        reversed_ = (await client.post(f"{PATH}/2/reverse", json={"reason": "a try"})).json()
        twice = await client.post(f"{PATH}/2/reverse", json={"reason": "a try"})
        listed = (await client.get(PATH, params={"provider": "openai"})).json()["reconciliations"]

    assert first["report"]["difference_usd"] == "0"
    tax = second["report"]["difference_usd"]
    assert [(part["category"], part["amount_usd"]) for part in second["report"]["parts"]] == [("tax", tax)]
    assert compared["parts"] == [{"category": "tax", "before_usd": "0", "after_usd": tax}]
    assert [cell["parts"][0]["category"] for cell in cells] == ["tax"]
    assert {group["difference_usd"] for group in groups if group["key"] != "whole month"} == {"0"}
    assert hashlib.sha256(body).hexdigest() == evidence[0]["sha256"]
    assert (accepted["booked_usd"], accepted["is_new"], again["is_new"]) == (tax, True, False)
    assert reversed_["booked_usd"] == f"-{tax}"
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    assert [run["number"] for run in listed] == [2, 1]


async def test_what_cannot_be_done_says_why(url: str, make_token: Callable[..., Any]) -> None:
    headers = await make_token(Role.OPERATOR)
    october = {"provider": "openai", "month": "2026-10"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        keyless = await client.post(PATH, json={**october, "provider": "deepgram"})
        none = await client.post(PATH, json={**october, "provider": "groq"})
        month = await client.post(PATH, json={**october, "month": "2026-13"})
        threshold = await client.post(PATH, json={**october, "threshold": "a lot"})
        total = await client.post(PATH, json={**october, "source": "total"})
        mapping = await client.post(
            f"{PATH}/file", params={**october, "name": "x.csv", "mapping": "mine"}, content=b"a"
        )
        empty = await client.post(f"{PATH}/file", params={**october, "name": "x.csv"})
        absent = await client.get(f"{PATH}/99")

    assert "VOICEGATEWAY_BILLING_DEEPGRAM_KEY is not set" in keyless.json()["detail"]
    assert "no billing API" in none.json()["detail"]
    assert "neither a percentage nor money" in threshold.json()["detail"]
    assert "total_usd" in total.json()["detail"]
    assert "there is no mapping 'mine'" in mapping.json()["detail"]
    assert "the body is empty" in empty.json()["detail"]
    answers = (keyless, none, threshold, total, mapping, empty, month, absent)
    assert [answer.status_code for answer in answers] == [400] * 6 + [422, 404]


async def test_a_vendors_bill_is_for_those_who_see_the_whole_fleet(url: str, make_token: Callable[..., Any]) -> None:
    wanted = {"provider": "openai", "month": "2026-10"}
    path = "/api/v1/reconciliations"
    viewer, part = await make_token(Role.VIEWER), await make_token(Role.OPERATOR, projects=["acme"])
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.post(path, json=wanted)).status_code == 401
        assert (await client.post(path, json=wanted, headers=viewer)).status_code == 403
        assert (await client.post(path, json=wanted, headers=part)).status_code == 403
        assert (await client.get(path, headers=part)).status_code == 403
        assert (await client.get(path, headers=viewer)).status_code == 200
        assert (await client.get(f"{path}/1/report.html", headers=viewer)).status_code == 404
        assert (await client.get(f"{path}/0", headers=viewer)).status_code == 422


async def test_names_are_declared_and_forgotten(url: str, make_token: Callable[..., Any]) -> None:
    alias = {"provider": "groq", "name": "Whisper", "model": "whisper-large-v3", "valid_from": "2026-10-01",
             "valid_to": None}  # fmt: skip
    link = {"provider": "openai", "credential": "key_1", "key_id": "fp-1"}
    named = {"provider": "groq", "name": "Whisper"}
    headers = await make_token(Role.OPERATOR)
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        await client.put(f"{PATH}/names/aliases", json=alias)
        await client.put(f"{PATH}/names/links", json=link)
        shown = (await client.get(f"{PATH}/names")).json()
        gone = [(await client.delete(f"{PATH}/names/aliases", params=named)).json()["is_gone"] for _ in range(2)]
        backwards = await client.put(f"{PATH}/names/aliases", json={**alias, "valid_to": "2026-09-01"})

    assert shown == {"aliases": [alias], "links": [link]}
    assert gone == [True, False]
    assert backwards.status_code == 400
