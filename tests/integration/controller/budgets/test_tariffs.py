"""Tariffs rate as the ledger does, and know how long the fleet's answers are once there are enough of them."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.budgets.tariffs import REQUESTS_MIN, Tariffs
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_shared.pricing import Catalog, Derivation, Managed, RatingRequest, Scope, Source, rate, rate_by
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.wire.money import ModelName

MINI = ModelName(provider="openai", model="gpt-4.1-mini", modality="llm")


def everywhere(project: str) -> bool:
    """The reach of a token of no particular project."""
    return True


def _answers(count: int, **changes: Any) -> bytes:
    return a_request(*(a_span(usage={"input_tokens": 9, "output_tokens": n}, **changes) for n in range(1, count + 1)))


async def test_the_99th_percentile_of_a_day_is_measured_where_there_are_enough_answers(
    api: httpx.AsyncClient, worker: dict[str, str], engine: AsyncEngine
) -> None:
    tariffs = Tariffs(engine, Catalog.builtin)
    before = tariffs.tariffs([MINI], allows=everywhere)[0].output_tokens_p99
    for body in (
        _answers(200),
        _answers(REQUESTS_MIN - 1, REQUEST_MODEL="gpt-4o"),
        # Guesses of ours say nothing of how long answers are.
        _answers(REQUESTS_MIN, REQUEST_MODEL="gpt-5", ESTIMATED=True),
    ):
        assert (await api.post("/v1/traces", content=body, headers=worker)).status_code == 200
    await tariffs.measure()

    names = ("gpt-4.1-mini", "gpt-4o", "gpt-5")
    models = [ModelName(provider="openai", model=name, modality="llm") for name in names]
    found = tariffs.tariffs(models, allows=everywhere)

    assert before == 0
    assert [(each.model, each.output_tokens_p99) for each in found] == [
        ("gpt-4.1-mini", 198),
        ("gpt-4o", 0),
        ("gpt-5", 0),
    ]


async def test_what_was_said_yesterday_is_forgotten(
    api: httpx.AsyncClient, worker: dict[str, str], engine: AsyncEngine, db: Any
) -> None:
    await api.post("/v1/traces", content=_answers(REQUESTS_MIN), headers=worker)
    await db.execute("UPDATE usage_span SET started_at = started_at - interval '25 hours'")
    tariffs = Tariffs(engine, Catalog.builtin)

    await tariffs.measure()

    assert tariffs.tariffs([MINI], allows=everywhere)[0].output_tokens_p99 == 0


async def test_without_postgres_prices_are_told_and_no_percentile() -> None:
    engine = make_engine("postgresql+asyncpg://u:p@127.0.0.1:9/none", pool_size=1, application_name="test")
    tariffs = Tariffs(engine, Catalog.builtin)

    with pytest.raises(DatabaseUnavailable):
        await tariffs.measure()
    [mini, unknown] = tariffs.tariffs(
        [MINI, ModelName(provider="openai", model="gpt-none", modality="llm")], allows=everywhere
    )
    await engine.dispose()

    assert (mini.output_tokens_p99, mini.reason, unknown.prices, unknown.reason) == (0, None, (), "unknown_model")


async def test_prices_travel_without_where_they_were_read_and_keep_their_names(engine: AsyncEngine) -> None:
    catalog = Catalog.builtin()
    [mini] = Tariffs(engine, lambda: catalog).tariffs([MINI], allows=everywhere)

    found = catalog.model(provider="openai", model="gpt-4.1-mini", modality="llm")
    assert not isinstance(found, str)
    assert [price.price_id for price in mini.prices] == [price.price_id for price in found.prices]
    assert {(price.note, price.origin, price.source.url) for price in mini.prices} == {("", "", "")}
    assert all(isinstance(price, Price) for price in mini.prices)


async def test_a_holder_is_told_the_contracts_of_its_projects_and_of_keys(engine: AsyncEngine) -> None:
    catalog = Catalog.builtin().with_managed(
        Managed(
            derivations=tuple(
                Derivation(
                    provider="openai",
                    scope=scope,
                    multiplier=multiplier,
                    source=Source(url="contract", read_on=date(2026, 1, 1)),
                    origin="contract",
                )
                for scope, multiplier in (
                    (Scope(layer="project", of="acme"), "0.5"),
                    (Scope(layer="project", of="beta"), "0.6"),
                    (Scope(layer="account", of="key-1"), "0.7"),
                )
            )
        )
    )
    tariffs = Tariffs(engine, lambda: catalog)
    usage = {"output_tokens": 1_000_000}

    [told] = tariffs.tariffs([MINI], allows=lambda project: project == "acme")

    assert {price.scope for price in told.prices} == {"", "acme", "key-1"}
    for project, account in (("acme", ""), ("acme", "key-1"), ("other", "key-1"), ("", "")):
        request = RatingRequest(
            provider="openai",
            model="gpt-4.1-mini",
            modality="llm",
            at=datetime(2026, 11, 21, tzinfo=UTC),
            usage=usage,
            project=project,
            account=account,
        )
        assert rate_by(told.model_prices(project=project, account=account), request) == rate(request, catalog)
