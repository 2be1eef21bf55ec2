"""`POST /v1/traces` while Postgres or Redis is away or slow: nothing is acknowledged that is not committed."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.fixtures.traces import a_request, a_span
from tests.fixtures.waiting import eventually

from voicegateway_controller import metrics
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.embedded import EmbeddedPostgres

NOWHERE_DATABASE = "postgresql+asyncpg://nobody@127.0.0.1:9/nothing"
NOWHERE_REDIS = "redis://127.0.0.1:9/0"


async def test_a_slow_postgres_is_answered_503(
    start_api: Any, worker: dict[str, str], db: "asyncpg.Connection[Any]"
) -> None:
    body = a_request(a_span())
    async with start_api(ingest_timeout_s=0.3) as api:
        async with db.transaction():
            await db.execute("LOCK TABLE usage_pending")
            refused = await api.post("/v1/traces", content=body, headers=worker)
        accepted = await api.post("/v1/traces", content=body, headers=worker)

    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert refused.headers["retry-after"] == "2"
    assert accepted.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM usage_span") == 1


async def test_connections_that_ended_between_two_batches_are_replaced(
    start_api: Any, worker: dict[str, str], db: "asyncpg.Connection[Any]"
) -> None:
    async with start_api() as api:
        before = await asyncio.gather(*(api.post("/v1/traces", content=a_request(a_span()), headers=worker)
                                        for _ in range(4)))  # fmt: skip
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        # Their sockets say so at once; that is all the pool asks.
        await asyncio.sleep(0.2)
        after = [await api.post("/v1/traces", content=a_request(a_span()), headers=worker) for _ in range(4)]

    assert [response.status_code for response in (*before, *after)] == [200] * 8


async def test_a_statement_is_one_round_trip(
    database_url: str, db: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(database_url, pool_size=1, application_name="counted")
    async with raw_connection(engine) as connection:
        await connection.fetchval("SELECT 1")
    statements: list[str] = []
    for name in ("execute", "_do_execute"):
        asked = getattr(asyncpg.Connection, name)

        async def told(self: Any, query: str, *args: Any, asked: Any = asked, **kwargs: Any) -> Any:
            statements.append(query)
            return await asked(self, query, *args, **kwargs)

        monkeypatch.setattr(asyncpg.Connection, name, told)

    async with raw_connection(engine) as connection:
        await connection.fetchval("SELECT 1")
    await engine.dispose()

    assert statements == ["SELECT 1"]


async def test_more_batches_than_places_are_answered_429(
    start_api: Any, worker: dict[str, str], db: "asyncpg.Connection[Any]"
) -> None:
    async with start_api(ingest_concurrency=1, ingest_queue_max=1) as api:
        async with db.transaction():
            await db.execute("LOCK TABLE usage_pending")
            held = [
                asyncio.create_task(api.post("/v1/traces", content=a_request(a_span()), headers=worker))
                for _ in range(2)
            ]
            await eventually(lambda: metrics.INGEST_WAITING._value.get() == 1)
            refused = await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
        accepted = await asyncio.gather(*held)

    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert [response.status_code for response in accepted] == [200, 200]


async def test_redis_away_costs_a_hint_and_no_span(
    start_api: Any, worker: dict[str, str], viewer: dict[str, str], db: "asyncpg.Connection[Any]"
) -> None:
    failed = metrics.HINTS.labels("failed")._value.get()
    async with start_api(redis_url=NOWHERE_REDIS) as api:
        response = await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
        await eventually(lambda: metrics.HINTS.labels("failed")._value.get() > failed)
        ready = await api.get("/readyz")
        live = await api.get("/api/v1/live", headers=viewer)
        sync = await api.post("/v1/sync", content=_SYNC, headers=worker)
        sessions = await api.get("/api/v1/sessions", headers=viewer)

    assert response.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM usage_pending") == 1
    assert (ready.status_code, ready.json()["checks"]["postgres"]) == (200, "ok")
    assert ready.json()["checks"]["redis"].startswith("unavailable: ")
    assert [(each.status_code, each.json()["code"]) for each in (live, sync)] == [(503, "redis_unavailable")] * 2
    assert sessions.json() == {"rows": [], "next": None}


_SYNC = b'{"incarnation": "i", "seq": 1, "host": "h", "pid": 1, "shim_version": "0.1.0"}'


async def test_a_database_without_a_schema_is_said_to_be_one(
    start_api: Any, worker: dict[str, str], empty_database_url: str
) -> None:
    async with start_api(database_url=empty_database_url) as api:
        ready = await api.get("/readyz")
        post = await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
        alive = await api.get("/livez")

    schema = ready.json()["checks"]["schema"]
    assert ready.status_code == 503
    assert re.fullmatch(r"is missing, needs [0-9]{4}: run `voicegw migrate`", schema), schema
    assert (post.status_code, post.json()["code"]) == (503, "schema_not_migrated")
    assert alive.json() == {"status": "alive"}


async def test_no_postgres_at_all_is_answered_503(start_api: Any, worker: dict[str, str]) -> None:
    async with start_api(database_url=NOWHERE_DATABASE) as api:
        post = await api.post("/v1/traces", content=a_request(a_span()), headers=worker)
        ready = await api.get("/readyz")

    assert (post.status_code, post.headers["retry-after"]) == (503, "2")
    assert (ready.status_code, ready.json()["checks"]["schema"]) == (503, "unknown")


@pytest.mark.timeout(120)
async def test_a_killed_postgres_loses_nothing_that_was_acknowledged(start_api: Any, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    await postgres.start()
    try:
        await migrate.upgrade(postgres.url)
        engine = make_engine(postgres.url, pool_size=1, application_name="test")
        token = await create_token(engine, role=Role.ADMIN, name="test")
        await engine.dispose()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-protobuf"}
        bodies = [a_request(a_span()) for _ in range(3)]
        async with start_api(database_url=postgres.url) as api:
            before = await api.post("/v1/traces", content=bodies[0], headers=headers)
            await postgres.stop()
            away = await api.post("/v1/traces", content=bodies[1], headers=headers)
            await postgres.start()
            after = [await _until_accepted(api, body, headers) for body in bodies]
            status = await api.get("/api/v1/ledger/status", headers=headers)
    finally:
        await postgres.stop()

    assert (before.status_code, away.status_code) == (200, 503)
    assert after == [200, 200, 200]
    assert status.json()["pending_spans"] == 3


async def _until_accepted(api: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> int:
    while True:
        response = await api.post("/v1/traces", content=body, headers=headers)
        if response.status_code != 503:
            return response.status_code
        await asyncio.sleep(0.05)
