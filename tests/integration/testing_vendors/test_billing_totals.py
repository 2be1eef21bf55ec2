"""However a month's bill is asked for, it comes to the same, to the last pico-dollar."""

import json
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.bills import Bills, bills, unix
from tests.fixtures.month import Month, MonthPlan, make_month

from voicegateway.testing.vendors.billing import BillingTraps
from voicegateway.testing.vendors.billing.cartesia import credits_of
from voicegateway.testing.vendors.billing.deepgram import PROJECT_ID
from voicegateway_shared.money import PICO_PER_USD

OCTOBER = date(2026, 10, 1)
ISO = "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"
SECONDS = unix("2026-10-01"), unix("2026-11-01")
PAGES_MAX = 40


@pytest.fixture(scope="module")
def month() -> Month:
    """Three hundred requests, and their neighbours outside the month."""
    return make_month(MonthPlan(requests=300, seed=11, keys_per_project=2))


@pytest.fixture(scope="module")
def truth(month: Month, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vendors' side of it."""
    directory = tmp_path_factory.mktemp("truth")
    month.write_truth(directory)
    return directory


@pytest.fixture
async def asked(month: Month, truth: Path) -> AsyncIterator[Bills]:
    """The simulators over it."""
    async with bills(truth, accounts=month.accounts) as running:
        yield running


async def _json(asked: Bills, vendor: str, path: str, body: Any = None) -> Any:
    """Return an answer with its numbers as the texts that they are."""
    reply = await asked.get(vendor, path, body=body)
    assert reply.status == 200, reply.text
    return json.loads(reply.text, parse_float=Decimal)


async def _buckets(asked: Bills, vendor: str, path: str) -> list[Any]:
    """Return all buckets of all pages."""
    found: list[Any] = []
    page = ""
    for _ in range(PAGES_MAX):
        answer = await _json(asked, vendor, path + page)
        found += answer["data"]
        if not answer["has_more"]:
            return found
        page = f"&page={answer['next_page']}"
    raise AssertionError("more pages than a month has days")


def _pico(amount: Any) -> int:
    pico = Decimal(amount) * PICO_PER_USD
    assert pico == int(pico)
    return int(pico)


@pytest.mark.parametrize("page_size", [None, 1, 7])
@pytest.mark.parametrize("groups", ["", "line_item", "project_id,api_key_id,line_item", "api_source,user_id"])
async def test_openai(asked: Bills, month: Month, groups: str, page_size: int | None) -> None:
    asked.sims.set_traps(BillingTraps(page_size=page_size))
    query = "".join(f"&group_by={name}" for name in groups.split(",") if name)
    path = f"/v1/organization/costs?start_time={SECONDS[0]}&end_time={SECONDS[1]}&limit=31{query}"

    buckets = await _buckets(asked, "openai", path)

    assert len(buckets) == 31
    total = sum(_pico(result["amount"]["value"]) for bucket in buckets for result in bucket["results"])
    assert total == month.amounts_pico_usd()["openai"] == asked.sims.total_pico_usd("openai", OCTOBER)


@pytest.mark.parametrize("groups", ["", "description", "workspace_id,description"])
async def test_anthropic(asked: Bills, month: Month, groups: str) -> None:
    query = "".join(f"&group_by[]={name}" for name in groups.split(",") if name)
    path = f"/v1/organizations/cost_report?starting_at={ISO[0]}&ending_at={ISO[1]}{query}"

    buckets = await _buckets(asked, "anthropic", path)

    total = sum(_pico(Decimal(result["amount"]) / 100) for bucket in buckets for result in bucket["results"])
    assert total == month.amounts_pico_usd()["anthropic"]


async def test_anthropics_usage_is_what_was_used(asked: Bills, month: Month) -> None:
    path = f"/v1/organizations/usage_report/messages?starting_at={ISO[0]}&ending_at={ISO[1]}&group_by[]=model"

    results = [result for bucket in await _buckets(asked, "anthropic", path) for result in bucket["results"]]

    told = sum(
        each["uncached_input_tokens"] + each["cache_read_input_tokens"] + sum(each["cache_creation"].values())
        for each in results
    )
    billed = [request.record for request in month.requests_of_the_month("anthropic") if request.record.billed]
    assert told == sum(record.usage["input_tokens"] for record in billed)
    assert sum(each["output_tokens"] for each in results) == sum(record.usage["output_tokens"] for record in billed)


@pytest.mark.parametrize("groups", ["", "line_item", "accessor,tags,line_item,deployment"])
async def test_deepgram(asked: Bills, month: Month, groups: str) -> None:
    query = "".join(f"&grouping={name}" for name in groups.split(",") if name)
    path = f"/v1/projects/{PROJECT_ID}/billing/breakdown?start=2026-10-01&end=2026-11-01{query}"

    results = (await _json(asked, "deepgram", path))["results"]

    assert sum(_pico(result["dollars"]) for result in results) == month.amounts_pico_usd()["deepgram"]


@pytest.mark.parametrize("groups", [[], ["model"], ["model", "hashed_xi_api_key"]])
@pytest.mark.parametrize("interval_s", [86_400, 604_800])
async def test_elevenlabs(asked: Bills, month: Month, groups: list[str], interval_s: int) -> None:
    start, end = (seconds * 1000 for seconds in SECONDS)
    body = {"start_time": start, "end_time": end, "interval_seconds": interval_s, "group_by": groups}

    table = await _json(asked, "elevenlabs", "/v1/workspace/analytics/usage", body)

    place = table["columns"].index("total_cost")
    assert sum(_pico(row[place]) for row in table["rows"]) == month.amounts_pico_usd()["elevenlabs"]


@pytest.mark.parametrize("by", ["capability", "model", "voice", "api_key"])
async def test_cartesia(asked: Bills, month: Month, by: str) -> None:
    path = f"/usage/credits?start_ts={ISO[0]}&end_ts={ISO[1]}&interval=day"

    plain = (await _json(asked, "cartesia", path))["data"]
    grouped = (await _json(asked, "cartesia", f"{path}&group_by={by}"))["data"]

    told = sum(Decimal(bucket["credits"]) for bucket in plain)
    assert told == sum(Decimal(bucket["credits"]) for group in grouped for bucket in group["buckets"])
    charges = asked.sims.charges("cartesia", month.first)
    assert Fraction(told) == sum((credits_of(charge) for charge in charges), Fraction())
