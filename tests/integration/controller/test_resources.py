"""What a process owns is let go of when it ends, whatever one of the closings comes to."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from voicegateway_controller.configuration.service import Configuration
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.resources import open_resources
from voicegateway_controller.settings import Settings


async def test_a_closing_that_fails_keeps_nothing_else_open(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    closes = Configuration.close

    async def close(configuration: Configuration) -> None:
        await closes(configuration)
        raise RedisUnavailable("gone")

    monkeypatch.setattr(Configuration, "close", close)
    stack = AsyncExitStack()
    resources = await stack.enter_async_context(open_resources(make_settings()))
    async with raw_connection(resources.engine) as connection:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(RedisUnavailable, match="gone"):
        await stack.aclose()

    # Postgres ends a process a moment after its connection.
    for _ in range(1_000):
        if not await db.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend):
            return
        await asyncio.sleep(0.02)
    pytest.fail("a connection of the pool is still open")
