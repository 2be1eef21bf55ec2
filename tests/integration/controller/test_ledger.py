"""Rating: every span exactly once, whatever happens meanwhile; entries that nobody can change."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import INCARNATION, a_request, a_span

from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.ledger import Ledger, store, verify_rollups

Connection = asyncpg.Connection
REQUEST_ID = "01930000-0000-7000-8000-000000000001"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def test_a_span_becomes_entries_and_rollups(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    ended = datetime(2026, 11, 20, 12, 34, 56, 789_012, tzinfo=UTC)
    ended_ns = int(ended.timestamp()) * 10**9 + 789_012_000
    await api.post("/v1/traces", content=a_request(a_span(request_id=REQUEST_ID, ended_ns=ended_ns)), headers=worker)
    await db.execute("UPDATE usage_span SET clock_suspect = false")

    rated = await make_ledger().drain(limit_s=10)

    assert rated == 1
    entries = [dict(row) for row in await db.fetch("SELECT * FROM ledger_entry ORDER BY meter")]
    recorded = {entry.pop("recorded_at") for entry in entries}
    assert len(recorded) == 1
    assert {entry.pop("batch") for entry in entries} == {await db.fetchval("SELECT batch FROM ledger_block")}
    price_ids = [entry.pop("price_id") for entry in entries]
    assert all(price_id.startswith("openai/gpt-4.1-mini/") for price_id in price_ids)
    common = {
        "day": ended.date(), "request_id": UUID(REQUEST_ID), "kind": "usage", "revision": 0, "project": "acme",
        "session_id": "AJ_1", "agent": "receptionist", "provider": "openai", "model": "gpt-4.1-mini",
        "modality": "llm", "unrated_reason": None, "estimated": False, "charged_at": ended, "key_id": "k-12345678",
        "response_id": "chatcmpl-1", "incarnation": INCARNATION, "correction_id": None, "booked_in": None,
    }  # fmt: skip
    assert entries == [
        common | _line("cache_read_tokens", 1_024, 1_024, "0.0001024"),
        common | _line("input_tokens", 1_200, 176, "0.0000704"),
        common | _line("output_tokens", 60, 60, "0.000096"),
    ]
    hours = [tuple(row.values())[6:] for row in await db.fetch("SELECT * FROM rollup_hour ORDER BY meter")]
    assert hours == [
        ("cache_read_tokens", 1, 1_024, 1_024, Decimal("0.0001024"), 0, 0),
        ("input_tokens", 1, 1_200, 176, Decimal("0.0000704"), 0, 0),
        ("output_tokens", 1, 60, 60, Decimal("0.000096"), 0, 0),
        ("requests", 1, 0, 0, Decimal(0), 0, 0),
    ]
    group = {tuple(row.values())[:6] for row in await db.fetch("SELECT * FROM rollup_hour")}
    hour = ended.replace(minute=0, second=0, microsecond=0)
    assert group == {(hour, "acme", "receptionist", "openai", "gpt-4.1-mini", "llm")}
    assert [tuple(row.values()) for row in await db.fetch("SELECT * FROM rollup_latency")] == [
        (hour, "acme", "openai", "gpt-4.1-mini", "llm", 69, 1)
    ]
    assert [tuple(row.values()) for row in await db.fetch("SELECT * FROM rollup_session")] == [
        (
            "AJ_1", "acme", "receptionist", "call-1", ended - timedelta(milliseconds=900), ended, 1, 0, 0, 0,
            Decimal("0.0002688"),
        )
    ]  # fmt: skip
    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 0


async def test_concurrent_runners_rate_every_span_once(
    api: httpx.AsyncClient, worker: dict[str, str], database_url: str, db: "Connection[Any]", make_ledger: Any
) -> None:
    await _post_calls(api, worker, spans=600)
    engines = [make_engine(database_url, pool_size=4, application_name="test") for _ in range(4)]
    runners = [
        make_ledger(engine=engine, runner_name=f"runner-{n}", batch_spans=40, concurrency=2)
        for n, engine in enumerate(engines)
    ]

    rated = await asyncio.gather(*(runner.drain(limit_s=60) for runner in runners))

    assert sum(rated) == 600
    assert await db.fetchval("SELECT count(DISTINCT request_id) FROM ledger_entry") == 600
    assert await db.fetchval("SELECT count(*) FROM ledger_entry") == 1_800
    assert await db.fetchval("SELECT sum(requests) FROM rollup_hour WHERE meter = 'requests'") == 600
    assert await db.fetchval("SELECT sum(rated_spans) FROM ledger_progress") == 600
    assert await verify_rollups(engines[0], since=LONG_AGO) == []
    for engine in engines:
        await engine.dispose()


@pytest.mark.parametrize("moment", ["insert_entries", "add_to_rollups", "seal"])
async def test_a_runner_cut_off_in_the_middle_leaves_nothing_behind(
    moment: str,
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Connection[Any]",
    make_ledger: Any,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _post_calls(api, worker, spans=50)
    real = getattr(store, moment)

    async def kill(connection: "Connection[Any]", *arguments: Any, **options: Any) -> None:
        await real(connection, *arguments, **options)
        await db.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await connection.execute("SELECT 1")

    monkeypatch.setattr(store, moment, kill)
    ledger: Ledger = make_ledger()
    with pytest.raises(Exception, match="Postgres is unavailable"):
        await ledger.drain(limit_s=10)
    after_the_kill = await _counts(db)
    monkeypatch.undo()

    rated = await ledger.drain(limit_s=10)

    assert after_the_kill == [0, 0, 50]
    assert rated == 50
    assert (await _counts(db))[::2] == [150, 0]
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_an_absurd_clock_is_charged_on_arrival(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any, engine: AsyncEngine
) -> None:
    in_a_year = time.time_ns() + 365 * 86_400 * 10**9

    await api.post("/v1/traces", content=a_request(a_span(ended_ns=in_a_year)), headers=worker)
    await make_ledger().drain(limit_s=10)

    [row] = await db.fetch(
        """SELECT DISTINCT e.charged_at = s.arrived_at AS on_arrival, e.day = s.ended_at::date AS own_day,
                  (SELECT count(DISTINCT hour) FROM rollup_hour WHERE hour <= now()) AS hours,
                  (SELECT last_ended_at = s.arrived_at FROM rollup_session) AS session
           FROM ledger_entry AS e JOIN usage_span AS s USING (day, request_id)"""
    )
    assert tuple(row) == (True, True, 1, True)
    assert await verify_rollups(engine, since=LONG_AGO) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET amount_usd = 0",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {0} SELECT * FROM {0} LIMIT 1 ON CONFLICT (day, request_id, meter, kind, revision) "
        "DO UPDATE SET amount_usd = 0",
    ],
)
async def test_entries_cannot_be_changed(
    statement: str, api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    await _post_calls(api, worker, spans=1)
    await make_ledger().drain(limit_s=10)
    before = await db.fetch("SELECT * FROM ledger_entry ORDER BY meter")
    partition = await db.fetchval("SELECT tableoid::regclass::text FROM ledger_entry LIMIT 1")

    for table in ("ledger_entry", partition):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await db.execute(statement.format(table))

    assert await db.fetch("SELECT * FROM ledger_entry ORDER BY meter") == before
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await db.execute("TRUNCATE ledger_entry_default")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("amount_usd = -1", "ledger_entry_usage_is_not_negative"),
        ("unrated_reason = 'unknown_model'", "ledger_entry_unrated_costs_nothing"),
        ("kind = 'gift', correction_id = gen_random_uuid()", "ledger_entry_kind"),
        ("kind = 'rerate'", "ledger_entry_correction_says_why"),
    ],
)
async def test_the_database_refuses_what_the_rules_never_write(
    change: str,
    constraint: str,
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Connection[Any]",
    make_ledger: Any,
) -> None:
    await _post_calls(api, worker, spans=1)
    await make_ledger().drain(limit_s=10)
    await db.execute("CREATE TEMP TABLE wrong AS SELECT * FROM ledger_entry")
    await db.execute(f"UPDATE wrong SET revision = 1, {change}")

    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await db.execute("INSERT INTO ledger_entry SELECT * FROM wrong")

    assert caught.value.constraint_name == constraint


async def test_a_rollup_that_was_tampered_with_is_found(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any, engine: AsyncEngine
) -> None:
    await _post_calls(api, worker, spans=10)
    await make_ledger().drain(limit_s=10)
    await db.execute("UPDATE rollup_hour SET amount_usd = amount_usd + 0.000000000001 WHERE meter = 'output_tokens'")
    await db.execute("UPDATE rollup_session SET requests = requests + 1 WHERE session_id = 'AJ_0'")
    await db.execute("DELETE FROM rollup_hour WHERE meter = 'requests' AND project = 'project-1'")

    found = await verify_rollups(engine, since=LONG_AGO)

    assert {(each.rollup, each.key.split()[-1]) for each in found} == {
        ("rollup_hour", "output_tokens"),
        ("rollup_hour", "requests"),
        # Days are compared with hours, so one of the two is wrong.
        ("rollup_day", "output_tokens"),
        ("rollup_day", "requests"),
        ("rollup_session", "project-0"),
    }


async def _post_calls(api: httpx.AsyncClient, worker: dict[str, str], *, spans: int) -> None:
    made = [a_span(PROJECT=f"project-{n % 3}", SESSION_ID=f"AJ_{n % 3}", TTFB_MS=n) for n in range(spans)]
    response = await api.post("/v1/traces", content=a_request(*made), headers=worker)
    assert response.content == b""


async def _counts(db: "Connection[Any]") -> list[int]:
    """Return how many entries, hour rows and pending spans there are."""
    return [
        await db.fetchval(f"SELECT count(*) FROM {table}") for table in ("ledger_entry", "rollup_hour", "usage_pending")
    ]


def _line(meter: str, quantity: int, billed: int, amount: str) -> dict[str, Any]:
    return {
        "meter": meter,
        "quantity": quantity,
        "billed_quantity": billed,
        "amount_usd": Decimal(amount),
        "list_amount_usd": Decimal(amount),
    }
