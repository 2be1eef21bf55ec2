"""The runner process' loops: hints make it quick, the sweep makes it certain, outages never end it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller import metrics, runner
from voicegateway_controller.db import migrate
from voicegateway_controller.embedded import EmbeddedPostgres, EmbeddedValkey
from voicegateway_controller.errors import DatabaseUnavailable, SchemaNotMigrated
from voicegateway_controller.settings import Settings

Connection = asyncpg.Connection
WITHIN_S = 30.0
"""Only ends a broken test."""


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a runner in this loop."""
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(settings, stop))
    try:
        yield task
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


def rated(db: "Connection[Any]", count: int) -> Callable[[], Awaitable[bool]]:
    """Return a condition: so many spans are rated."""

    async def is_rated() -> bool:
        total: int = await db.fetchval("SELECT coalesce(sum(rated_spans), 0)::bigint FROM ledger_progress")
        return total >= count

    return is_rated


async def hints_are_heard() -> bool:
    """Say whether the runner listens."""
    return bool(metrics.RUNNER_QUEUE_UP._value.get() == 1)


async def test_a_hint_is_enough(
    start_api: Any, make_settings: Any, worker: dict[str, str], db: "Connection[Any]"
) -> None:
    async with start_api() as api, running(make_settings(sweep_interval_s=60)):
        await until(hints_are_heard)
        for posted in (1, 2, 3):
            await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
            await until(rated(db, posted))


@pytest.mark.parametrize("nowhere", ["redis://127.0.0.1:9/0", "redis+cluster://127.0.0.1:9"])
async def test_without_redis_the_sweep_rates(
    start_api: Any, make_settings: Any, worker: dict[str, str], db: "Connection[Any]", nowhere: str
) -> None:
    async with start_api(redis_url=nowhere) as api, running(make_settings(redis_url=nowhere, sweep_interval_s=0.1)):
        for posted in (1, 2):
            await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
            await until(rated(db, posted))


async def test_flushed_hints_are_swept_up(
    start_api: Any, make_settings: Any, worker: dict[str, str], db: "Connection[Any]", redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        async with start_api() as api:
            await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
            await redis.flushdb()
        async with running(make_settings(sweep_interval_s=0.1)):
            await until(rated(db, 1))


@pytest.mark.timeout(120)
async def test_the_runner_outlives_redis_and_hears_it_again(
    start_api: Any, make_settings: Any, worker: dict[str, str], db: "Connection[Any]", tmp_path: Path
) -> None:
    valkey = EmbeddedValkey(tmp_path)
    await valkey.start()
    try:
        settings = make_settings(redis_url=valkey.url, sweep_interval_s=0.1)
        async with start_api(redis_url=valkey.url) as api, running(settings) as task:
            await until(hints_are_heard)
            await valkey.stop()
            await until(_not(hints_are_heard))
            await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
            await until(rated(db, 1))
            await valkey.start()
            await until(hints_are_heard)
            assert not task.done()
    finally:
        await valkey.stop()


@pytest.mark.timeout(120)
async def test_the_runner_outlives_postgres(make_settings: Any, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    await postgres.start()
    try:
        await migrate.upgrade(postgres.url)
        async with running(make_settings(database_url=postgres.url, sweep_interval_s=0.1)) as task:
            await postgres.stop()
            await asyncio.sleep(0.5)
            await postgres.start()
            db = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
            await db.execute(_ONE_SPAN)
            await until(rated(db, 1))
            assert not task.done()
            await db.close()
    finally:
        await postgres.stop()


async def test_partitions_and_checks_are_kept_up(make_settings: Any, db: "Connection[Any]") -> None:
    before = metrics.LEDGER_VERIFIED_AT._value.get()
    furthest = await db.fetchval("SELECT max(relname) FROM pg_class WHERE relname ~ '^usage_span_[0-9]+$'")
    await db.execute(f"DROP TABLE {furthest}")

    async with running(make_settings()):

        async def is_verified() -> bool:
            return bool(metrics.LEDGER_VERIFIED_AT._value.get() > before)

        await until(is_verified)

    assert await db.fetchval("SELECT to_regclass($1) IS NOT NULL", furthest)
    assert metrics.LEDGER_MISMATCHES._value.get() == 0
    assert await db.fetchval("SELECT count(*) FROM price_catalog WHERE source = 'builtin'") == 1


async def test_an_unreachable_database_ends_the_start_with_one_line(make_settings: Any) -> None:
    settings = make_settings(database_url="postgresql://nobody@127.0.0.1:9/nothing", startup_wait_s=0)

    with pytest.raises(DatabaseUnavailable) as caught:
        await runner.run(settings, asyncio.Event())

    assert "VOICEGATEWAY_DATABASE_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_database_without_a_schema_ends_the_start_with_one_line(
    make_settings: Any, empty_database_url: str
) -> None:
    with pytest.raises(SchemaNotMigrated, match="run `voicegw migrate`"):
        await runner.run(make_settings(database_url=empty_database_url), asyncio.Event())


def _not(condition: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    async def opposite() -> bool:
        return not await condition()

    return opposite


_ONE_SPAN = """
WITH span AS (
    INSERT INTO usage_span VALUES (
        current_date, gen_random_uuid(), '\\x00', '\\x00', 'i', 'acme', '', '', '', '', '', '', 'stt', 'deepgram',
        'nova-3', '', '', 'en', '', 'streaming', '', 'ok', false, '', null, 1, 90, 1000, now(), now(), now(), false,
        '{"audio_sent_ms": 1000}', null, null)
    RETURNING day, request_id, arrived_at
) INSERT INTO usage_pending SELECT * FROM span
"""
