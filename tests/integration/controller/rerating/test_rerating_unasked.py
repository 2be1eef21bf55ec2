"""What nobody asked to change stays, and what has no price gets one whenever there is one."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import CHEAP, HEAD, UNKNOWN, a_rerater, accept_total, book_calls, prices, rerate

from voicegateway_controller.access import Role
from voicegateway_controller.ledger.rerating import Reratings, Selection, service
from voicegateway_controller.ledger.rerating.arrival import PriceArrival, rateable
from voicegateway_controller.ledger.rerating.store import Unrated
from voicegateway_shared.pricing import Catalog, Managed, Scope
from voicegateway_shared.pricing.managed import Provenance, read_row, source_of

Db = asyncpg.Connection


async def test_a_request_that_got_its_price_later_has_one_and_is_left_alone(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, UNKNOWN, count=3)
    await rerate(engine, CHEAP, only_unrated=True)
    spent = await db.fetchval("SELECT sum(amount_usd) FROM rollup_hour")
    await book_calls(api, worker, engine, UNKNOWN, count=2, REQUEST_MODEL="n")
    dear = prices({"m": {"input_tokens": "3", "output_tokens": "4"}, "n": {"input_tokens": "0", "output_tokens": "0"}})

    run = await rerate(engine, dear, only_unrated=True)

    assert (run.expected, run.seen, run.changed, run.still_unrated) == (2, 2, 2, 0)
    assert await db.fetchval("SELECT sum(amount_usd) FROM rollup_hour") == spent
    # Asked for, it is another matter.
    assert (await rerate(engine, dear)).changed == 3


async def test_a_price_that_comes_back_rates_what_came_without_it(
    api: httpx.AsyncClient, worker: dict[str, str], engine: AsyncEngine
) -> None:
    held: list[Catalog] = [CHEAP]
    arrival = PriceArrival(engine, lambda: held[0], settle_s=0)
    await arrival.step()
    held[0] = UNKNOWN
    await arrival.step()
    await book_calls(api, worker, engine, UNKNOWN, count=3)
    held[0] = CHEAP

    await arrival.step()
    await PriceArrival(engine, lambda: CHEAP, settle_s=0).step()

    [run] = await Reratings(engine).newest()
    assert (run.is_automatic, run.expected, run.model) == (True, 3, "m")
    await a_rerater(engine, CHEAP).step()
    assert (await Reratings(engine).get(run.number)).changed == 3


async def test_what_an_accepted_invoice_has_paid_gets_no_price_by_itself(
    api: httpx.AsyncClient, worker: dict[str, str], db: "Db[Any]", engine: AsyncEngine
) -> None:
    await book_calls(api, worker, engine, UNKNOWN, count=3)
    await accept_total(engine, "5.00")
    others = ("other", "third")
    for provider in others:
        await book_calls(api, worker, engine, UNKNOWN, count=1, PROVIDER=provider)
    model = "  - {model: m, like: row, prices: [{meter: input_tokens, amount: '1'}]}\n"
    priced = Catalog.from_texts(
        {f"{provider}.yaml": (HEAD + model).replace("acme", provider) for provider in ("acme", *others)}
    )

    await PriceArrival(engine, lambda: priced, settle_s=0).step()
    await a_rerater(engine, priced).step()

    [run] = await Reratings(engine).newest()
    assert (run.provider, run.changed) == ("", 2)
    assert await db.fetchval("SELECT sum(amount_usd) FROM ledger_entry WHERE provider = 'acme'") == 5
    asked = Selection(provider="acme", allow_accepted=True)
    await Reratings(engine).create(asked, reason="asked", actor="test", is_dry_run=False)
    await a_rerater(engine, priced).step()
    assert (await Reratings(engine).newest())[0].changed == 3


class _Late(datetime):
    """A host's clock that is a minute behind Postgres's."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) - timedelta(minutes=1)


async def test_prices_known_now_are_those_that_postgres_knows_whatever_our_clock_says(
    api: httpx.AsyncClient, make_token: Any, db: "Db[Any]", engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "datetime", _Late)
    admin = await make_token(Role.ADMIN)
    price = {
        "provider": "openai", "model": "gpt-4.1-mini", "modality": "llm", "reason": "agreed", "project": "p1",
        "price": {"meter": "input_tokens", "amount": "0.2"},
    }  # fmt: skip
    answer = await api.post("/api/v1/prices", json=price, headers=admin)
    assert answer.status_code in (200, 201), answer.json()

    run = await Reratings(engine).create(Selection(), reason="agreed late", actor="test", is_dry_run=True)

    assert run.as_of >= await db.fetchval("SELECT max(recorded_at) FROM price_record")


def test_a_price_agreed_for_a_key_is_one_that_arrives() -> None:
    row = {"model": "ours", "modality": "llm", "meter": "input_tokens", "amount": "1", "per": "1_000_000 tokens",
           "confidence": "published"}  # fmt: skip
    agreed = read_row(
        row,
        provider="acme",
        scope=Scope(layer="account", of="key-1"),
        conditions={},
        provenance=Provenance(origin="price record 1", source=source_of(url="", read_on=date(2026, 11, 21))),
    )
    assert agreed.problems == []
    catalog = UNKNOWN.with_managed(Managed(documents=(agreed,)))
    unrated = [
        Unrated(provider="acme", model=model, modality="llm", project="p1", since=datetime.now(UTC), requests=1)
        for model in ("ours", "nobodys")
    ]

    assert [each.model for each in rateable(unrated, catalog)] == ["ours"]
