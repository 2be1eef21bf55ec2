"""Breakers that stay open are told to people once, and so is their end; gauges show the worst of a model."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.health import HealthBoard, HealthGauges, HealthStore, Switching
from voicegateway_controller.health.store import Known
from voicegateway_controller.health.watching import BreakerWatch
from voicegateway_shared.wire import HealthTarget, Observation

TARGET = HealthTarget(provider="openai", model="gpt-4.1-mini", modality="llm", account="k1")
SHORT = (
    Observation(target=TARGET, limited=1, retry_after_ms=1),
    Observation(target=TARGET, ok=1),
    Observation(target=TARGET, ok=1),
)
"""An opening of a millisecond, and the probes that end it."""
LABELS = {"provider": "openai", "model": "gpt-4.1-mini", "modality": "llm"}


class Told:
    """Alerts that were raised, each key once."""

    def __init__(self) -> None:
        self.alerts: dict[str, tuple[str, str]] = {}

    async def raise_(self, kind: str, key: str, title: str, details: Any, *, severity: str) -> bool:
        is_news = key not in self.alerts
        self.alerts.setdefault(key, (kind, severity))
        return is_news


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[HealthStore]:
    redis: Any = Redis.from_url(redis_url)
    yield HealthStore(redis)
    await redis.aclose()


async def test_an_opening_is_told_once_and_so_is_its_end(store: HealthStore) -> None:
    told, seen = Told(), []
    watch = BreakerWatch(store, told.raise_, open_s=0)
    for number, observation in enumerate(SHORT, 1):
        await store.note("w1", number, [observation], Known())
        # A probe that comes within the opening is none.
        await asyncio.sleep(0.005)
        await watch.step()
        await watch.step()
        seen.append([kind for kind, _ in told.alerts.values()])

    assert seen == [["breaker_open"], ["breaker_open"], ["breaker_open", "breaker_closed"]]


async def test_a_short_opening_is_not_told(store: HealthStore) -> None:
    told = Told()
    watch = BreakerWatch(store, told.raise_, open_s=60)
    for number, observation in enumerate(SHORT, 1):
        await store.note("w1", number, [observation], Known())
        # A probe that comes within the opening is none.
        await asyncio.sleep(0.005)
        await watch.step()

    assert told.alerts == {}


async def test_gauges_show_the_worst_account_of_a_model(store: HealthStore, engine: AsyncEngine) -> None:
    other = HealthTarget(provider="openai", model="gpt-4.1-mini", modality="llm", account="k2")
    observations = [
        Observation(target=TARGET, ok=20, ttfb_counts=((10, 20),)),
        Observation(target=other, failed=2),
    ]
    await store.note("w1", 1, observations, Known())
    board = HealthBoard(store, Switching(engine))
    await board.look()
    gauges = HealthGauges(board)

    await gauges.update()

    assert REGISTRY.get_sample_value("voicegateway_provider_state", LABELS) == 2
    assert REGISTRY.get_sample_value("voicegateway_provider_ttfb_seconds", {**LABELS, "quantile": "0.95"}) == 0.1
