"""Routing is declared as a whole, holds at every replica, and each holder is told what concerns its projects."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.routing import Routings
from voicegateway_shared.routing import Routing, parse_routing

MINI, OSS = "openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"
FAST = {"chains": {"llm": {"fast": {"models": [MINI, OSS], "strategy": "cheapest"}}}}
WHOLE: dict[str, Any] = {
    "chains": {"llm": {"fast": [MINI, {"model": OSS, "weight": 2, "options": {"temperature": 0.2}}]}},
    "stacks": {"premium": {"stt": "deepgram/nova-3", "llm": "fast", "tts": "cartesia/sonic-3"}},
    "defaults": {"stack": "premium"},
    "projects": {
        "acme": {"chains": {"llm": {"fast": [OSS]}}},
        "beta": {"defaults": {"llm": MINI}},
    },
}


async def _put(
    api: httpx.AsyncClient, headers: dict[str, str], routing: Any, **more: str
) -> tuple[int, dict[str, Any]]:
    response = await api.put("/api/v1/routing", json={"routing": routing}, headers=headers | more)
    return response.status_code, response.json()


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def test_a_set_replaces_the_one_before_and_the_same_set_is_no_new_revision(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], db: Any
) -> None:
    none = (await api.get("/api/v1/routing", headers=viewer)).json()
    answers = [await _put(api, operator, routing) for routing in (FAST, FAST, WHOLE, {})]
    last = await api.get("/api/v1/routing", headers=viewer)

    assert (none["revision"], none["routing"]) == (0, {})
    assert answers == [
        (200, {"revision": 1, "is_changed": True, "chains": 1, "stacks": 0, "warnings": []}),
        (200, {"revision": 1, "is_changed": False, "chains": 1, "stacks": 0, "warnings": []}),
        (200, {"revision": 2, "is_changed": True, "chains": 2, "stacks": 1, "warnings": []}),
        (200, {"revision": 3, "is_changed": True, "chains": 0, "stacks": 0, "warnings": []}),
    ]
    assert (last.json()["revision"], last.headers["etag"]) == (3, '"3"')
    with pytest.raises(asyncpg.RestrictViolationError):
        await db.execute("DELETE FROM routing_set")


async def test_what_is_declared_is_shown_as_it_was_given(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    await _put(api, operator, WHOLE)

    seen = (await api.get("/api/v1/routing", headers=viewer)).json()["routing"]

    assert seen == WHOLE
    assert list(seen) == ["chains", "stacks", "defaults", "projects"]
    assert list(seen["stacks"]["premium"]) == ["stt", "llm", "tts"]
    assert (await _put(api, operator, seen))[1]["is_changed"] is False


@pytest.mark.parametrize(
    ("routing", "words"),
    [
        ({"chains": {"llm": {"fast": ["opnai/x"]}}}, ("routing.chains.llm.fast.models[0]", "did you mean 'openai'")),
        ({"chains": {"llm": {"fast": ["openai/a\x00b"]}}}, ("routing.chains.llm.fast[0]", "printable")),
        ({"chains": {"llm": {"fast": ["openai/" + "m" * 1100]}}}, ("1024",)),
        ({"chains": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}, ("nested too deep",)),
        ({"stacks": {"premium": {"llm": "fast"}}}, ("routing.stacks.premium.llm", "no llm chain 'fast'")),
    ],
)
async def test_a_wrong_set_is_refused_with_its_reason_and_changes_nothing(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str], routing: Any, words: tuple[str, ...]
) -> None:
    await _put(api, operator, FAST)

    status, problem = await _put(api, operator, routing)

    assert (status, problem["code"]) == (400, "bad_request")
    assert all(word in problem["detail"] for word in words), problem["detail"]
    assert (await api.get("/api/v1/routing", headers=viewer)).json()["revision"] == 1


async def test_a_provider_that_workers_add_is_declared_with_a_warning(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    status, applied = await _put(api, operator, {"chains": {"llm": {"own": ["housebrand/llm-1", MINI]}}})

    assert status == 200
    assert applied["warnings"] == [
        "provider 'housebrand' is not known here: fine if your workers add it, and its requests have no price"
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"routing": []}', b'{"routing": {}, "more": 1}', b"\xff"])
async def test_a_body_that_is_no_set_is_refused(api: httpx.AsyncClient, operator: dict[str, str], body: bytes) -> None:
    response = await api.put("/api/v1/routing", content=body, headers=operator)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_who_decided_on_another_revision_is_told_so(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    first = await _put(api, operator, FAST, **{"If-Match": '"0"'})
    late = await _put(api, operator, {}, **{"If-Match": "0"})
    raced = await asyncio.gather(
        *(_put(api, operator, {"defaults": {"llm": f"openai/gpt-{n}"}}, **{"If-Match": "1"}) for n in range(3))
    )

    assert (first[0], late[0], late[1]["code"]) == (200, 409, "conflict")
    assert sorted(status for status, _ in raced) == [200, 409, 409]


async def test_only_those_who_run_the_fleet_declare(api: httpx.AsyncClient, make_token: Any) -> None:
    tokens = [
        await make_token(Role.VIEWER),
        await make_token(Role.WORKER),
        await make_token(Role.OPERATOR, projects=["acme"]),
        {},
    ]

    assert [(await _put(api, headers, FAST))[0] for headers in tokens] == [403, 403, 403, 401]


async def test_a_reader_of_one_project_sees_its_section_and_everybodys(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    await _put(api, operator, WHOLE)

    seen = (await api.get("/api/v1/routing", headers=await make_token(Role.VIEWER, projects=["acme"]))).json()

    assert seen["routing"] == {**WHOLE, "projects": {"acme": WHOLE["projects"]["acme"]}}


@pytest.fixture
async def routings(engine: AsyncEngine, redis_url: str) -> Any:
    redis = Redis.from_url(redis_url)
    made = Routings(engine, SetCopy(redis, "routing"))
    yield made
    await redis.aclose()


async def test_a_holder_is_told_what_concerns_its_projects_once(routings: Routings) -> None:
    everybodys: tuple[str, Routing | None] = routings.told("known", lambda _: True)
    await routings.apply(WHOLE, by="test")
    tag, whole = routings.told("", lambda _: True)
    acmes_tag, acmes = routings.told(tag, lambda project: project == "acme")

    assert everybodys == ("known", None)
    assert whole == parse_routing(WHOLE)
    assert acmes == parse_routing({**WHOLE, "projects": {"acme": WHOLE["projects"]["acme"]}})
    assert acmes_tag != tag
    assert routings.told(tag, lambda _: True) == (tag, None)
    assert routings.told(acmes_tag, lambda project: project == "acme") == (acmes_tag, None)


async def test_the_tag_goes_by_what_is_told_and_not_by_the_revision(routings: Routings) -> None:
    await routings.apply(WHOLE, by="test")
    nobodys, _ = routings.told("", lambda _: False)
    everybodys, _ = routings.told("", lambda _: True)
    changed = {**WHOLE, "projects": {"acme": {"defaults": {"llm": OSS}}}}
    await routings.apply(changed, by="test")

    assert routings.told("", lambda _: False)[0] == nobodys
    assert routings.told("", lambda _: True)[0] != everybodys


async def test_a_replica_that_starts_without_postgres_knows_the_copy_in_redis(
    routings: Routings, redis_url: str, engine: AsyncEngine
) -> None:
    await routings.apply(WHOLE, by="test")
    await routings.refresh()
    away = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/none", pool_size=1, application_name="test")
    redis = Redis.from_url(redis_url)
    other = Routings(away, SetCopy(redis, "routing"))
    with pytest.raises(DatabaseUnavailable):
        await other.refresh()
    told = other.told("", lambda _: True)
    await redis.aclose()
    await away.dispose()

    assert told == routings.told("", lambda _: True)
