"""Rating what is odd: spans that break the rules or the database, come again, used nothing, or have no price."""

import random
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.ledger import rules, store, verify_rollups
from voicegateway_shared.pricing import RatedLine, Rating, rate
from voicegateway_shared.telemetry import attributes as names

Connection = asyncpg.Connection
REQUEST_ID = "01930000-0000-7000-8000-000000000001"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def test_a_poisoned_span_blocks_nobody_and_stays_visible(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Connection[Any]",
    make_ledger: Any,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rate_or_raise(request: Any, catalog: Any) -> Rating:
        if request.model == "poison":
            raise ZeroDivisionError("a rate of nothing")
        return rate(request, catalog)

    monkeypatch.setattr(rules, "rate", rate_or_raise)
    await api.post("/v1/traces", content=a_request(a_span(), a_span(REQUEST_MODEL="poison"), a_span()), headers=worker)

    rated = await make_ledger().drain(limit_s=10)

    assert rated == 3
    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 0
    rows = await db.fetch(
        "SELECT meter, quantity, amount_usd, unrated_reason FROM ledger_entry WHERE model = 'poison' ORDER BY meter"
    )
    assert [tuple(row) for row in rows] == [
        ("cache_read_tokens", 1_024, Decimal(0), "rating_failed"),
        ("input_tokens", 1_200, Decimal(0), "rating_failed"),
        ("output_tokens", 60, Decimal(0), "rating_failed"),
    ]
    [quarantined] = await db.fetch("SELECT token_id, reason, body FROM usage_quarantine")
    assert quarantined["reason"] == "rating failed: ZeroDivisionError: a rate of nothing"
    assert b'"model":"poison"' in quarantined["body"]
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_names_that_no_sum_can_hold_are_refused_before_they_block_the_ledger(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    chance = random.Random(7)
    # Rare characters, which Postgres cannot compress: four bytes each.
    names_there: dict[str, Any] = {
        each: "".join(chr(chance.randrange(0x20000, 0x2A6D0)) for _ in range(200))
        for each in ("AGENT_NAME", "PROVIDER", "REQUEST_MODEL")
    }
    most: dict[str, Any] = {**names_there, "AGENT_NAME": names_there["AGENT_NAME"][:-1]}
    spans = [a_span(), a_span(**names_there), a_span(**most)]

    response = await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    await make_ledger().drain(limit_s=10)

    assert response.status_code == 200
    assert await db.fetch("SELECT * FROM usage_pending") == []
    assert await db.fetchval("SELECT count(DISTINCT request_id) FROM ledger_entry") == 2
    assert await db.fetchval("SELECT reason FROM usage_quarantine") == (
        "project, agent, provider and model are longer than 2400 bytes together"
    )


@pytest.mark.parametrize("batch_spans", [500, 1])
async def test_a_span_that_postgres_refuses_is_isolated(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Connection[Any]",
    make_ledger: Any,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    batch_spans: int,
) -> None:
    def rate_below_zero(request: Any, catalog: Any) -> Rating:
        if request.model == "poison":
            return Rating((RatedLine("output_tokens", 60, 60, -1, -1, "wrong", None),))
        return rate(request, catalog)

    monkeypatch.setattr(rules, "rate", rate_below_zero)
    spans = [a_span(REQUEST_MODEL="poison" if n == 7 else "gpt-4.1-mini") for n in range(12)]
    await api.post("/v1/traces", content=a_request(*spans), headers=worker)

    rated = await make_ledger(batch_spans=batch_spans).drain(limit_s=30)

    assert rated == 12
    assert await db.fetchval("SELECT count(DISTINCT request_id) FROM ledger_entry") == 12
    assert await db.fetchval("SELECT array_agg(DISTINCT unrated_reason) FROM ledger_entry WHERE model = 'poison'") == [
        "rating_failed"
    ]
    assert await db.fetchval("SELECT reason FROM usage_quarantine") == "rating failed: refused by Postgres"
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_a_span_resent_after_its_inbox_was_dropped_is_not_charged_again(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any, engine: AsyncEngine
) -> None:
    old = a_span(request_id=REQUEST_ID)
    ledger = make_ledger()
    await api.post("/v1/traces", content=a_request(old), headers=worker)
    await ledger.drain(limit_s=10)
    await db.execute("DELETE FROM usage_span")

    await api.post("/v1/traces", content=a_request(old, a_span()), headers=worker)
    rated = await ledger.drain(limit_s=10)

    assert rated == 2
    assert await db.fetchval("SELECT count(*) FROM ledger_entry") == 6
    assert await db.fetchval("SELECT sum(requests) FROM rollup_hour WHERE meter = 'requests'") == 2
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_requests_without_usage_or_price_are_there(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any, engine: AsyncEngine
) -> None:
    usage = [names.USAGE_PREFIX + meter for meter in ("input_tokens", "cache_read_tokens", "output_tokens")]
    failed = a_span(without=usage, OUTCOME="error", ERROR_TYPE="APITimeoutError", SESSION_ID="failed")
    unknown = a_span(REQUEST_MODEL="gpt-99", ESTIMATED=True, SESSION_ID="unknown")

    await api.post("/v1/traces", content=a_request(failed, unknown), headers=worker)
    await make_ledger().drain(limit_s=10)

    rows = await db.fetch(
        "SELECT session_id, meter, quantity, amount_usd, unrated_reason FROM ledger_entry ORDER BY session_id, meter"
    )
    assert [tuple(row) for row in rows] == [
        ("failed", "requests", 1, Decimal(0), None),
        ("unknown", "input_tokens", 1_200, Decimal(0), "unknown_model"),
        ("unknown", "output_tokens", 60, Decimal(0), "unknown_model"),
    ]
    sessions = await db.fetch(
        "SELECT session_id, requests, errors, estimated_requests, unrated_requests FROM rollup_session ORDER BY 1"
    )
    assert [tuple(row) for row in sessions] == [("failed", 1, 1, 0, 0), ("unknown", 1, 0, 1, 1)]
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_the_queue_is_read_by_its_index_whatever_the_statistics_say(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    """Seen once: analyzed while empty, the planner compared every pending row with every row of the batch for 28 s."""
    await db.execute("VACUUM ANALYZE usage_pending")
    await api.post("/v1/traces", content=a_request(*(a_span() for _ in range(3_000))), headers=worker)

    async with db.transaction():
        await db.execute(store.PLAN_BY_INDEX)
        plan = "\n".join(row[0] for row in await db.fetch("EXPLAIN " + store.TAKE.replace("$1", "2000")))

    scans = re.findall(r"(\w+ Scan|Sort)(?: using \w+)? on (usage_\w+)", plan)
    assert ("Tid Scan", "usage_pending") in scans
    assert ("Index Scan", "usage_pending") in scans
    assert {kind for kind, _ in scans} == {"Tid Scan", "Index Scan"}
    assert "Sort" not in plan


async def test_a_span_whose_quantities_no_sum_can_take_is_kept_as_a_request(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    ended_ns = time.time_ns()
    await api.post("/v1/traces", content=a_request(a_span(ended_ns=ended_ns)), headers=worker)
    await make_ledger().drain(limit_s=10)
    await db.execute("UPDATE rollup_hour SET quantity = 9223372036854775807 - 10 WHERE meter = 'input_tokens'")

    await api.post("/v1/traces", content=a_request(a_span(ended_ns=ended_ns)), headers=worker)
    await make_ledger().drain(limit_s=5)

    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 0
    rows = await db.fetch("SELECT meter, quantity, amount_usd FROM ledger_entry WHERE unrated_reason = 'rating_failed'")
    assert [tuple(row) for row in rows] == [("requests", 1, Decimal(0))]
    assert await db.fetchval("SELECT requests FROM rollup_hour WHERE meter = 'requests'") == 2
    assert await db.fetchval("SELECT count(*) FROM usage_quarantine") == 1
