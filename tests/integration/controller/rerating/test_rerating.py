"""Re-rating: the past by corrected prices; the original stays, a second run changes nothing, nothing is done twice."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import (
    CACHED,
    CHEAP,
    DEAR,
    UNKNOWN,
    book_calls,
    rate_all,
    rerate,
)

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.ledger.rerating import Reratings, Selection

Db = asyncpg.Connection
DAY = timedelta(days=1)


async def test_a_corrected_price_books_the_difference_beside_the_original(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP, count=1, SESSION_ID="AJ_1", PROJECT="acme")
    before = await db.fetch("SELECT * FROM ledger_entry ORDER BY meter")

    run = await rerate(engine, DEAR)

    entries = await db.fetch("SELECT * FROM ledger_entry ORDER BY kind DESC, meter")
    assert entries[:2] == before
    [added] = entries[2:]
    original = dict(before[0])
    changed = {name for name, value in added.items() if value != original[name]}
    assert changed == {
        "kind", "revision", "quantity", "billed_quantity", "amount_usd", "list_amount_usd", "price_id", "recorded_at",
        "batch", "correction_id",
    }  # fmt: skip
    assert [added[name] for name in ("kind", "revision", "quantity", "billed_quantity", "amount_usd")] == [
        "rerate", run.number, 0, 0, Decimal("0.0024"),
    ]  # fmt: skip
    assert added["price_id"] == next(each.price_id for each in DEAR.prices if each.model == "m")
    [why] = await db.fetch("SELECT * FROM ledger_correction")
    assert (why["id"], why["kind"], why["reason"], why["actor"]) == (
        added["correction_id"], "rerate", "the vendor corrected its page", "test",
    )  # fmt: skip
    assert (run.state, run.seen, run.changed, run.entries) == ("done", 1, 1, 1)
    assert (run.before_usd, run.after_usd) == (Decimal("0.0012"), Decimal("0.0036"))
    assert await db.fetchval("SELECT amount_usd FROM rollup_session") == Decimal("0.00384")
    assert await db.fetchval("SELECT sum(amount_usd) FROM rollup_hour") == Decimal("0.00384")


async def test_a_second_run_changes_nothing(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    await rerate(engine, CACHED)
    before = await _books(db)

    run = await rerate(engine, CACHED)

    assert (run.seen, run.changed, run.entries, run.before_usd, run.after_usd) == (5, 0, 0, Decimal(0), Decimal(0))
    assert await _books(db) == before
    assert await db.fetchval("SELECT count(*) FROM ledger_correction") == 1


async def test_there_and_back_is_where_it_began_and_equal_to_rating_at_once(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    began = await _sums(db)

    for catalog in (CACHED, DEAR, UNKNOWN, CACHED):
        await rerate(engine, catalog, allow_unrated=True)
    reached = await _sums(db)
    await rerate(engine, CHEAP)

    assert await _sums(db) == began
    await db.execute("TRUNCATE rollup_hour, rollup_session, rollup_latency")
    await db.execute("ALTER TABLE ledger_entry DISABLE TRIGGER USER")
    for table in ("ledger_entry", "ledger_block", "ledger_chain"):
        await db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; DELETE FROM {table}")
    await db.execute("INSERT INTO usage_pending SELECT day, request_id, arrived_at FROM usage_span")
    await rate_all(engine, CACHED)
    assert await _sums(db) == reached


async def test_a_price_for_an_unknown_model_takes_the_request_line_back(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, UNKNOWN, count=3, usage={"input_tokens": 0, "output_tokens": 0})
    await book_calls(api, worker, engine, UNKNOWN, count=2)
    assert await _unrated(db) == 5

    run = await rerate(engine, CHEAP, only_unrated=True)

    # Three of them have no usage that could be priced: they say why, now in another word.
    assert (run.expected, run.seen, run.changed, run.still_unrated) == (5, 5, 5, 3)
    assert await _unrated(db) == 3
    rows = await db.fetch(
        "SELECT meter, sum(quantity) AS quantity, sum(amount_usd) AS usd FROM ledger_entry GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("input_tokens", 2_400, Decimal("0.0024")),
        ("output_tokens", 120, Decimal("0.00048")),
        ("requests", 3, Decimal(0)),
    ]


async def test_only_what_is_meant_is_rated_anew(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    now = time.time_ns()
    await book_calls(api, worker, engine, CHEAP, count=4, ended_ns=now)
    await book_calls(api, worker, engine, CHEAP, count=2, ended_ns=now - 2 * 86_400 * 10**9)
    await book_calls(api, worker, engine, CHEAP, count=3, ended_ns=now, REQUEST_MODEL="some-other")
    today = datetime.now(UTC) - timedelta(hours=12)

    assert (await rerate(engine, DEAR, provider="openai")).seen == 0
    assert (await rerate(engine, DEAR, provider="acme", model="n")).seen == 0
    assert (await rerate(engine, DEAR, only_unrated=True)).seen == 0
    assert (await rerate(engine, DEAR, until=today)).seen == 2
    run = await rerate(engine, DEAR, provider="acme", model="m", project="p0", since=today)

    assert (run.expected, run.seen, run.changed) == (2, 2, 2)
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE kind = 'rerate'") == 4


async def test_a_request_by_an_absurd_clock_belongs_to_the_window_it_was_charged_in(
    api: httpx.AsyncClient, worker: dict[str, str], engine: AsyncEngine
) -> None:
    in_a_year = time.time_ns() + 365 * 86_400 * 10**9
    await book_calls(api, worker, engine, CHEAP, count=2, ended_ns=in_a_year)
    await book_calls(api, worker, engine, CHEAP, count=1)

    run = await rerate(engine, DEAR, since=datetime.now(UTC) - DAY, until=datetime.now(UTC) + timedelta(minutes=1))

    assert (run.seen, run.changed, len(run.stretches)) == (3, 3, 4)


async def test_a_dry_run_says_what_would_change_and_books_nothing(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    before = await _books(db)

    run = await rerate(engine, DEAR, is_dry_run=True)

    assert await _books(db) == before
    [change] = await Reratings(engine).changes(run.number)
    assert (change.provider, change.model, change.meter, change.requests) == ("acme", "m", "input_tokens", 5)
    assert (
        (change.before_usd, change.after_usd)
        == (run.before_usd, run.after_usd)
        == (
            Decimal("0.006"),
            Decimal("0.018"),
        )
    )
    assert (run.state, run.changed, run.entries) == ("done", 5, 5)


async def test_a_price_that_is_gone_is_kept_unless_that_is_what_is_asked_for(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    began = await _sums(db)

    run = await rerate(engine, UNKNOWN)

    assert (run.seen, run.changed, run.kept) == (5, 0, 5)
    assert await _sums(db) == began
    run = await rerate(engine, UNKNOWN, allow_unrated=True)
    assert (run.changed, run.still_unrated, run.after_usd) == (5, 5, Decimal(0))
    assert await _unrated(db) == 5


async def test_a_span_that_is_gone_is_counted_and_never_guessed(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, CHEAP)
    await db.execute("DELETE FROM usage_span WHERE request_id IN (SELECT request_id FROM usage_span LIMIT 2)")

    run = await rerate(engine, DEAR)

    assert (run.seen, run.changed, run.without_span) == (5, 3, 2)


async def test_a_poisoned_request_is_rated_when_rating_can(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("voicegateway_controller.ledger.rules.rate", broken)
    await book_calls(api, worker, engine, CHEAP, count=2, ESTIMATED=True)
    assert await db.fetchval("SELECT count(*) FROM usage_quarantine") == 2
    failed = await rerate(engine, CHEAP)
    monkeypatch.undo()

    run = await rerate(engine, CHEAP, only_unrated=True)

    assert (failed.seen, failed.changed, failed.failed, failed.still_unrated) == (2, 0, 2, 2)
    assert (run.changed, run.still_unrated) == (2, 0)
    assert await _unrated(db) == 0
    assert await db.fetchval("SELECT bool_and(estimated) FROM ledger_entry WHERE kind = 'rerate'")
    assert await db.fetchval("SELECT sum(estimated_requests) FROM rollup_hour WHERE meter = 'requests'") == 2


@pytest.mark.parametrize(
    ("selection", "reason", "message"),
    [
        ({}, "  ", "reason: say why"),
        ({"model": "m"}, "x", "needs its provider"),
        ({"since": datetime(2026, 11, 1)}, "x", "with its zone"),  # noqa: DTZ001
        ({"since": datetime(2999, 1, 1, tzinfo=UTC)}, "x", "before until"),
        ({"as_of": datetime(2999, 1, 1, tzinfo=UTC)}, "x", "nobody knows yet"),
        ({"provider": "a\x1fb"}, "x", "printable"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    selection: dict[str, Any], reason: str, message: str, engine: AsyncEngine
) -> None:
    with pytest.raises(BadRequest, match=message):
        await Reratings(engine).create(Selection(**selection), reason=reason, actor="test", is_dry_run=False)


async def _books(db: "Db[Any]") -> list[Any]:
    return [
        await db.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5, 6, 7")
        for table in ("ledger_entry", "rollup_hour", "rollup_session")
    ]


async def _sums(db: "Db[Any]") -> list[Any]:
    """Return what the books come to: per request and meter, per hour, per session."""
    return [
        await db.fetch(
            "SELECT request_id, meter, sum(quantity), sum(billed_quantity), sum(amount_usd), sum(list_amount_usd), "
            "(array_agg(price_id ORDER BY revision DESC))[1] FROM ledger_entry GROUP BY 1, 2 "
            "HAVING (sum(quantity), sum(billed_quantity), sum(amount_usd)) <> (0, 0, 0) ORDER BY 1, 2"
        ),
        await db.fetch(
            "SELECT hour, project, agent, model, meter, quantity, billed_quantity, amount_usd, unrated_requests "
            "FROM rollup_hour WHERE meter = 'requests' OR quantity <> 0 ORDER BY 1, 2, 3, 4, 5"
        ),
        await db.fetch(
            "SELECT session_id, requests, first_started_at, last_ended_at, unrated_requests, amount_usd "
            "FROM rollup_session ORDER BY 1, 2, 3"
        ),
    ]


async def _unrated(db: "Db[Any]") -> int:
    found: int = await db.fetchval("SELECT sum(unrated_requests) FROM rollup_hour WHERE meter = 'requests'")
    return found
