"""What the runner looks for by itself, and that it tells each once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.receiver import receiving

from voicegateway_controller import metrics, runner
from voicegateway_controller.alerts import Alerts, sources, steps
from voicegateway_controller.alerts.sources import Sources
from voicegateway_controller.ledger.service import Pending
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.wire import SyncRequest
from voicegateway_shared.wire.sync import OutboxState

Connection = asyncpg.Connection
NOW = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)


@pytest.fixture
def looking(engine: AsyncEngine) -> Sources:
    return Sources(engine, Alerts(engine), ledger_lag_s=300)


async def _told(db: "Connection[Any]") -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT kind, key, severity FROM alert ORDER BY position")
    return [tuple(row) for row in rows]


async def test_a_ledger_that_lags_is_told_once_an_hour_while_it_lasts(
    looking: Sources, engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    async def pending(lag_s: float = 300.1) -> Pending:
        return Pending(spans=7, lag_s=lag_s)

    async def small() -> Pending:
        return await pending(300.0)

    await looking.look_at_ledger(small, now=NOW)
    nothing = await _told(db)
    for minutes in (0, 10, 29, 30, 60):
        await looking.look_at_ledger(pending, now=NOW + timedelta(minutes=minutes))

    assert nothing == []
    assert await _told(db) == [
        ("ledger_lag", "ledger_lag:2026-11-21T00", "critical"),
        ("ledger_lag", "ledger_lag:2026-11-21T01", "critical"),
    ]


async def _uses(db: "Connection[Any]", model: str, *, unrated: int, at: datetime, project: str = "acme") -> None:
    await db.execute(
        "INSERT INTO rollup_hour VALUES ($1, $2, 'a', 'groq', $3, 'llm', 'requests', 9, 9, 9, 0, 0, $4)",
        at, project, model, unrated,
    )  # fmt: skip


async def test_a_model_without_a_price_is_told_once_a_day(
    looking: Sources, db: "Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MODELS_MAX", 2)
    hour = NOW.replace(minute=0)
    await _uses(db, "new", unrated=2, at=hour)
    await _uses(db, "new", unrated=1, at=hour, project="beta")
    await _uses(db, "new", unrated=5, at=hour - timedelta(hours=2))
    await _uses(db, "old", unrated=1, at=hour - timedelta(hours=23))
    await _uses(db, "long ago", unrated=1, at=hour - timedelta(days=2))
    await _uses(db, "rated", unrated=0, at=hour)

    for _ in range(3):
        await looking.look_at_prices(now=NOW)

    assert await _told(db) == [
        ("unrated_usage", "unrated_usage:2026-11-21:groq/new", "warning"),
        ("unrated_usage", "unrated_usage:2026-11-20:groq/new", "warning"),
        ("unrated_usage", "unrated_usage:2026-11-20:groq/old", "warning"),
    ]
    assert await db.fetchval("SELECT title FROM alert ORDER BY position LIMIT 1") == (
        "groq/new has no price: 3 requests of 2026-11-21 are not in any sum"
    )


def _holder(host: str, dropped: int, *, pid: int = 1) -> SyncRequest:
    return SyncRequest(
        incarnation=f"{host}-{pid}", seq=1, host=host, pid=pid, shim_version="0", outbox=OutboxState(dropped=dropped)
    )


async def test_an_outbox_that_loses_is_told_at_first_and_whenever_it_has_doubled(
    looking: Sources, engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    for dropped in (0, 0, 5, 5, 6, 7, 8):
        await looking.look_at_outboxes([_holder("a", dropped), _holder("a", 0, pid=2), _holder("b", 0)], now=NOW)
    # Another runner, or this one anew, finds what was lost before it looked.
    for anew in (Sources(engine, Alerts(engine), ledger_lag_s=300) for _ in range(2)):
        await anew.look_at_outboxes([_holder("a", 8), _holder("c", 1)], now=NOW)

    assert await _told(db) == [
        ("outbox_loss", "outbox_loss:2026-11-21:3:a", "critical"),
        ("outbox_loss", "outbox_loss:2026-11-21:4:a", "critical"),
        ("outbox_loss", "outbox_loss:1:c", "critical"),
        ("outbox_loss", "outbox_loss:4:a", "critical"),
    ]


async def test_what_was_given_up_is_told_once_a_day_and_counted(
    looking: Sources, engine: AsyncEngine, db: "Connection[Any]"
) -> None:
    alerts = Alerts(engine)
    for n in range(3):
        await alerts.raise_("anomaly", f"k{n}", "t", {})
    await db.execute(
        "INSERT INTO alert_delivery (alert_id, channel, state, next_attempt_at, last_error) "
        "SELECT id, CASE key WHEN 'k2' THEN 'slack' ELSE 'webhook' END, 'dead', "
        "now() - CASE key WHEN 'k0' THEN interval '3 days' ELSE interval '1 minute' END, 'answered 410' FROM alert"
    )
    day = await db.fetchval("SELECT ((now() - interval '1 minute') AT TIME ZONE 'UTC')::date::text")

    for _ in range(2):
        await looking.look_at_deliveries()

    assert (await _told(db))[3:] == [
        ("delivery_dead", f"delivery_dead:slack:{day}", "critical"),
        ("delivery_dead", f"delivery_dead:webhook:{day}", "critical"),
    ]
    assert metrics.ALERTS_DEAD._value.get() == 3


async def test_the_runner_looks_and_delivers(
    make_settings: Any, db: "Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LOOK_INTERVAL_S", 0.1)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await _uses(db, "new", unrated=2, at=hour)
    stop = asyncio.Event()
    async with receiving() as receiver:
        settings = make_settings(alert_slack_url=f"{receiver.url}/chat")
        running = asyncio.create_task(runner.run(settings, stop))
        await asyncio.wait_for(receiver.arrived.wait(), timeout=30)
        stop.set()
        await running

    assert b"groq/new has no price" in receiver.received[0].body


async def test_a_wrong_channel_ends_the_start_of_the_runner_with_one_line(make_settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_ALERT_WEBHOOK_SECRET is not set"):
        await runner.run(make_settings(alert_webhook_url="https://x.example"), asyncio.Event())
