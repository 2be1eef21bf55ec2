"""The schema: from nothing, twice, by several at once; partitions ahead of time, and rows that came before them."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.db import migrate
from voicegateway_controller.db.partitions import DAYS_AHEAD, DAYS_BEHIND, ensure_partitions
from voicegateway_controller.errors import DatabaseUnavailable

Connection = asyncpg.Connection
_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"
)


async def test_replicas_may_migrate_at_once_and_again(empty_database_url: str) -> None:
    versions = await asyncio.gather(*(migrate.upgrade(empty_database_url) for _ in range(4)))
    connection = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    first = await connection.fetch(_TABLES)
    again = await migrate.upgrade(empty_database_url)
    second = await connection.fetch(_TABLES)
    await connection.close()

    assert {*versions, again} == {migrate.head()}
    assert first == second
    names = {row["relname"] for row in first}
    assert {"usage_span", "usage_pending", "usage_quarantine", "ledger_entry", "rollup_hour"} <= names
    today = datetime.now(UTC).date()
    for day in (today - timedelta(days=DAYS_BEHIND), today, today + timedelta(days=DAYS_AHEAD)):
        assert f"usage_span_{day:%Y%m%d}" in names
    assert f"ledger_entry_{today:%Y%m}" in names


async def test_an_unreachable_database_is_one_line() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await migrate.upgrade("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")

    assert "\n" not in str(caught.value)


async def test_partitions_are_created_once(db: "Connection[Any]") -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)

    created = [await ensure_partitions(db, today=tomorrow) for _ in range(2)]

    assert created[0] in (1, 2)  # One more day, and at a month's end one more month.
    assert created[1] == 0


async def test_rows_that_came_before_their_partition_move_into_it(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Connection[Any]", make_ledger: Any
) -> None:
    # A worker whose clock is a year ahead leaves rows in both default partitions, years from now one in another.
    next_year = datetime.now(UTC) + timedelta(days=400)
    spans = [a_span(ended_ns=time.time_ns() + days * 86_400 * 10**9) for days in (0, 400, 4_000)]
    await api.post("/v1/traces", content=a_request(*spans), headers=worker)
    await make_ledger().drain(limit_s=10)
    before = await _where(db)

    await ensure_partitions(db, today=next_year.date())

    after = await _where(db)
    assert [place for _, place in before].count("usage_span_default") == 2
    assert [place for _, place in after].count("usage_span_default") == 1
    assert f"usage_span_{next_year:%Y%m%d}" in [place for _, place in after]
    assert [place for _, place in after].count("ledger_entry_default") == 3
    assert [place for _, place in after].count(f"ledger_entry_{next_year:%Y%m}") == 3
    assert sorted(key for key, _ in before) == sorted(key for key, _ in after)
    for table in ("ledger_entry_default", f"ledger_entry_{next_year:%Y%m}"):
        for statement in ("TRUNCATE {}", "DELETE FROM {}"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await db.execute(statement.format(table))


async def _where(db: "Connection[Any]") -> list[tuple[str, str]]:
    rows = await db.fetch(
        """SELECT request_id::text AS key, tableoid::regclass::text AS place FROM usage_span
           UNION ALL SELECT request_id::text || meter, tableoid::regclass::text FROM ledger_entry"""
    )
    return [(row["key"], row["place"]) for row in rows]
