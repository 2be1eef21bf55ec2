"""Re-rating when something goes wrong: cut off, refused, stopped, by several at once, in closed months."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import CHEAP, DEAR, LONG_AGO, a_rerater, book_calls, rerate

from voicegateway_controller.db.engine import Connection, make_engine
from voicegateway_controller.errors import Conflict, DatabaseUnavailable
from voicegateway_controller.ledger import verify_rollups
from voicegateway_controller.ledger.rerating import Reratings, Selection, work

Db = asyncpg.Connection


@pytest.mark.parametrize("moment", ["record_correction", "book"])
async def test_a_run_cut_off_in_the_middle_goes_on_from_its_cursor(
    moment: str,
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "Db[Any]",
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await book_calls(api, worker, engine, CHEAP, count=9)
    runs = Reratings(engine)
    run = await runs.create(Selection(), reason="the vendor corrected its page", actor="test", is_dry_run=False)
    rerater = a_rerater(engine, DEAR, batch_requests=4)
    real = getattr(work, moment)
    assert await rerater.work_batch()

    async def kill(connection: Connection, *arguments: Any, **options: Any) -> None:
        await real(connection, *arguments, **options)
        await db.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await connection.execute("SELECT 1")

    monkeypatch.setattr(work, moment, kill)
    with pytest.raises(DatabaseUnavailable, match="Postgres is unavailable"):
        await rerater.work_batch()
    after_the_kill = await runs.get(run.number)
    monkeypatch.undo()

    await a_rerater(engine, DEAR, batch_requests=4).step()

    assert (after_the_kill.state, after_the_kill.seen, after_the_kill.entries) == ("running", 4, 4)
    run = await runs.get(run.number)
    assert (run.state, run.seen, run.changed, run.entries) == ("done", 9, 9, 9)
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE kind = 'rerate'") == 9
    assert await verify_rollups(engine, since=LONG_AGO) == []


async def test_several_runners_do_each_run_once_and_in_order(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine, database_url: str
) -> None:
    await book_calls(api, worker, engine, CHEAP, count=30)
    runs = Reratings(engine)
    first = await runs.create(Selection(), reason="one", actor="test", is_dry_run=False)
    second = await runs.create(Selection(project="p0"), reason="two", actor="test", is_dry_run=False)
    others = [make_engine(database_url, pool_size=2, application_name="test") for _ in range(3)]

    for _ in range(20):
        await asyncio.gather(*(a_rerater(other, DEAR, batch_requests=4).step() for other in others))
        if (await runs.get(second.number)).state == "done":
            break

    assert [(each.state, each.changed) for each in await runs.newest()] == [("done", 0), ("done", 30)]
    assert (await runs.get(first.number)).finished_at < (await runs.get(second.number)).finished_at  # type: ignore[operator]
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE kind = 'rerate'") == 30
    assert await verify_rollups(engine, since=LONG_AGO) == []
    for other in others:
        await other.dispose()


async def test_a_run_can_be_stopped_once(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    runs = Reratings(engine)
    run = await runs.create(Selection(), reason="a mistake", actor="test", is_dry_run=False)
    rerater = a_rerater(engine, DEAR, batch_requests=2)
    await rerater.work_batch()

    assert (await runs.cancel(run.number, by="test")).state == "cancelled"
    await rerater.step()

    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE kind = 'rerate'") == 2
    with pytest.raises(Conflict, match="cancelled already"):
        await runs.cancel(run.number, by="test")


async def test_what_belongs_to_a_closed_month_is_booked_in_the_open_one_under_its_own_instant(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP, count=1)
    month = datetime.now(UTC).date().replace(day=1)
    await db.execute(
        "INSERT INTO ledger_close (month, entries, amount_usd, late_entries, closed_by, reason) "
        "VALUES ($1, 2, 0, 0, 'test', 'paid')",
        month,
    )

    await rerate(engine, DEAR)

    [added] = await db.fetch("SELECT * FROM ledger_entry WHERE kind = 'rerate'")
    original = await db.fetchrow("SELECT * FROM ledger_entry WHERE kind = 'usage' AND meter = 'input_tokens'")
    assert original is not None
    assert added["booked_in"] == (month + timedelta(days=32)).replace(day=1)
    assert (added["charged_at"], added["day"]) == (original["charged_at"], original["day"])
    assert original["booked_in"] is None


async def test_what_postgres_refuses_stands_alone_and_holds_nobody_up(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP, count=6)
    one = await db.fetchval("SELECT request_id FROM ledger_entry ORDER BY request_id OFFSET 6 LIMIT 1")
    await db.execute(
        f"ALTER TABLE ledger_entry ADD CONSTRAINT odd CHECK (request_id <> '{one}' OR kind <> 'rerate') NOT VALID"
    )

    run = await rerate(engine, DEAR, batch_requests=5)

    assert (run.state, run.seen, run.changed, run.failed, run.entries) == ("done", 6, 5, 1, 5)
