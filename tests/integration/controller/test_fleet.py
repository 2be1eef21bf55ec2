"""`POST /v1/sync`: presence that survives duplicates, reordering and a flushed Redis, and ends by itself."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

SESSION = {"session_id": "AJ_1", "project": "acme", "agent": "a", "room": "r", "started_at": "2026-11-21T09:00:00Z"}


def _message(seq: int, **changes: Any) -> bytes:
    message = {"incarnation": "host-1-1", "seq": seq, "host": "h", "pid": 1, "shim_version": "0.1.0", **changes}
    return json.dumps(message).encode()


def _answer(seq: int, *, next_sync_ms: int) -> dict[str, Any]:
    """What is answered where no limit is declared, to a holder that did not know it."""
    return {
        "version": 1, "seq": seq, "next_sync_ms": next_sync_ms, "limits_revision": 0, "pools": [], "leases": [],
        "money": None, "routing": None, "keys": None, "order": None,
    }  # fmt: skip


async def _calls(api: httpx.AsyncClient, viewer: dict[str, str]) -> tuple[int, int]:
    live = (await api.get("/api/v1/live", headers=viewer)).json()
    return live["workers"], live["calls"]


async def test_the_newest_message_counts_whatever_the_order(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str]
) -> None:
    seen = []
    for seq, changes in ((2, {"sessions": [SESSION]}), (1, {}), (2, {}), (3, {})):
        response = await api.post("/v1/sync", content=_message(seq, **changes), headers=worker)
        seen.append((response.json(), await _calls(api, viewer)))

    assert seen == [
        (_answer(2, next_sync_ms=1_000), (1, 1)),
        (_answer(2, next_sync_ms=10_000), (1, 1)),
        (_answer(2, next_sync_ms=10_000), (1, 1)),
        (_answer(3, next_sync_ms=10_000), (1, 0)),
    ]


async def test_a_holder_that_left_does_not_come_back_by_a_late_message(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str]
) -> None:
    await api.post("/v1/sync", content=_message(1, sessions=[SESSION]), headers=worker)
    await api.post("/v1/sync", content=_message(3, is_leaving=True), headers=worker)
    await api.post("/v1/sync", content=_message(2, sessions=[SESSION]), headers=worker)

    assert await _calls(api, viewer) == (0, 0)


async def test_the_next_message_restores_what_redis_forgot(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], redis_url: str
) -> None:
    await api.post("/v1/sync", content=_message(1, sessions=[SESSION]), headers=worker)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        forgotten = await _calls(api, viewer)
        await redis.script_flush()
    await api.post("/v1/sync", content=_message(2, sessions=[SESSION]), headers=worker)

    assert (forgotten, await _calls(api, viewer)) == ((0, 0), (1, 1))


async def test_a_silent_holder_is_forgotten(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str], redis_url: str
) -> None:
    await api.post("/v1/sync", content=_message(1, sessions=[SESSION]), headers=worker)
    async with Redis.from_url(redis_url) as redis:
        keys = await redis.keys("voicegateway:{fleet}*")
        assert len(keys) == 2
        holder = next(key for key in keys if b"holder:" in key)
        assert 4_000 < await redis.pttl(holder) <= 8_000
        await redis.zadd("voicegateway:{fleet}:holders", {"host-1-1": 1})

    assert await _calls(api, viewer) == (0, 0)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"not json", "not a sync message"),
        (b"{}", "not a sync message"),
        (_message(1, version=2), "sync version 2 is not spoken here, 1 is: upgrade the older of the two"),
        (_message(1, sessions=[SESSION] * 257), "more than 256 sessions in one message"),
        (_message(1, incarnation=""), "incarnation must have 1 to 256 characters"),
    ],
)
async def test_a_message_we_cannot_read_is_refused(
    body: bytes, detail: str, api: httpx.AsyncClient, worker: dict[str, str]
) -> None:
    response = await api.post("/v1/sync", content=body, headers=worker)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert response.json()["detail"].startswith(detail)


async def test_a_message_that_says_nothing_of_calls_leaves_them_as_they_were(
    api: httpx.AsyncClient, worker: dict[str, str], viewer: dict[str, str]
) -> None:
    await api.post("/v1/sync", content=_message(1, sessions=[SESSION]), headers=worker)
    response = await api.post("/v1/sync", content=_message(2, sessions=None), headers=worker)

    assert response.json() == _answer(2, next_sync_ms=10_000)
    assert await _calls(api, viewer) == (1, 1)


async def test_a_worker_speaks_for_its_own_projects_only(
    api: httpx.AsyncClient, make_token: Any, viewer: dict[str, str]
) -> None:
    headers = await make_token(projects=["beta"])

    response = await api.post("/v1/sync", content=_message(1, sessions=[SESSION]), headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert await _calls(api, viewer) == (0, 0)
