"""Each crossing is told once: whoever raises it, how often, at the same time, before and after restarts."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.alerts.alert import DETAILS_BYTES_MAX
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.errors import DatabaseUnavailable

Connection = asyncpg.Connection


async def test_one_key_is_told_once_however_many_raise_it_at_once(engine: AsyncEngine, db: "Connection[Any]") -> None:
    raisers = [Alerts(engine) for _ in range(10)]

    told = await asyncio.gather(
        *(
            raiser.raise_("budget_threshold", key, "80 % of acme", {"spent_usd": "0.8"}, project="acme")
            for raiser in raisers
            for key in ("budget:acme@2026-11:80", "budget:acme@2026-11:100")
            for _ in range(3)
        )
    )

    assert sum(told) == 2
    rows = await db.fetch("SELECT key, kind, severity, project, title, details::text FROM alert ORDER BY key")
    assert [tuple(row) for row in rows] == [
        (f"budget:acme@2026-11:{percent}", "budget_threshold", "warning", "acme", "80 % of acme",
         '{"spent_usd": "0.8"}')
        for percent in (100, 80)
    ]  # fmt: skip


async def test_a_key_stays_told_after_a_restart_and_when_it_is_forgotten(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegateway_controller.alerts.service.REMEMBERED_MAX", 1)
    alerts = Alerts(engine)

    told = [await alerts.raise_("anomaly", key, "t", {}) for key in ("a", "b", "a", "a")]

    assert told == [True, True, False, False]
    assert await Alerts(engine).raise_("anomaly", "a", "t", {}) is False


async def test_what_is_odd_is_told_all_the_same(engine: AsyncEngine, db: "Connection[Any]") -> None:
    alerts = Alerts(engine)

    await alerts.raise_("anomaly", "odd", "two\r\nBcc: x\x00lines" + "é" * 400, {"nul": ["a\x00b", "\\u0000"]})
    await alerts.raise_("anomaly", "large", "t", {"much": "x" * DETAILS_BYTES_MAX})

    odd, large = await db.fetch("SELECT title, details::text FROM alert ORDER BY position")
    assert odd["title"].startswith("two Bcc: x lines")
    assert len(odd["title"]) == 300
    assert odd["details"] == r'{"nul": ["a b", "\\u0000"]}'
    assert large["details"] == '{"left_out": "details of 16395 bytes"}'


async def test_a_key_is_one_line_and_not_empty(engine: AsyncEngine) -> None:
    alerts = Alerts(engine)

    told = [await alerts.raise_("anomaly", key, "t", {}) for key in ("two\nlines", "two\x00lines", "x" * 2_000)]

    assert told == [True, False, True]
    with pytest.raises(ValueError, match="an alert needs a key"):
        await alerts.raise_("anomaly", "\n", "t", {})


async def test_keys_that_no_index_can_hold_are_told_each_once(engine: AsyncEngine, db: "Connection[Any]") -> None:
    chance = random.Random(7)
    # Rare characters, which Postgres cannot compress: four bytes each, as names that a worker reports may have.
    rare = "".join(chr(chance.randrange(0x20000, 0x2A6D0)) for _ in range(1_000))
    alerts = Alerts(engine)

    told = [await alerts.raise_("breaker_open", key, "t", {}) for key in (f"{rare}:1", f"{rare}:2", f"{rare}:1")]

    assert told == [True, True, False]
    kept = await db.fetch("SELECT key FROM alert")
    assert [row["key"][:400] for row in kept] == [rare[:400]] * 2


async def test_without_postgres_nothing_is_told_nor_taken_for_told() -> None:
    nowhere = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/nothing", pool_size=1, application_name="test")
    alerts = Alerts(nowhere)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await alerts.raise_("anomaly", "a", "t", {})
    await nowhere.dispose()
