"""Anthropic's simulated reports: cents as texts, token types, what is in one report and not in the other."""

from pathlib import Path

import pytest
from tests.fixtures.bills import a_record, bills, write_records

from voicegateway.testing.vendors.billing import BillingTraps, credential_of

COSTS = "/v1/organizations/cost_report"
USAGE = "/v1/organizations/usage_report/messages"
NOVEMBER = "starting_at=2026-11-01T00:00:00Z&ending_at=2026-11-04T00:00:00Z"


async def test_costs_are_texts_of_cents_by_token_type(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("anthropic"))
    async with bills(tmp_path) as asked:
        reply = await asked.get("anthropic", f"{COSTS}?{NOVEMBER}&group_by[]=description&group_by[]=workspace_id")

    shared = {
        "currency": "USD", "cost_type": "tokens", "model": "claude-haiku-4-5", "service_tier": "standard",
        "context_window": "0-200k", "inference_geo": "global", "workspace_id": "wrkspc_1",
    }  # fmt: skip
    title = "Claude Haiku 4.5 Usage"
    assert reply.json() == {
        "data": [
            {"starting_at": "2026-11-01T00:00:00Z", "ending_at": "2026-11-02T00:00:00Z", "results": []},
            {
                "starting_at": "2026-11-02T00:00:00Z",
                "ending_at": "2026-11-03T00:00:00Z",
                "results": [
                    {**shared, "amount": amount, "token_type": token_type, "description": f"{title} - {words}"}
                    for amount, token_type, words in (
                        ("0.10", "uncached_input_tokens", "Input Tokens"),
                        ("0.08", "cache_read_input_tokens", "Input Tokens, Cache Hit"),
                        ("0.125", "cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write"),
                        ("0.10", "output_tokens", "Output Tokens"),
                    )
                ],
            },
            {"starting_at": "2026-11-03T00:00:00Z", "ending_at": "2026-11-04T00:00:00Z", "results": []},
        ],
        "has_more": False,
        "next_page": None,
    }
    assert '"amount": "0.125"' in reply.text


async def test_ungrouped_costs_are_one_amount_a_day_and_nulls(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("anthropic"))
    async with bills(tmp_path) as asked:
        page = (await asked.get("anthropic", f"{COSTS}?{NOVEMBER}")).json()

    (result,) = page["data"][1]["results"]
    nulls = ("cost_type", "description", "model", "token_type", "service_tier", "context_window", "inference_geo",
             "workspace_id")  # fmt: skip
    assert result == {"amount": "0.405", "currency": "USD", **dict.fromkeys(nulls)}


async def test_usage_tells_kinds_of_tokens_and_what_was_asked_for(tmp_path: Path) -> None:
    written = {"input_tokens": 4_000, "cache_write_1h_tokens": 1_000, "cache_write_5m_tokens": 500,
               "cache_read_tokens": 1_000, "output_tokens": 500}  # fmt: skip
    write_records(tmp_path, a_record("anthropic", usage=written))
    async with bills(tmp_path) as asked:
        plain = (await asked.get("anthropic", f"{USAGE}?{NOVEMBER}")).json()
        grouped = (await asked.get("anthropic", f"{USAGE}?{NOVEMBER}&group_by[]=api_key_id&group_by[]=model")).json()

    counts = {
        "uncached_input_tokens": 1_500,
        "cache_creation": {"ephemeral_1h_input_tokens": 1_000, "ephemeral_5m_input_tokens": 500},
        "cache_read_input_tokens": 1_000,
        "output_tokens": 500,
        "server_tool_use": {"web_search_requests": 0},
    }
    nothing = dict.fromkeys(("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo"))
    key = credential_of("anthropic", "sk-ant-a")
    assert plain["data"][1]["results"] == [{**counts, **nothing}]
    assert grouped["data"][1]["results"] == [{**counts, **nothing, "api_key_id": key, "model": "claude-haiku-4-5"}]


async def test_the_priority_tier_is_used_and_never_a_cost(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("anthropic", context={"service_tier": "priority"}))
    async with bills(tmp_path) as asked:
        usage = (await asked.get("anthropic", f"{USAGE}?{NOVEMBER}&group_by[]=service_tier")).json()
        costs = (await asked.get("anthropic", f"{COSTS}?{NOVEMBER}")).json()

    assert [result["service_tier"] for result in usage["data"][1]["results"]] == ["priority"]
    assert [bucket["results"] for bucket in costs["data"]] == [[], [], []]


async def test_searches_and_the_console_have_no_key(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("anthropic"))
    traps = BillingTraps(has_web_search=True, has_console_use=True)
    async with bills(tmp_path, traps=traps) as asked:
        usage = (await asked.get("anthropic", f"{USAGE}?{NOVEMBER}&group_by[]=api_key_id")).json()
        costs = (await asked.get("anthropic", f"{COSTS}?{NOVEMBER}&group_by[]=description")).json()

    (nobody,) = usage["data"][2]["results"]
    assert (nobody["api_key_id"], nobody["server_tool_use"]) == (None, {"web_search_requests": 3})
    searches = [each for each in costs["data"][2]["results"] if each["cost_type"] == "web_search"]
    assert [(each["amount"], each["model"], each["token_type"]) for each in searches] == [("3.00", None, None)]
    assert len(costs["data"][2]["results"]) == 5


async def test_the_default_workspace_is_null(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("anthropic", key="sk-ant-of-nobody"))
    async with bills(tmp_path) as asked:
        page = (await asked.get("anthropic", f"{COSTS}?{NOVEMBER}&group_by[]=workspace_id")).json()

    assert [result["workspace_id"] for result in page["data"][1]["results"]] == [None]


@pytest.mark.parametrize(
    ("query", "headers", "word"),
    [
        (NOVEMBER, {"anthropic-version": ""}, "anthropic-version"),
        (f"{NOVEMBER}&limit=32", {}, "limit"),
        (f"{NOVEMBER}&group_by[]=api_key_id", {}, "group_by"),
        (f"{NOVEMBER}&bucket_width=1h", {}, "bucket_width"),
        ("starting_at=yesterday", {}, "starting_at"),
        ("starting_at=2026-11-01T00:00:00", {}, "zone"),
    ],
)
async def test_what_the_vendor_would_not_answer_is_refused(
    tmp_path: Path, query: str, headers: dict[str, str], word: str
) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("anthropic", f"{COSTS}?{query}", **headers)

    assert reply.status == 400
    error = reply.json()
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert word in error["error"]["message"]


async def test_pages_lead_on_with_their_token(tmp_path: Path) -> None:
    write_records(tmp_path, *(a_record("anthropic", at=f"2026-11-0{day}T12:00:00Z") for day in (1, 2, 3)))
    amounts, page = [], ""
    async with bills(tmp_path, traps=BillingTraps(page_size=1)) as asked:
        for _ in range(5):
            answer = (await asked.get("anthropic", f"{COSTS}?{NOVEMBER}&limit=31{page}")).json()
            amounts += [result["amount"] for bucket in answer["data"] for result in bucket["results"]]
            page = f"&page={answer['next_page']}"
            if not answer["has_more"]:
                break

    assert amounts == ["0.405"] * 3
