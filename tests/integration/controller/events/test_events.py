"""Live events over real sockets: told once, heard by who may, gone on with where they broke off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span
from tests.integration.controller.events.conftest import HEARD_S, StartReplica, listening

from voicegateway_controller.access import Role, revoke_token
from voicegateway_controller.access.guesses import GUESSES_MAX
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.events import EventStream, RequestTeller, api, hub, watching
from voicegateway_controller.redis_client import open_redis
from voicegateway_shared.ids import new_request_id

Rate = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def rate(url: str, worker: dict[str, str], make_ledger: Any, redis: Redis) -> AsyncIterator[Rate]:
    """Return what delivers spans and rates them as a runner does, which tells."""
    teller = RequestTeller()
    ledger = make_ledger(tell=teller.take)
    telling = asyncio.create_task(teller.run(EventStream(redis)))

    async def rated(*spans: Any) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{url}/v1/traces", content=a_request(*spans), headers=worker)
        assert answer.status_code == 200
        await ledger.drain(limit_s=10)

    yield rated
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)


async def _sync(url: str, headers: dict[str, str], seq: int, *sessions: str, **changes: Any) -> None:
    message = {
        "incarnation": "host-1-aaaa", "seq": seq, "host": "host", "pid": 1, "shim_version": "0",
        "sessions": [
            {"session_id": each, "project": "acme", "agent": "receptionist", "room": "call-1",
             "started_at": "2026-01-01T00:00:00Z"}
            for each in sessions
        ],
        **changes,
    }  # fmt: skip
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/v1/sync", json=message, headers={"Authorization": headers["Authorization"]})
    assert answer.status_code == 200, answer.text


async def test_a_settled_request_is_heard_with_its_cost(url: str, rate: Rate, viewer: dict[str, str]) -> None:
    request_id = new_request_id()
    async with listening(url, viewer, kind="request") as listener:
        await rate(a_span(request_id=request_id))

        kind, event = await listener.heard()

    assert (kind, event["kind"], event["project"]) == ("request.settled", "request.settled", "acme")
    assert event["data"] | {"ended_at": ""} == {
        "request_id": request_id, "session_id": "AJ_1", "agent": "receptionist", "modality": "llm",
        "provider": "openai", "model": "gpt-4.1-mini", "outcome": "ok", "amount_usd": "0.0002688",
        "is_estimated": False, "is_unrated": False, "ttfb_ms": 400, "duration_ms": 900, "ended_at": "",
    }  # fmt: skip


async def test_who_comes_back_at_another_replica_has_missed_nothing(
    url: str, start_replica: StartReplica, rate: Rate, viewer: dict[str, str]
) -> None:
    ids = [new_request_id() for _ in range(3)]
    async with listening(url, viewer) as listener:
        await rate(a_span(request_id=ids[0]))
        first = await listener.heard_of("request.settled")
    for each in ids[1:]:
        await rate(a_span(request_id=each))

    async with start_replica() as other, listening(other, {**viewer, "Last-Event-ID": first["id"]}) as listener:
        heard = [await listener.heard() for _ in range(2)]
    async with listening(url, viewer, replay=2) as listener:
        replayed = [await listener.heard() for _ in range(2)]

    assert [(kind, event["data"]["request_id"]) for kind, event in heard] == [
        ("request.settled", ids[1]),
        ("request.settled", ids[2]),
    ]
    assert replayed == heard


async def test_nobody_hears_of_other_projects(
    url: str, rate: Rate, make_token: Any, viewer: dict[str, str], engine: AsyncEngine, redis: Redis
) -> None:
    beta = await make_token(Role.VIEWER, projects=["beta"])
    async with listening(url, beta) as listener, listening(url, viewer, kind=["alert"]) as everybody:
        await _watched(redis)
        await rate(a_span(PROJECT="acme"), a_span(PROJECT="beta", SESSION_ID="B"))
        await Alerts(engine).raise_("anomaly", "a", "of no project", {})
        await Alerts(engine).raise_("anomaly", "b", "of acme", {}, project="acme")
        await Alerts(engine).raise_("anomaly", "c", "of beta", {}, project="beta")
        titles = [(await everybody.heard())[1]["data"]["title"] for _ in range(3)]

        heard = [(await listener.heard())[1] for _ in range(2)]

    assert titles == ["of no project", "of acme", "of beta"]
    assert [(each["kind"], each["project"]) for each in heard] == [
        ("request.settled", "beta"),
        ("alert.raised", "beta"),
    ]
    async with httpx.AsyncClient() as client:
        recent = (await client.get(f"{url}/api/v1/events/recent", headers=beta)).json()
        named = await client.get(f"{url}/api/v1/events", params={"project": "acme"}, headers=beta)
    assert [each["project"] for each in recent["events"]] == ["beta", "beta"]
    assert (named.status_code, named.headers["content-type"]) == (403, "application/problem+json")


async def test_sessions_drains_switches_and_versions_are_told_once(
    url: str,
    start_replica: StartReplica,
    worker: dict[str, str],
    viewer: dict[str, str],
    make_token: Any,
    redis: Redis,
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    operator = await make_token(Role.OPERATOR)
    await _sync(url, worker, 1, "AJ_before")
    async with start_replica() as other, listening(url, viewer) as listener, listening(other, viewer) as second:
        await _watched(redis)
        await _sync(url, worker, 2, "AJ_before", "AJ_new")
        begun = await listener.heard()
        await _sync(url, worker, 3, "AJ_before")
        ended = await listener.heard()
        await _sync(url, worker, 4, "AJ_before", worker={"kind": "worker", "worker_id": "AW_1", "is_drained": True})
        drained = await listener.heard()
        async with httpx.AsyncClient() as client:
            await client.post(f"{url}/api/v1/providers/cartesia/disabled", json={"reason": "out"}, headers=operator)
        off = await listener.heard()
        number = await db.fetchval(
            "INSERT INTO configuration_version (number, actor, layer, kinds, summary) "
            "SELECT coalesce(max(number), 0) + 1, 'me', 'db', ARRAY['limits'], 'one' FROM configuration_version "
            "RETURNING number"
        )
        changed = await listener.heard()
        heard = [await second.heard() for _ in range(5)]

    assert begun[0] == "session.begun"
    assert begun[1]["data"] == {
        "session_id": "AJ_new", "agent": "receptionist", "room": "call-1", "started_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert (ended[0], ended[1]["data"]["session_id"], ended[1]["project"]) == ("session.ended", "AJ_new", "acme")
    assert (drained[0], drained[1]["data"]["worker_id"]) == ("worker.drained", "AW_1")
    assert (off[0], off[1]["data"]["provider"], off[1]["data"]["reason"]) == ("provider.disabled", "cartesia", "out")
    assert (changed[0], changed[1]["data"]["number"], changed[1]["data"]["kinds"]) == (
        "configuration.changed",
        number,
        ["limits"],
    )
    assert heard == [begun, ended, drained, off, changed]


async def test_a_token_that_was_revoked_hears_no_more(
    url: str, rate: Rate, make_token: Any, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "VERIFY_S", 0.2)
    headers = await make_token(Role.VIEWER)
    async with listening(url, headers) as listener:
        await revoke_token(engine, headers["Authorization"].split("_")[1])

        kind, told = await listener.heard()

    assert (kind, told["code"]) == ("end", "unauthenticated")


async def test_a_revoked_token_hears_no_more_however_much_its_holder_guesses(
    url: str, make_token: Any, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "VERIFY_S", 0.2)
    headers = await make_token(Role.VIEWER)
    async with listening(url, headers) as listener, httpx.AsyncClient() as client:
        for number in range(GUESSES_MAX + 1):
            wrong = {"Authorization": f"Bearer vgw_{number:016x}_guess"}
            held = await client.get(f"{url}/api/v1/whoami", headers=wrong)
        await revoke_token(engine, headers["Authorization"].split("_")[1])

        kind, _ = await listener.heard()

    assert held.status_code == 429
    assert kind == "end"


async def test_listeners_are_bounded_and_leave_their_place(
    url: str, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LISTENERS_MAX", 1)
    async with httpx.AsyncClient() as client:
        async with listening(url, viewer):
            refused = await client.get(f"{url}/api/v1/events", headers=viewer)
        wrong = [
            (await client.get(f"{url}/api/v1/events", params=query, headers=viewer)).status_code
            for query in ({"after": "yesterday"}, {"kind": "weather"}, {"replay": "-1"}, {"project": "\x00"})
        ]

    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) > 0
    assert wrong == [400, 400, 422, 422]


async def test_what_is_kept_no_longer_is_said_to_be_missing(
    url: str, rate: Rate, viewer: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "HEARTBEAT_S", 0.2)
    async with listening(url, viewer) as listener:
        await rate(a_span())
        last = (await listener.heard())[1]["id"]
        await redis.flushdb()
        assert (await listener.line()).startswith(": ")
    async with listening(url, {**viewer, "Last-Event-ID": last}) as listener:
        assert await listener.heard() == (
            "gap",
            {"after": last, "detail": "events since this one are kept no longer"},
        )
        await rate(a_span())
        assert (await listener.heard())[0] == "request.settled"


async def test_who_comes_back_to_a_redis_whose_clock_is_behind_hears_what_comes(
    url: str, viewer: dict[str, str], redis: Redis
) -> None:
    events = EventStream(redis)
    await events.append([_numbered(1)])
    async with listening(url, viewer, after="999999999999999-0") as listener:
        assert (await listener.heard())[0] == "gap"
        await events.append([_numbered(2)])
        kind, told = await listener.heard()

    assert (kind, told["data"]) == ("request.settled", {"request_id": "2"})


async def test_who_is_slower_than_memory_reads_from_redis(
    url: str, viewer: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PAGE", 100)
    monkeypatch.setattr(api, "PAGE", 100)
    events = EventStream(redis)
    async with listening(url, viewer) as listener:
        for start in range(0, 2_500, 500):
            await events.append([_numbered(each) for each in range(start, start + 500)])

        heard = [(await listener.heard())[1]["data"]["request_id"] for _ in range(2_500)]

    assert heard == [str(each) for each in range(2_500)]


def _numbered(number: int) -> Any:
    from voicegateway_controller.events import Event

    return Event(kind="request.settled", at="", project="acme", data={"request_id": str(number)})


async def _watched(redis: Redis) -> None:
    """Return once a replica knows how things are: what changes from now on is told."""
    async with asyncio.timeout(HEARD_S):
        while watching.PRIMED not in await EventStream(redis).known():  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.05)
