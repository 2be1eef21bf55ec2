"""The made-up month: both sides of it are the same requests."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.month import MonthPlan, make_month

from voicegateway.testing.vendors.billing import BillingSimulators
from voicegateway_controller.ledger import Ledger
from voicegateway_shared.money import parse_usd

SUMS = """
SELECT provider, sum(amount_usd)::text AS amount, count(*) FILTER (WHERE unrated_reason IS NOT NULL) AS unrated
FROM ledger_entry WHERE charged_at >= '2026-10-01Z' AND charged_at < '2026-11-01Z' GROUP BY provider
"""


async def _ledger_sums(db: Any) -> dict[str, int]:
    rows = await db.fetch(SUMS)
    assert [row["unrated"] for row in rows] == [0] * len(rows)
    return {row["provider"]: parse_usd(row["amount"]) for row in rows}


async def test_an_untouched_month_comes_to_the_same_on_both_sides(
    engine: AsyncEngine, db: Any, make_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    month = make_month(MonthPlan(requests=400, unbilled=0.02))
    month.write_truth(tmp_path)

    await month.insert(engine)
    assert await make_ledger().drain(limit_s=60.0) == len(month.requests)

    bills = BillingSimulators(truth_dir=tmp_path, accounts=month.accounts)
    ours = await _ledger_sums(db)
    assert ours == {vendor: bills.total_pico_usd(vendor, month.first) for vendor in ours} == month.amounts_pico_usd()
    assert set(ours) == set(month.plan.vendors)
    assert min(ours.values()) > 0


async def test_what_is_lost_and_doubled_is_the_difference(
    engine: AsyncEngine, db: Any, make_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    month = make_month(MonthPlan(requests=150, seed=3))

    done = await month.insert(engine, lose=5, duplicate=2, vendor="openai")
    await make_ledger().drain(limit_s=60.0)

    assert (len(done.lost), len(done.duplicated)) == (5, 2)
    lost = sum(month.amounts_by_request[request.request_id] for request in done.lost)
    doubled = sum(month.amounts_by_request[request.request_id] for request in done.duplicated)
    expected = month.amounts_pico_usd()
    expected["openai"] += doubled - lost
    assert await _ledger_sums(db) == expected


async def test_a_change_is_made_to_our_side_alone(
    engine: AsyncEngine, db: Any, make_ledger: Callable[..., Ledger]
) -> None:
    month = make_month(MonthPlan(requests=60))

    await month.insert(engine, change=lambda request: None if request.record.vendor == "groq" else request)
    await make_ledger().drain(limit_s=60.0)

    assert set(await _ledger_sums(db)) == set(month.plan.vendors) - {"groq"}


def test_the_month_has_its_first_and_its_last_instant_and_neighbours_outside() -> None:
    month = make_month(MonthPlan(requests=50))

    inside = [request.ended_at for request in month.requests_of_the_month()]
    assert (inside[0], inside[-1]) == (
        datetime.fromisoformat("2026-10-01T00:00:00Z"),
        datetime.fromisoformat("2026-10-31T23:59:59.999999Z"),
    )
    outside = sorted({request.ended_at for request in month.requests} - set(inside))
    assert outside == [
        datetime.fromisoformat("2026-09-30T23:59:59.999999Z"),
        datetime.fromisoformat("2026-11-01T00:00:00Z"),
    ]


@pytest.mark.parametrize("first", [date(2024, 2, 1), date(2026, 12, 1)])
def test_any_month_can_be_made_and_the_same_plan_makes_the_same(first: date) -> None:
    plan = MonthPlan(requests=40, first=first, calls=3, seed=9)

    month = make_month(plan)

    assert month == make_month(plan)
    assert month != make_month(MonthPlan(requests=40, first=first, calls=3, seed=10))
    assert set(month.amounts_pico_usd()) == {*plan.vendors, "livekit", "twilio"}


def test_models_come_as_often_as_they_weigh() -> None:
    month = make_month(MonthPlan(requests=300, weights={"gpt-4.1-mini": 30, "gpt-realtime": 0}))

    models = [request.record.model for request in month.requests_of_the_month()]
    assert models.count("gpt-4.1-mini") > 150
    assert models.count("gpt-realtime") == 1
