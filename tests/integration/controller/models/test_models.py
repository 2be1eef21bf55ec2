"""Models over HTTP: priced, declared and used ones in one list."""

from typing import Any

import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role


@pytest.fixture
async def used(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any) -> None:
    spans = [a_span(), a_span(REQUEST_MODEL="gpt-99", PROJECT="beta")]
    await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    await make_ledger().drain(limit_s=10)


async def _all(api: httpx.AsyncClient, headers: dict[str, str], **query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    query = {"limit": "500", **query}
    while True:
        page = (await api.get("/api/v1/models", params=query, headers=headers)).json()
        found |= {f"{each['model']} {each['modality']}": each for each in page["models"]}
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


@pytest.mark.usefixtures("used")
async def test_what_is_used_is_there_with_its_price_and_without_one(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    found = await _all(api, viewer, only="used")

    priced, unpriced = found["openai/gpt-4.1-mini llm"], found["openai/gpt-99 llm"]
    assert set(found) == {"openai/gpt-4.1-mini llm", "openai/gpt-99 llm"}
    assert (priced["is_priced"], priced["typical_usd"], priced["requests"]) == (True, "0.00056", 1)
    assert priced["amount_usd"] == "0.0002688"
    assert {(each["meter"], each["per"]) for each in priced["prices"]} >= {("input_tokens", "1000000 tokens")}
    assert (unpriced["is_priced"], unpriced["unpriced_reason"], unpriced["unrated_requests"]) == (
        False,
        "unknown_model",
        1,
    )


@pytest.mark.usefixtures("used")
async def test_an_allowance_is_no_model(api: httpx.AsyncClient, viewer: dict[str, str], db: Any) -> None:
    await db.execute(
        "INSERT INTO rollup_hour VALUES (date_trunc('hour', now()), '_shared', '', 'openai', 'openai-free', '',"
        " 'allowance', 0, 0, 0, -1, 0, 0)"
    )

    assert set(await _all(api, viewer, only="used")) == {"openai/gpt-4.1-mini llm", "openai/gpt-99 llm"}


async def test_all_that_is_priced_or_declared_is_there(
    api: httpx.AsyncClient, viewer: dict[str, str], make_token: Any
) -> None:
    routing = {"routing": {"chains": {"llm": {"fast": ["openai/gpt-4.1-mini", "groq/nobody-prices-this"]}}}}
    await api.put("/api/v1/routing", json=routing, headers=await make_token(Role.OPERATOR))

    found = await _all(api, viewer)

    assert len(found) > 50
    assert (found["openai/gpt-4.1-mini llm"]["chains"], found["openai/gpt-4.1-mini llm"]["health"]) == (
        ["fast"],
        "unknown",
    )
    assert found["groq/nobody-prices-this llm"]["chains"] == ["fast"]
    assert {each["provider"] for each in (await _all(api, viewer, provider="deepgram")).values()} == {"deepgram"}
    assert all(not each["is_priced"] for each in (await _all(api, viewer, only="unpriced")).values())
    few = await _all(api, viewer, limit="7")
    assert list(few) == list(found)


async def test_what_is_switched_off_says_so(api: httpx.AsyncClient, make_token: Any) -> None:
    operator = await make_token(Role.OPERATOR)
    await api.post("/api/v1/providers/cartesia/disabled", json={"reason": "outage"}, headers=operator)

    found = await _all(api, operator, provider="cartesia")

    assert {(each["health"], each["cause"]) for each in found.values()} == {("disabled", "outage")}


@pytest.mark.usefixtures("used")
async def test_a_token_of_some_projects_counts_only_theirs(api: httpx.AsyncClient, make_token: Any) -> None:
    beta = await make_token(Role.VIEWER, projects=["beta"])

    assert set(await _all(api, beta, only="used")) == {"openai/gpt-99 llm"}
    assert (await api.get("/api/v1/models", params={"project": "acme"}, headers=beta)).status_code == 403
