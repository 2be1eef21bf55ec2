"""The hours that forecasts are made of: read from the rollup, newest first, and not more often than they change."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.budgets import History
from voicegateway_controller.budgets.history import FRESH_EVERY_S, WHOLE_EVERY_S
from voicegateway_shared.limits import Selector

NOW = datetime(2026, 11, 18, 10, 30, tzinfo=UTC)
THIS = NOW.replace(minute=0)
HOUR = timedelta(hours=1)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def _spend(db: Any, by_hour: Mapping[datetime, str], project: str = "acme", modality: str = "llm") -> None:
    await db.executemany(
        "INSERT INTO rollup_hour VALUES ($1, $2, 'desk-1', 'openai', 'm', $3, 'output_tokens', 1, 1, 1,"
        " $4::text::numeric, 0, 0) ON CONFLICT (hour, project, agent, provider, model, modality, meter)"
        " DO UPDATE SET amount_usd = excluded.amount_usd",
        [(hour, project, modality, usd) for hour, usd in by_hour.items()],
    )


async def test_hours_are_summed_for_whom_a_budget_is_about(db: Any, engine: AsyncEngine) -> None:
    await _spend(db, {THIS: "1.5", THIS - HOUR: "0.25"})
    await _spend(db, {THIS: "0.000000000001"}, modality="tts")
    await _spend(db, {THIS: "4", THIS - 36 * timedelta(days=1): "8"}, project="beta")

    hours = await History(engine).hours(NOW)

    # A part of a nano-dollar counts as one; what is older than five weeks is forgotten.
    assert hours.of(Selector()) == {THIS: 5_500_000_001, THIS - HOUR: 250_000_000}
    assert hours.of(Selector(project="acme", agent="desk-*", modality="llm")) == {
        THIS: 1_500_000_000,
        THIS - HOUR: 250_000_000,
    }
    assert hours.of(Selector(agent="phone-*")) == {}
    assert list(hours.projects()) == ["", "acme", "beta"]


async def test_what_no_request_caused_stands_beside(db: Any, engine: AsyncEngine) -> None:
    await _spend(db, {THIS: "1"})
    await _spend(db, {THIS - 9 * HOUR: "50", THIS: "-0.25"}, project="_shared", modality="")
    await _spend(db, {THIS - 9 * HOUR: "2"}, project="_shared", modality="other")

    hours = await History(engine).hours(NOW)

    assert hours.of(Selector()) == {THIS: 1_000_000_000}
    assert hours.beside(Selector()) == {THIS - 9 * HOUR: 52_000_000_000, THIS: -250_000_000}
    assert hours.beside(Selector(project="acme")) == {}
    assert hours.projects() == {"": {THIS: 1_000_000_000}, "_shared": {}, "acme": {THIS: 1_000_000_000}}


async def test_the_newest_hours_are_read_again_after_seconds_and_all_after_minutes(
    db: Any, engine: AsyncEngine
) -> None:
    clock = Clock()
    history = History(engine, clock=clock)
    long_ago = THIS - 100 * HOUR
    await _spend(db, {THIS: "1", long_ago: "1"})
    seen = []

    for passed_s in (0.0, FRESH_EVERY_S - 1, 1.0, WHOLE_EVERY_S):
        clock.now_s += passed_s
        series = (await history.hours(NOW)).of(Selector(project="acme"))
        seen.append((series[THIS] // 10**9, series[long_ago] // 10**9))
        await _spend(db, {THIS: "2", long_ago: "2"})

    assert seen == [(1, 1), (1, 1), (2, 1), (2, 2)]


async def test_of_more_hours_than_are_kept_the_oldest_are_left_out_whole(db: Any, engine: AsyncEngine) -> None:
    for project in ("acme", "beta"):
        await _spend(db, {THIS - step * HOUR: "1" for step in range(4)}, project=project)

    hours = await History(engine, rows_max=5).hours(NOW)

    assert hours.since == THIS - HOUR
    assert hours.of(Selector()) == {THIS: 2 * 10**9, THIS - HOUR: 2 * 10**9}
