"""Leases through replicas that come and go, over a Redis that dies, forgets, and hears messages twice and late."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from voicegateway_controller.access import Role
from voicegateway_controller.embedded.valkey import EmbeddedValkey
from voicegateway_controller.limits import Pools
from voicegateway_shared.limits import parse_limits
from voicegateway_shared.wire import Claim

SLOTS = {"provider": "elevenlabs", "concurrent": 10}
SLOTS_POOL = "elevenlabs:concurrent"
RATE = {"provider": "openai", "requests_per_min": 60, "burst": 20}
RATE_POOL = "openai:requests_per_min"
WITHIN_S = 20.0


@pytest_asyncio.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of the test's own, to kill; it keeps nothing over a restart."""
    server = EmbeddedValkey(tmp_path, durable=False)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def _declare(api: httpx.AsyncClient, headers: dict[str, str], *limits: dict[str, Any]) -> None:
    response = await api.put("/api/v1/limits", json={"limits": limits}, headers=headers)
    assert response.status_code == 200, response.text


class Holder:
    """One process life that says what it wants of one pool."""

    def __init__(self, name: str, headers: dict[str, str], pool: str = SLOTS_POOL) -> None:
        self.name, self.headers, self.pool = name, headers, pool

    async def send(self, api: httpx.AsyncClient, seq: int, **claim: int) -> httpx.Response:
        said = {
            "incarnation": self.name, "seq": seq, "host": "h", "pid": 1, "shim_version": "0.1.0", "sessions": None,
            "claims": [{"pool": self.pool, "project": "acme", **claim}],
        }  # fmt: skip
        return await api.post("/v1/sync", content=json.dumps(said), headers=self.headers)

    async def ask(self, api: httpx.AsyncClient, seq: int, **claim: int) -> tuple[str, int]:
        """Return the state and the grant of the answer."""
        response = await self.send(api, seq, **claim)
        assert response.status_code == 200, response.text
        [lease] = response.json()["leases"]
        return lease.get("state", "ok"), lease.get("granted", 0)


async def _until(step: Callable[[int], Awaitable[tuple[str, int]]], is_enough: Callable[[str, int], bool]) -> int:
    """Repeat a step with a growing number until its answer is enough; return the grant."""
    deadline, number = time.monotonic() + WITHIN_S, 1
    state, granted = await step(number)
    while not is_enough(state, granted):
        assert time.monotonic() < deadline, f"still not enough after {WITHIN_S:g} s: {state}, {granted}"
        await asyncio.sleep(0.1)
        number += 1
        state, granted = await step(number)
    return granted


async def _live(api: httpx.AsyncClient, headers: dict[str, str], pool_id: str = SLOTS_POOL) -> Any:
    report = (await api.get("/api/v1/limits", headers=headers)).json()
    return next(pool["live"] for pool in report["pools"] if pool["id"] == pool_id)


async def test_a_redis_that_was_killed_learns_what_is_held_before_it_gives_more(
    start_api: Any, valkey: EmbeddedValkey, worker: dict[str, str], operator: dict[str, str]
) -> None:
    one, other = Holder("h-1", worker), Holder("h-2", worker)
    async with start_api(redis_url=valkey.url) as api:
        await _declare(api, operator, SLOTS)
        before = await one.ask(api, 1, target=4)
        valkey.kill()
        away = await one.send(api, 2, used=4, target=4)
        await valkey.restart()
        first = await _until(lambda n: _said(one, api, 2 + n), lambda state, _: state == "learning")

        async def both(number: int) -> tuple[str, int]:
            await one.send(api, 1_000 + number, used=4, target=4)
            return await other.ask(api, number, target=8)

        then = await _until(both, lambda state, granted: state == "ok" and granted > 0)

    assert before == ("ok", 4)
    assert (away.status_code, away.json()["code"]) == (503, "redis_unavailable")
    assert "Retry-After" in away.headers
    assert (first, then) == (4, 6)


async def _said(holder: Holder, api: httpx.AsyncClient, seq: int) -> tuple[str, int]:
    """The state while Redis comes back: 503 counts as a state."""
    response = await holder.send(api, seq, used=4, target=4)
    if response.status_code == 503:
        return "away", 0
    [lease] = response.json()["leases"]
    return lease.get("state", "ok"), lease.get("granted", 0)


async def test_after_flushall_a_rate_grants_nothing_until_what_it_forgot_has_ended(
    api: httpx.AsyncClient, worker: dict[str, str], operator: dict[str, str], redis_url: str
) -> None:
    await _declare(api, operator, RATE)
    one, other = Holder("h-1", worker, RATE_POOL), Holder("h-2", worker, RATE_POOL)
    before = await one.ask(api, 1, target=20, need=20, wait_ms=250)
    started = time.monotonic()
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()

    states = [await other.ask(api, 1, target=5, need=5, wait_ms=250)]
    granted = await _until(
        lambda n: other.ask(api, 1 + n, target=5, need=5, wait_ms=250), lambda state, granted: granted > 0
    )
    took_s = time.monotonic() - started

    assert before == ("ok", 20)
    assert states == [("learning", 0)]
    assert granted == 5
    assert took_s >= 3.0, "what was leased before could still be spent for the life of a lease"


async def test_replicas_share_what_they_lease(
    start_api: Any, worker: dict[str, str], operator: dict[str, str], viewer: dict[str, str]
) -> None:
    async with start_api() as left, start_api() as right:
        await _declare(left, operator, SLOTS)
        holders = [Holder(f"h-{number}", worker) for number in range(40)]
        await _until(lambda n: holders[0].ask(right, n, target=0), lambda state, _: state == "ok")
        answers = await asyncio.gather(
            *(holder.ask((left, right)[number % 2], 1_000, target=1, used=0) for number, holder in enumerate(holders))
        )
        live = await _live(right, viewer)

    assert sum(granted for _, granted in answers) == 10
    assert (live["leased"], live["level"], live["holders"]) == (10, 0, 40)


async def test_a_lease_goes_on_while_replicas_are_replaced_one_by_one(
    start_api: Any, worker: dict[str, str], operator: dict[str, str], viewer: dict[str, str]
) -> None:
    holder = Holder("h-1", worker)
    grants = []
    async with start_api() as old:
        await _declare(old, operator, SLOTS)
        grants.append(await holder.ask(old, 1, target=4))
        async with start_api() as new:
            grants.append(await holder.ask(new, 2, used=4, target=5))
            grants.append(await holder.ask(old, 3, used=5, target=6))
    async with start_api() as newest:
        grants.append(await holder.ask(newest, 4, used=6, target=6))
        live = await _live(newest, viewer)

    assert grants == [("ok", 4), ("ok", 5), ("ok", 6), ("ok", 6)]
    assert (live["leased"], live["holders"], live["learning_ms"]) == (6, 1, 0)


async def test_a_replica_with_older_limits_does_not_bring_them_back(redis_url: str) -> None:
    [wide] = parse_limits([SLOTS], providers=["elevenlabs"])
    [narrow] = parse_limits([{**SLOTS, "concurrent": 3}], providers=["elevenlabs"])
    claim = Claim(pool=SLOTS_POOL, project="acme", target=8)
    async with Redis.from_url(redis_url) as redis:
        pools = Pools(redis)
        await pools.provision(wide, revision=1)
        [newer] = await pools.lease("h-1", 1, [claim], {SLOTS_POOL: narrow}, revision=2)
        [older] = await pools.lease("h-1", 2, [claim], {SLOTS_POOL: wide}, revision=1)

    assert (newer.granted, older.granted) == (3, 3)


@pytest.mark.parametrize("seed", range(5))
async def test_messages_that_come_twice_and_late_leave_what_the_newest_said(
    start_api: Any, worker: dict[str, str], operator: dict[str, str], viewer: dict[str, str], seed: int
) -> None:
    chance = random.Random(seed)
    holders = [Holder(f"h-{number}", worker) for number in range(4)]
    sent = [(holder, seq, chance.randint(0, 5)) for holder in holders for seq in range(1, 13)]
    arriving = sent + chance.sample(sent, 20)
    chance.shuffle(arriving)
    newest: dict[str, tuple[int, int]] = {}
    async with start_api() as left, start_api() as right:
        await _declare(left, operator, SLOTS)
        await _until(lambda n: holders[0].ask(right, 0, target=0), lambda state, _: state != "unknown")
        for holder, seq, target in arriving:
            state, granted = await holder.ask(chance.choice((left, right)), seq, target=target)
            is_new = seq > newest.get(holder.name, (0, 0))[0]
            assert (state == "ok") is is_new
            if is_new:
                newest[holder.name] = (seq, granted)
            assert granted == newest[holder.name][1]
            assert sum(held for _, held in newest.values()) <= 10
        again = [await holder.ask(left, seq, target=target) for holder, seq, target in arriving]
        live = await _live(right, viewer)

    assert {state for state, _ in again} == {"outdated"}
    assert live["leased"] == sum(held for _, held in newest.values())
