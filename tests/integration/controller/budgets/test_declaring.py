"""Budgets are declared as a whole, hold at every replica, and are known without Postgres to a replica that starts."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role
from voicegateway_controller.budgets import Budgets
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import DatabaseUnavailable, RedisUnavailable

FLEET = {"amount": "1000.00", "window": "month", "zone": "Europe/Berlin"}
ACME = {"project": "acme", "amount": "25.00", "window": "day", "action": "end_session", "sentence": "S" * 300}
BETA = {"project": "beta", "amount": "0.10", "window": "session", "guards": {"loop": {"repeats": 5, "within_s": 60}}}


async def _put(
    api: httpx.AsyncClient, headers: dict[str, str], *budgets: dict[str, Any], zone: str | None = None, **more: str
) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = {"budgets": budgets} if zone is None else {"budgets": budgets, "zone": zone}
    response = await api.put("/api/v1/budgets", json=body, headers=headers | more)
    return response.status_code, response.json()


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def test_a_set_replaces_the_one_before_and_the_same_set_is_no_new_revision(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], db: Any
) -> None:
    none = (await api.get("/api/v1/budgets", headers=viewer)).json()
    answers = [await _put(api, operator, *budgets) for budgets in ((FLEET,), (FLEET,), (FLEET, ACME, BETA), ())]
    last = await api.get("/api/v1/budgets", headers=viewer)

    assert none == {
        "revision": 0,
        "created_at": None,
        "created_by": "",
        "budgets": [],
        "effective": [],
    }
    assert answers == [
        (200, {"revision": 1, "is_changed": True, "budgets": 1, "warnings": []}),
        (200, {"revision": 1, "is_changed": False, "budgets": 1, "warnings": []}),
        (200, {"revision": 2, "is_changed": True, "budgets": 3, "warnings": []}),
        (200, {"revision": 3, "is_changed": True, "budgets": 0, "warnings": []}),
    ]
    assert (last.json()["revision"], last.headers["etag"]) == (3, '"3"')
    with pytest.raises(asyncpg.RestrictViolationError):
        await db.execute("DELETE FROM budget_set")


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"amount": 25.0, "window": "day"}, ("budgets[0].amount", "25.0")),
        ({"amount": "1e3", "window": "day"}, ("budgets[0].amount", "plain decimal")),
        ({"amount": "-3", "window": "day"}, ("budgets[0].amount",)),
        ({"amount": "25", "window": "day", "zone": "Mars/Olympus"}, ("budgets[0].zone", "Mars/Olympus")),
        ({"amount": "25", "window": "day", "zone": "+02:00"}, ("budgets[0].zone", "no known zone")),
        ({"amount": "25"}, ("budgets[0].window", "must end")),
        ({"amount": "25", "window": "forever"}, ("budgets[0].window", "must end", "total")),
        ({"amount": "0.00000001", "window": "day"}, ("budgets[0].amount", "below one request's price")),
        ({"amount": "25", "window": "day", "provider": "acme-ai"}, ("unknown provider 'acme-ai'",)),
        ({"amount": "25", "window": "day", "agent": "a\x00b"}, ("budgets[0].agent", "printable")),
        ({"amount": "25", "window": "day", "sentence": "s" * 301}, ("budgets[0].sentence", "300")),
        ({"amount": "25", "window": "day", "guards": {"loop": {"a": {"b": 1}}}}, ("nested too deep",)),
        ({"amount": "25", "window": "day", "amonut": "3"}, ("did you mean 'amount'?",)),
    ],
)
async def test_a_wrong_set_is_refused_with_its_reason_and_changes_nothing(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], budget: Any, words: tuple[str, ...]
) -> None:
    await _put(api, operator, FLEET)

    status, problem = await _put(api, operator, budget)

    assert (status, problem["code"]) == (400, "bad_request")
    assert all(word in problem["detail"] for word in words), problem["detail"]
    assert (await api.get("/api/v1/budgets", headers=viewer)).json()["revision"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"budgets": 1}', b'{"budgets": [], "more": 1}', b"\xff"])
async def test_a_body_that_is_no_set_is_refused(api: httpx.AsyncClient, operator: dict[str, str], body: bytes) -> None:
    response = await api.put("/api/v1/budgets", content=body, headers=operator)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_one_zone_for_all_is_written_into_those_that_follow_a_calendar_and_name_none(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    await _put(api, operator, FLEET, ACME, BETA, zone="America/New_York")
    wrong = await _put(api, operator, ACME, zone="America/NewYork")

    declared = (await api.get("/api/v1/budgets", headers=viewer)).json()["budgets"]
    assert declared == [FLEET, {**ACME, "zone": "America/New_York"}, BETA]
    assert (wrong[0], "did you mean 'America/New_York'?" in wrong[1]["detail"]) == (400, True)


async def test_a_name_that_was_anothers_is_told_of(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    shared = {"name": "shared", "amount": "5.00", "window": "day"}
    await _put(api, operator, {**shared, "project": "acme"}, {**BETA, "name": "calls"})

    changes: tuple[dict[str, Any], ...] = (
        {"project": "beta"},
        {"project": "beta", "amount": "6.00", "action": "warn"},
        {"project": "beta", "window": "month"},
    )
    answers = [
        await _put(api, operator, {**shared, **change}, {**BETA, "project": "x", "name": "calls"}) for change in changes
    ]

    # A session's window is its own, another amount is no other budget, and another window begins anew.
    assert [answer["warnings"] for _, answer in answers] == [
        [
            "budget 'shared' was about project=acme (UTC), now it is about project=beta (UTC): "
            "what its open window has counted stays counted; give it another name to begin anew"
        ],
        [],
        [],
    ]


async def test_who_decided_on_another_revision_is_told_so(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    first = await _put(api, operator, FLEET, **{"If-Match": '"0"'})
    late = await _put(api, operator, ACME, **{"If-Match": "0"})
    odd = await _put(api, operator, ACME, **{"If-Match": "yesterday"})
    raced = await asyncio.gather(
        *(_put(api, operator, {"amount": f"{n}.00", "window": "day"}, **{"If-Match": "1"}) for n in (1, 2, 3))
    )

    assert first[0] == 200
    assert (late[0], late[1]["code"]) == (409, "conflict")
    assert "the budgets are at revision 1, not 0" in late[1]["detail"]
    assert (odd[0], "no revision of budgets" in odd[1]["detail"]) == (400, True)
    assert sorted(status for status, _ in raced) == [200, 409, 409]


async def test_only_those_who_run_the_fleet_declare(api: httpx.AsyncClient, make_token: Any) -> None:
    tokens = [
        await make_token(Role.VIEWER),
        await make_token(Role.WORKER),
        await make_token(Role.OPERATOR, projects=["acme"]),
        {},
    ]

    assert [(await _put(api, headers, FLEET))[0] for headers in tokens] == [403, 403, 403, 401]


async def test_a_reader_of_one_project_sees_its_budgets_and_those_of_no_project(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    await _put(api, operator, FLEET, ACME, BETA)

    seen = (await api.get("/api/v1/budgets", headers=await make_token(Role.VIEWER, projects=["acme"]))).json()

    assert seen["budgets"] == [FLEET, ACME]


async def test_a_second_replica_follows_without_being_told(
    start_api: Any, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    async with start_api() as one, start_api() as other:
        await _put(one, operator, FLEET)
        for _ in range(200):
            followed = (await other.get("/api/v1/budgets", headers=viewer)).json()["revision"]
            if followed == 1:
                break
            await asyncio.sleep(0.05)

    assert followed == 1


@pytest.fixture
async def redis(redis_url: str) -> Any:
    async with Redis.from_url(redis_url) as client:
        yield client


def _budgets(engine: AsyncEngine, redis: Redis) -> Budgets:
    return Budgets(engine, SetCopy(redis, "budgets"))


@pytest.fixture
async def no_postgres() -> Any:
    engine = make_engine("postgresql+asyncpg://u:p@127.0.0.1:9/none", pool_size=1, application_name="test")
    yield engine
    await engine.dispose()


async def test_a_replica_that_starts_without_postgres_knows_the_budgets_from_redis(
    engine: AsyncEngine, no_postgres: AsyncEngine, redis: Redis
) -> None:
    first = _budgets(engine, redis)
    await first.apply([FLEET, BETA], by="t1")
    started = _budgets(no_postgres, redis)

    with pytest.raises(DatabaseUnavailable):
        await started.refresh()

    assert started.current() == first.current()
    assert list(started.current().specs) == ["fleet.month", "beta.session"]


async def test_a_replica_that_nobody_told_does_not_pretend_that_there_are_no_budgets(
    no_postgres: AsyncEngine, redis: Redis
) -> None:
    started = _budgets(no_postgres, redis)
    await started.start()
    await started.close()

    assert started.known is None
    with pytest.raises(DatabaseUnavailable, match="the budgets are not known yet"):
        started.current()


async def test_budgets_and_limits_have_copies_of_their_own(engine: AsyncEngine, redis: Redis) -> None:
    budgets = _budgets(engine, redis)
    await budgets.apply([FLEET], by="t1")

    assert await SetCopy(redis, "limits").revision() is None
    await redis.flushdb()
    await budgets.refresh()
    assert await SetCopy(redis, "budgets").revision() == 1


async def test_budgets_are_declared_while_redis_is_away(engine: AsyncEngine) -> None:
    async with Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.2) as nowhere:
        budgets = _budgets(engine, nowhere)
        applied = await budgets.apply([FLEET], by="t1")
        with pytest.raises(RedisUnavailable):
            await budgets.refresh()

    assert (applied.revision, applied.is_changed, budgets.current().revision) == (1, True, 1)


async def test_what_this_version_does_not_understand_leaves_what_is_in_force(
    engine: AsyncEngine, redis: Redis, db: Any
) -> None:
    budgets = _budgets(engine, redis)
    await budgets.apply([FLEET], by="t1")
    await db.execute("INSERT INTO budget_set (document, created_by) VALUES ('[{\"moons\": 2}]', 'x')")
    await budgets.refresh()
    held = budgets.current().revision
    # A provider that left the catalogue is understood: its budget goes on.
    await db.execute(
        "INSERT INTO budget_set (document, created_by) VALUES ($1::jsonb, 'x')",
        '[{"provider": "gone-ai", "amount": "2.00", "window": "day"}]',
    )
    await budgets.refresh()

    assert held == 1
    assert list(budgets.current().specs) == ["gone-ai.day"]
