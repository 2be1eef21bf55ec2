"""Limits are declared as a whole, hold at every replica, and are known without Postgres to a replica that starts."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.errors import DatabaseUnavailable, RedisUnavailable
from voicegateway_controller.limits import DefinitionsCopy, Limits, Pools

OPENAI = {"provider": "openai", "model": "gpt-4.1-mini", "requests_per_min": 600, "tokens_per_min": "200k"}
SLOTS = {"provider": "elevenlabs", "concurrent": 10, "weights": {"acme": 2, "beta": 1}, "project": "acme"}


async def _put(
    api: httpx.AsyncClient, headers: dict[str, str], *limits: dict[str, Any], **more: str
) -> tuple[int, dict[str, Any]]:
    response = await api.put("/api/v1/limits", json={"limits": limits}, headers=headers | more)
    return response.status_code, response.json()


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def test_a_set_replaces_the_one_before_and_the_same_set_is_no_new_revision(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], db: Any
) -> None:
    none = (await api.get("/api/v1/limits", headers=viewer)).json()
    answers = [await _put(api, operator, *limits) for limits in ((OPENAI,), (OPENAI,), (OPENAI, SLOTS), ())]
    last = await api.get("/api/v1/limits", headers=viewer)

    assert (none["revision"], none["pools"], none["limits"]) == (0, [], [])
    assert answers == [
        (200, {"revision": 1, "is_changed": True, "pools": 2}),
        (200, {"revision": 1, "is_changed": False, "pools": 2}),
        (200, {"revision": 2, "is_changed": True, "pools": 3}),
        (200, {"revision": 3, "is_changed": True, "pools": 0}),
    ]
    assert (last.json()["revision"], last.headers["etag"]) == (3, '"3"')
    assert [tuple(row) for row in await db.fetch("SELECT revision, jsonb_array_length(document) FROM limit_set")] == [
        (1, 1),
        (2, 2),
        (3, 0),
    ]
    with pytest.raises(asyncpg.RestrictViolationError):
        await db.execute("DELETE FROM limit_set")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"provider": "acme-ai", "concurrent": 1}, ("limits[0].provider", "unknown provider 'acme-ai'")),
        ({"provider": "openai", "requests_per_min": -5}, ("limits[0].requests_per_min", "at least 1")),
        ({"provider": "openai", "model": "a\x00b", "concurrent": 1}, ("limits[0].model", "printable")),
        ({"provider": "openai", "model": "m" * 257, "concurrent": 1}, ("limits[0].model", "256")),
        ({"provider": "openai", "tokens_per_day": 500, "burst": "500M"}, ("tokens_per_day", "lower it")),
        ({"provider": "openai", "weights": [[[[[1]]]]], "concurrent": 1}, ("nested too deep",)),
    ],
)
async def test_a_wrong_set_is_refused_with_its_reason_and_changes_nothing(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], limit: Any, words: tuple[str, ...]
) -> None:
    await _put(api, operator, OPENAI)

    status, problem = await _put(api, operator, limit)

    assert (status, problem["code"]) == (400, "bad_request")
    assert all(word in problem["detail"] for word in words), problem["detail"]
    assert (await api.get("/api/v1/limits", headers=viewer)).json()["revision"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"limits": 1}', b'{"limits": [], "more": 1}', b"\xff"])
async def test_a_body_that_is_no_set_is_refused(api: httpx.AsyncClient, operator: dict[str, str], body: bytes) -> None:
    response = await api.put("/api/v1/limits", content=body, headers=operator)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_who_decided_on_another_revision_is_told_so(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    first = await _put(api, operator, OPENAI, **{"If-Match": '"0"'})
    late = await _put(api, operator, SLOTS, **{"If-Match": "0"})
    odd = await _put(api, operator, SLOTS, **{"If-Match": "yesterday"})
    raced = await asyncio.gather(
        *(_put(api, operator, {"provider": "groq", "concurrent": n}, **{"If-Match": "1"}) for n in (1, 2, 3))
    )

    assert first[0] == 200
    assert (late[0], late[1]["code"]) == (409, "conflict")
    assert "revision 1, not 0" in late[1]["detail"]
    assert odd[0] == 400
    assert sorted(status for status, _ in raced) == [200, 409, 409]


async def test_only_those_who_run_the_fleet_declare(api: httpx.AsyncClient, make_token: Any) -> None:
    tokens = [
        await make_token(Role.VIEWER),
        await make_token(Role.WORKER),
        await make_token(Role.OPERATOR, projects=["acme"]),
        {},
    ]

    assert [(await _put(api, headers, OPENAI))[0] for headers in tokens] == [403, 403, 403, 401]


async def test_a_reader_of_one_project_sees_its_limits_and_those_of_no_project(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    await _put(api, operator, OPENAI, SLOTS, {"provider": "groq", "project": "beta", "concurrent": 3})

    seen = (await api.get("/api/v1/limits", headers=await make_token(Role.VIEWER, projects=["acme"]))).json()

    assert [pool["id"] for pool in seen["pools"]] == [
        "openai.gpt-4.1-mini:tokens_per_min",
        "openai.gpt-4.1-mini:requests_per_min",
        "elevenlabs.acme:concurrent",
    ]
    assert seen["pools"][2]["weights"] == {"acme": 2}
    assert seen["limits"] == [OPENAI, {**SLOTS, "weights": {"acme": 2}}]


async def test_a_second_replica_follows_without_being_told(
    start_api: Any, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    async with start_api() as one, start_api() as other:
        await _put(one, operator, OPENAI)
        for _ in range(200):
            followed = (await other.get("/api/v1/limits", headers=viewer)).json()["revision"]
            if followed == 1:
                break
            await asyncio.sleep(0.05)

    assert followed == 1


async def test_a_new_pool_begins_full(api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]) -> None:
    await _put(api, operator, OPENAI, {"provider": "elevenlabs", "concurrent": 10})

    seen = (await api.get("/api/v1/limits", headers=viewer)).json()

    assert seen["is_live"]
    levels = {pool["id"]: (pool["live"]["level"], pool["live"]["learning_ms"]) for pool in seen["pools"]}
    assert levels == {
        "openai.gpt-4.1-mini:requests_per_min": (100, 0),
        "openai.gpt-4.1-mini:tokens_per_min": (33_334, 0),
        "elevenlabs:concurrent": (10, 0),
    }


@pytest.fixture
async def redis(redis_url: str) -> Any:
    async with Redis.from_url(redis_url) as client:
        yield client


def _limits(engine: AsyncEngine, redis: Redis) -> Limits:
    return Limits(engine, Pools(redis), DefinitionsCopy(redis))


@pytest.fixture
async def no_postgres() -> Any:
    engine = make_engine("postgresql+asyncpg://u:p@127.0.0.1:9/none", pool_size=1, application_name="test")
    yield engine
    await engine.dispose()


async def test_a_replica_that_starts_without_postgres_knows_the_limits_from_redis(
    engine: AsyncEngine, no_postgres: AsyncEngine, redis: Redis
) -> None:
    first = _limits(engine, redis)
    await first.apply([OPENAI], by="t1")
    started = _limits(no_postgres, redis)

    with pytest.raises(DatabaseUnavailable):
        await started.refresh()

    assert started.current() == first.current()
    assert started.current().revision == 1
    await first.apply([SLOTS], by="t1")
    with pytest.raises(DatabaseUnavailable):
        await started.refresh()
    assert started.current().revision == 2


async def test_a_replica_that_nobody_told_does_not_pretend_that_there_are_no_limits(
    no_postgres: AsyncEngine, redis: Redis
) -> None:
    started = _limits(no_postgres, redis)
    await started.start()
    await started.close()

    with pytest.raises(DatabaseUnavailable, match="not known yet"):
        started.current()


async def test_what_is_known_survives_an_outage_of_postgres(engine: AsyncEngine, redis: Redis, db: Any) -> None:
    limits = _limits(engine, redis)
    await limits.apply([OPENAI], by="t1")
    await db.execute("ALTER TABLE limit_set RENAME TO limit_set_away")

    with pytest.raises(Exception, match="schema"):
        await limits.refresh()

    assert limits.current().revision == 1
    await db.execute("ALTER TABLE limit_set_away RENAME TO limit_set")
    await limits.refresh()
    assert limits.current().revision == 1


async def test_the_copy_is_written_again_when_redis_forgot_it(engine: AsyncEngine, redis: Redis) -> None:
    limits = _limits(engine, redis)
    await limits.apply([OPENAI], by="t1")
    await redis.flushdb()

    await limits.refresh()

    assert await DefinitionsCopy(redis).revision() == 1


async def test_limits_are_declared_while_redis_is_away(engine: AsyncEngine) -> None:
    async with Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.2) as nowhere:
        limits = _limits(engine, nowhere)
        revision, is_changed = await limits.apply([OPENAI], by="t1")
        with pytest.raises(RedisUnavailable):
            await limits.refresh()

    assert (revision, is_changed, limits.current().revision) == (1, True, 1)


async def test_revisions_go_on_above_those_that_a_restored_backup_forgot(
    engine: AsyncEngine, redis: Redis, db: Any
) -> None:
    limits = _limits(engine, redis)
    for slots in (1, 2, 3):
        await limits.apply([{"provider": "groq", "concurrent": slots}], by="t1")
    await db.execute("TRUNCATE limit_set RESTART IDENTITY")

    revision, _ = await _limits(engine, redis).apply([OPENAI], by="t1")

    assert revision == 4


async def test_a_provider_that_left_the_catalogue_stays_limited(engine: AsyncEngine, redis: Redis, db: Any) -> None:
    await db.execute(
        "INSERT INTO limit_set (document, created_by) VALUES ($1::jsonb, 'x')",
        '[{"provider": "gone-ai", "concurrent": 2}]',
    )
    limits = _limits(engine, redis)

    await limits.refresh()

    assert [pool.id for pool in limits.current().pools] == ["gone-ai:concurrent"]


async def test_a_set_of_a_newer_version_leaves_what_is_understood_in_force(
    engine: AsyncEngine, redis: Redis, db: Any
) -> None:
    limits = _limits(engine, redis)
    await limits.apply([OPENAI], by="t1")
    await db.execute("INSERT INTO limit_set (document, created_by) VALUES ('[{\"moons\": 2}]', 'x')")

    await limits.refresh()

    assert limits.current().revision == 1
