"""Traps: how the simulated billing APIs refuse, delay, hide and rename."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.bills import NOW, Bills, a_record, bills, unix, write_records

from voicegateway.testing.vendors.billing import ADMIN_KEYS, NORMAL_KEY, BillingFaults, BillingTraps
from voicegateway.testing.vendors.billing.deepgram import PROJECT_ID

NOVEMBER = f"start_time={unix('2026-11-01')}&end_time={unix('2026-11-06')}"
COSTS = f"/v1/organization/costs?{NOVEMBER}"
PATHS = {
    "openai": COSTS,
    "anthropic": "/v1/organizations/cost_report?starting_at=2026-11-01T00:00:00Z&ending_at=2026-11-06T00:00:00Z",
    "deepgram": "/v1/projects",
    "elevenlabs": "/v1/user/subscription",
    "cartesia": "/usage/credits?start_ts=2026-11-01T00:00:00Z&end_ts=2026-11-06T00:00:00Z",
}
ERRORS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "openai": lambda body: (body["error"]["type"], body["error"]["code"]),
    "anthropic": lambda body: (body["type"], body["error"]["type"]),
    "deepgram": lambda body: (body["err_code"],),
    "elevenlabs": lambda body: (body["detail"]["status"],),
    "cartesia": lambda body: (body["title"], body["status_code"]),
}
REFUSED: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]] = {
    "openai": (
        ("invalid_request_error", "invalid_api_key"),
        ("invalid_request_error", "insufficient_permissions"),
        ("requests", "rate_limit_exceeded"),
    ),
    "anthropic": (("error", "authentication_error"), ("error", "permission_error"), ("error", "rate_limit_error")),
    "deepgram": (("INVALID_AUTH",), ("INSUFFICIENT_PERMISSIONS",), ("TOO_MANY_REQUESTS",)),
    "elevenlabs": (("invalid_api_key",), ("missing_permissions",), ("rate_limit_exceeded",)),
    "cartesia": (("Unauthorized", 401), ("Forbidden", 403), ("Too many requests", 429)),
}


async def _values(asked: Bills, path: str = COSTS) -> list[float]:
    page = (await asked.get("openai", path)).json()
    return [result["amount"]["value"] for bucket in page["data"] for result in bucket["results"]]


@pytest.mark.parametrize("vendor", sorted(ADMIN_KEYS))
async def test_only_an_admin_key_reads_bills_and_refusals_are_the_vendors_own(tmp_path: Path, vendor: str) -> None:
    path = PATHS[vendor]
    async with bills(tmp_path, traps={vendor: BillingTraps(rate_limited=2, retry_after_s=7)}) as asked:
        limited = [await asked.get(vendor, path), await asked.get(vendor, path, key="wrong")]
        wrong = await asked.get(vendor, path, key="wrong")
        normal = await asked.get(vendor, path, key=NORMAL_KEY)
        good = await asked.get(vendor, path)

    statuses = [reply.status for reply in (*limited, wrong, normal, good)]
    assert statuses == [429, 429, 401, 403, 200]
    assert limited[0].headers["Retry-After"] == "7"
    told = tuple(ERRORS[vendor](reply.json()) for reply in (wrong, normal, limited[0]))
    assert told == REFUSED[vendor]


async def test_a_key_that_made_requests_may_not_read_their_bill(tmp_path: Path) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("openai", COSTS, key="sk-a")

    assert reply.status == 403


async def test_mishaps_are_of_the_first_requests_after_the_switch(tmp_path: Path) -> None:
    async with bills(tmp_path, traps=BillingTraps(server_errors=1, invalid_json=1, slow_s=0.01)) as asked:
        first, second, third = [await asked.get("openai", COSTS) for _ in range(3)]
        asked.sims.set_traps(BillingTraps(server_errors=1))
        fourth = await asked.get("openai", COSTS)
        requests = asked.sims.openai.requests

    assert [reply.status for reply in (first, second, third, fourth)] == [500, 200, 200, 500]
    with pytest.raises(json.JSONDecodeError):
        second.json()
    assert third.json()["object"] == "page"
    assert requests == 4


async def test_lag_hides_what_has_just_happened_until_later(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(at="2026-11-05T11:00:00Z"), a_record(at="2026-11-05T11:45:00Z"))
    async with bills(tmp_path, traps=BillingTraps(lag=timedelta(minutes=20))) as asked:
        early = await _values(asked)
        asked.sims.set_now(NOW + timedelta(minutes=10))
        late = await _values(asked)

    assert (early, late) == ([0.003], [0.006])


async def test_the_last_days_are_restated_by_the_second_fetch_and_not_by_a_later_page(tmp_path: Path) -> None:
    write_records(
        tmp_path, *(a_record(at=f"2026-11-0{day}T0{hour}:00:00Z") for day in range(1, 6) for hour in range(9))
    )
    async with bills(tmp_path, traps=BillingTraps(restated_days=3)) as asked:
        first = (await asked.get("openai", f"{COSTS}&limit=3")).json()
        rest = (await asked.get("openai", f"{COSTS}&limit=3&page={first['next_page']}")).json()
        again = (await asked.get("openai", f"{COSTS}&limit=3")).json()
        rest_again = (await asked.get("openai", f"{COSTS}&limit=3&page={again['next_page']}")).json()
        other = await _values(asked)

    def amounts(*pages: Any) -> list[float]:
        return [bucket["results"][0]["amount"]["value"] for page in pages for bucket in page["data"]]

    whole = [0.027] * 5
    assert amounts(again, rest_again) == whole
    assert amounts(first, rest)[:1] == whole[:1]
    assert all(early < 0.027 for early in amounts(first, rest)[1:])
    assert amounts(first, rest) == other


async def test_float_noise_is_that_of_binary_sums(tmp_path: Path) -> None:
    usage = {"input_tokens": 250_000, "output_tokens": 0}
    write_records(tmp_path, *(a_record(at=f"2026-11-02T0{hour}:00:00Z", usage=usage) for hour in range(3)))
    async with bills(tmp_path, traps=BillingTraps(float_noise=True)) as asked:
        noisy = await asked.get("openai", COSTS)
        asked.sims.set_traps(BillingTraps())
        plain = await asked.get("openai", COSTS)

    assert '"value": 0.30000000000000004' in noisy.text
    assert '"value": 0.3,' in plain.text


async def test_models_may_be_called_otherwise(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(), a_record(model="gpt-4.1", request_id="2"))
    traps = BillingTraps(dated_models=True, aliases={"gpt-4.1": "GPT-4.1 (large)"})
    async with bills(tmp_path, traps=traps) as asked:
        page = (await asked.get("openai", f"{COSTS}&group_by=line_item")).json()

    items = {result["line_item"].partition(",")[0] for result in page["data"][1]["results"]}
    assert items == {"gpt-4.1-mini-2025-04-14", "GPT-4.1 (large)"}


async def test_keys_and_projects_may_be_null_though_they_are_asked_for(tmp_path: Path) -> None:
    write_records(tmp_path, *(a_record(at=f"2026-11-02T{hour:02d}:00:00Z") for hour in range(20)))
    async with bills(tmp_path, traps=BillingTraps(null_every=4)) as asked:
        page = (await asked.get("openai", f"{COSTS}&group_by=api_key_id&group_by=project_id")).json()

    results = page["data"][1]["results"]
    assert {(result["api_key_id"] is None, result["project_id"]) for result in results} == {
        (False, "proj_abc"),
        (True, None),
    }
    assert round(sum(result["amount"]["value"] for result in results), 9) == 0.06


async def test_empty_buckets_may_be_left_out_and_the_first_may_lack_its_morning(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(at="2026-11-01T11:59:59Z"), a_record(at="2026-11-03T01:00:00Z"))
    traps = BillingTraps(omits_empty_buckets=True, truncated_first_bucket=True)
    async with bills(tmp_path, traps=traps) as asked:
        short = (await asked.get("openai", COSTS)).json()["data"]
        asked.sims.set_traps(BillingTraps(truncated_first_bucket=True))
        whole = (await asked.get("openai", COSTS)).json()["data"]

    assert [bucket["start_time"] for bucket in short] == [unix("2026-11-03")]
    assert [bucket["start_time"] for bucket in whole][:2] == [unix("2026-11-01T12:00:00Z"), unix("2026-11-02")]
    assert [len(bucket["results"]) for bucket in whole] == [0, 0, 1, 0, 0]


async def test_searches_and_the_console_are_lines_that_nobody_here_made(tmp_path: Path) -> None:
    write_records(tmp_path, a_record())
    async with bills(tmp_path, traps=BillingTraps(has_web_search=True, has_console_use=True)) as asked:
        page = (await asked.get("openai", f"{COSTS}&group_by=line_item&group_by=api_key_id")).json()
        total = asked.sims.total_pico_usd("openai", NOW.date())

    lines = {result["line_item"]: result for result in page["data"][2]["results"]}
    assert lines["web_search"]["amount"] == {"value": 0.03, "currency": "usd"}
    assert (lines["web_search"]["quantity"], lines["web_search"]["api_key_id"]) == (None, None)
    assert lines["gpt-4.1-mini, output_tokens"]["api_key_id"] is None
    assert total == 2 * 3 * 10**9 + 3 * 10**10


async def test_the_log_is_read_again_while_it_grows(tmp_path: Path) -> None:
    async with bills(tmp_path) as asked:
        before = await _values(asked)
        write_records(tmp_path, a_record())
        after = await _values(asked)
        asked.sims.set_now(lambda: datetime(2026, 11, 1, tzinfo=UTC))
        past = await _values(asked)

    assert (before, after, past) == ([], [0.003], [])


async def test_a_vendor_may_round_each_line_to_cents(tmp_path: Path) -> None:
    usage = {"input_tokens": 12_500, "output_tokens": 100_000}
    write_records(tmp_path, a_record(usage=usage), a_record("anthropic"))
    async with bills(tmp_path, faults=BillingFaults(rounds_to_cents=True)) as asked:
        lines = (await asked.get("openai", f"{COSTS}&group_by=line_item")).json()["data"][1]["results"]
        day = (await asked.get("anthropic", PATHS["anthropic"])).json()["data"][1]["results"]

    assert [result["amount"]["value"] for result in lines] == [0.01, 0.16]
    assert [result["amount"] for result in day] == ["0.00"]


async def test_credits_taxes_and_what_no_model_explains_are_line_items(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(at="2026-10-02T00:00:00Z"))
    october = f"/v1/organization/costs?start_time={unix('2026-10-31')}&end_time={unix('2026-11-01')}"
    async with bills(tmp_path, faults=BillingFaults(credit_usd="0.001", tax_percent="50")) as asked:
        (bucket,) = (await asked.get("openai", f"{october}&group_by=line_item")).json()["data"]

    assert {result["line_item"]: result["amount"]["value"] for result in bucket["results"]} == {
        "Free tier credit": -0.001,
        "Sales tax": 0.001,
    }
    assert [result["quantity"] for result in bucket["results"]] == [None, None]


async def test_a_doubled_line_is_told_twice_and_used_once(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(), a_record("deepgram"), a_record("elevenlabs"), a_record("anthropic"))
    by_line = f"{COSTS}&group_by=line_item&group_by=api_key_id"
    project = f"{PATHS['deepgram']}/{PROJECT_ID}/billing/breakdown?start=2026-11-01&end=2026-11-06"
    body = {"start_time": unix("2026-11-01") * 1000, "end_time": unix("2026-11-06") * 1000, "group_by": ["model"]}
    async with bills(tmp_path, faults=BillingFaults(doubled_lines=1)) as asked:
        lines = (await asked.get("openai", by_line)).json()["data"][1]["results"]
        usage = (await asked.get("openai", f"/v1/organization/usage/completions?{NOVEMBER}")).json()["data"][1]
        dollars = (await asked.get("deepgram", f"{project}&grouping=line_item")).json()["results"]
        rows = (await asked.get("elevenlabs", "/v1/workspace/analytics/usage", body=body)).json()["rows"]
        described = (await asked.get("anthropic", f"{PATHS['anthropic']}&group_by[]=description")).json()["data"][1]

    assert len(lines) == 4
    assert lines.count(lines[0]) == 2
    assert [result["num_model_requests"] for result in usage["results"]] == [1]
    assert [len(each) for each in (dollars, rows, described["results"])] == [2, 2, 5]
    assert dollars[0] == dollars[1]
    assert rows[0] == rows[1]
    assert described["results"].count(described["results"][0]) == 2
