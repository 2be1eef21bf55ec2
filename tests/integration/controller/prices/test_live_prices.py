"""The live catalogue: followed by every process, as of any instant, and on its feet while Postgres is away."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.catalog import LiveCatalog, Prices, load_catalog, record_catalog, schemas, store
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.errors import DatabaseUnavailable, PricesUnreadable
from voicegateway_controller.ledger import Ledger
from voicegateway_shared.pricing import Catalog, RatingRequest, Tariff, rate

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _spoken(project: str) -> RatingRequest:
    return RatingRequest(
        provider="rime", model="mistv2", modality="tts", at=AT, usage={"characters_sent": 1_000}, project=project
    )


def _asked(amount: str, **changes: Any) -> schemas.SetPrice:
    fields: dict[str, Any] = {
        "provider": "rime",
        "model": "mistv2",
        "project": "acme",
        "price": {"meter": "characters_sent", "amount": amount},
        "effective_from": AT - timedelta(days=100),
        "reason": "agreed",
        **changes,
    }
    return schemas.SetPrice(**fields)


def _cost(live: LiveCatalog) -> int:
    return rate(_spoken(project="acme"), live.current()).amount_pico_usd // 10**9


@pytest_asyncio.fixture
async def live(engine: AsyncEngine) -> LiveCatalog:
    """A catalogue that has heard Postgres once and asks again when it is told to."""
    made = LiveCatalog(engine)
    await made.refresh()
    return made


async def test_what_one_process_sets_the_others_follow_and_nothing_is_read_anew_without_need(
    engine: AsyncEngine, live: LiveCatalog
) -> None:
    other = LiveCatalog(engine)
    await other.refresh()
    assert other.current() is Catalog.builtin()

    applied = await Prices(engine, live).set(_asked("0.01"), by="operator")
    await other.refresh()

    assert (_cost(live), _cost(other), other.revision) == (10, 10, applied.revision)
    assert other.current().version == live.current().version != Catalog.builtin().version
    held = other.current()
    await other.refresh()
    assert other.current() is held


async def test_what_was_known_at_an_instant_stays_known(
    engine: AsyncEngine, live: LiveCatalog, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    prices = Prices(engine, live)
    instants = [await db.fetchval("SELECT clock_timestamp()")]
    for amount in ("0.01", "0.02"):
        await prices.set(_asked(amount), by="operator")
        instants.append(await db.fetchval("SELECT clock_timestamp()"))
    record = await prices.in_force(price_id=next(iter(live.snapshot().records.values())).price_id or "")
    await prices.withdraw(record, reason="all wrong", by="operator", is_dry_run=False)

    known = [(await live.as_of(instant)).catalog for instant in instants]

    assert [rate(_spoken(project="acme"), each).amount_pico_usd // 10**9 for each in known] == [30, 10, 20]
    assert _cost(live) == 10


async def test_while_postgres_is_away_the_last_prices_hold(
    engine: AsyncEngine, live: LiveCatalog, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await Prices(engine, live).set(_asked("0.01"), by="operator")
    away = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/nothing", pool_size=1, application_name="test")
    live._engine = away

    with pytest.raises(DatabaseUnavailable):
        await live.refresh()

    assert _cost(live) == 10
    await away.dispose()


async def test_a_process_that_never_heard_postgres_starts_and_estimates_and_rates_nothing() -> None:
    away = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/nothing", pool_size=1, application_name="test")
    live = LiveCatalog(away)

    await live.start()

    assert live.best() is Catalog.builtin()
    with pytest.raises(DatabaseUnavailable, match="not known yet"):
        live.current()
    await live.close()
    await away.dispose()


async def test_a_record_that_cannot_be_read_changes_nothing_until_it_is_withdrawn(
    engine: AsyncEngine, live: LiveCatalog
) -> None:
    prices = Prices(engine, live)
    await prices.set(_asked("0.01"), by="operator")
    odd = store.NewRecord(
        kind="price",
        provider="rime",
        layer="list",
        scope="",
        content=msgspec.json.encode({"model": "mistv2", "meter": "smiles_sent", "amount": "1"}).decode(),
        price_id="rime/mistv2/smiles_sent@0",
    )
    async with raw_connection(engine) as connection:
        [record_id] = await store.append(connection, [odd], by="a newer version", reason="-", change=uuid4())

    await live.refresh()
    fresh = LiveCatalog(engine)
    await fresh.refresh()

    assert _cost(live) == 10
    with pytest.raises(PricesUnreadable, match=rf"price record {record_id}: .*smiles_sent"):
        fresh.current()
    await prices.withdraw(await prices.record(record_id), reason="unreadable", by="operator", is_dry_run=False)
    await fresh.refresh()
    assert (_cost(live), _cost(fresh)) == (10, 10)


async def test_records_and_kept_prices_are_append_only(
    engine: AsyncEngine, live: LiveCatalog, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await Prices(engine, live).set(_asked("0.01"), by="operator")
    await record_catalog(engine, live.current())

    for table in ("price_record", "price_row"):
        assert await db.fetchval(f"SELECT count(*) FROM {table}") > 0
        for change in (f"UPDATE {table} SET content = '{{}}'", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await db.execute(change)


async def test_every_price_can_be_traced_by_its_id(engine: AsyncEngine, live: LiveCatalog) -> None:
    await Prices(engine, live).set(_asked("0.01"), by="operator")
    nodes = load_catalog("whisper=0.70/8")
    known = await record_catalog(engine, live.current())
    await record_catalog(engine, nodes, known=known)
    prices = {price.price_id: price for price in (*live.current().prices, *nodes.prices)}

    async with raw_connection(engine) as connection:
        stored = await store.stored_prices(connection, [*prices, "nobody/nothing@0"])

    assert stored.keys() == prices.keys()
    assert {each.origin for each in stored.values()} == {"builtin", "managed", "local node"}
    [agreed] = [each for each in stored.values() if each.origin == "managed"]
    assert (agreed.content["amount"], agreed.content["scope"], agreed.first_version) == (
        "0.01",
        "acme",
        live.current().version,
    )


async def test_two_that_set_the_same_price_at_once_leave_one(engine: AsyncEngine, live: LiveCatalog) -> None:
    prices = Prices(engine, live)
    amounts = ("0.01", "0.02", "0.03", "0.04")
    await asyncio.gather(*(prices.set(_asked(amount), by=amount) for amount in amounts))
    await live.refresh()

    held = [each for each in live.snapshot().records.values() if each.kind == "price"]
    assert len(held) == 1
    assert _cost(live) == int(held[0].content["amount"].removeprefix("0.0")) * 10


async def test_a_tariff_tells_the_prices_of_the_party(engine: AsyncEngine, live: LiveCatalog) -> None:
    await Prices(engine, live).set(_asked("0.01"), by="operator")
    found = live.current().model(provider="rime", model="mistv2", modality="tts", project="acme")

    told = Tariff.of(found, provider="rime", model="mistv2", modality="tts", p99=0)

    decoded = msgspec.json.decode(msgspec.json.encode(told), type=Tariff)
    assert [price.price_id for price in decoded.prices] == [price.price_id for price in told.prices]


async def test_the_books_hold_what_was_agreed_beside_what_the_list_asks_and_the_price_is_there_first(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    engine: AsyncEngine,
    live: LiveCatalog,
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    ledger = Ledger(engine, live, runner_name="test", batch_spans=500, concurrency=1)
    fields: dict[str, Any] = {
        "provider": "openai",
        "multiplier": "0.5",
        "account": "k-12345678",
        "effective_from": datetime.now(UTC) - timedelta(days=1),
        "reason": "agreed",
    }
    discount = schemas.SetDiscount(**fields)
    await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
    assert await ledger.drain(limit_s=10) == 1
    await Prices(engine, live).discount(discount, by="operator")
    await api.post("/v1/traces", content=a_request(a_span(), a_span(KEY_ID="another")), headers=worker)

    assert await ledger.drain(limit_s=10) == 2

    sums = await db.fetch(
        "SELECT key_id, sum(amount_usd)::text AS paid, sum(list_amount_usd)::text AS listed FROM ledger_entry "
        "GROUP BY request_id, key_id ORDER BY key_id, sum(amount_usd)"
    )
    assert [tuple(row) for row in sums] == [
        ("another", "0.000268800000", "0.000268800000"),
        ("k-12345678", "0.000134400000", "0.000268800000"),
        ("k-12345678", "0.000268800000", "0.000268800000"),
    ]
    untraced = "SELECT count(*) FROM ledger_entry WHERE price_id NOT IN (SELECT price_id FROM price_row)"
    assert await db.fetchval(untraced) == 0
    assert await db.fetchval("SELECT count(*) FROM price_catalog") == 2
