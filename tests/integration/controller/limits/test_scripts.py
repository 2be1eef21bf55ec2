"""Scripts go to Redis together, each asker gets its own answer, and what is too much is refused at once."""

import asyncio
from typing import Any

import pytest
import redis.asyncio
from tests.fixtures.services import TestServices

from voicegateway_controller.errors import Overloaded, RedisUnavailable
from voicegateway_controller.limits import scripts as module
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.limits.scripts import Call, Scripts
from voicegateway_controller.redis_client import open_redis
from voicegateway_shared.limits import PoolSpec, Selector
from voicegateway_shared.wire import Claim


def spec(name: str) -> PoolSpec:
    return PoolSpec(
        id=f"{name}:requests_per_s", limit=name, meter="requests", selector=Selector(provider="x"),
        units=1_000, period_ms=1_000, burst=1_000,
    )  # fmt: skip


@pytest.fixture
async def client(redis_url: str, services: TestServices) -> Any:
    client = open_redis(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


async def commands(client: redis.asyncio.Redis) -> dict[str, int]:
    found: Any = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}


async def test_many_askers_share_round_trips_and_get_their_own_answers(client: redis.asyncio.Redis) -> None:
    pools = Pools(client)
    names = [f"p{number}" for number in range(40)]
    for name in names:
        await pools.provision(spec(name), revision=1)
    await pools.lease("h", 0, [Claim(pool=spec("p0").id)], {spec("p0").id: spec("p0")}, revision=1)
    before = await client.info("stats")

    async def ask(number: int, name: str) -> int:
        claim = Claim(pool=spec(name).id, target=number + 1, need=number + 1)
        [lease] = await pools.lease("h", 1, [claim], {spec(name).id: spec(name)}, revision=1)
        assert lease.pool == claim.pool
        return lease.granted

    granted = await asyncio.gather(*(ask(number, name) for number, name in enumerate(names)))
    after = await client.info("stats")

    assert all(got >= number + 1 for number, got in enumerate(granted))
    # Each asker would be a read of the server's own; together they are a few.
    assert after["total_reads_processed"] - before["total_reads_processed"] < 20


async def test_scripts_that_a_server_forgot_are_sent_in_full(client: redis.asyncio.Redis) -> None:
    pools = Pools(client)
    await pools.provision(spec("p"), revision=1)
    await client.script_flush()

    assert await pools.look(spec("p")) is not None


async def test_more_than_can_be_answered_in_time_is_refused_at_once(
    client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 10)
    pools = Pools(client)
    outcomes = await asyncio.gather(*(pools.look(spec("p")) for _ in range(50)), return_exceptions=True)

    assert {type(each) for each in outcomes} == {type(None), Overloaded}
    assert await pools.look(spec("p")) is None, "it goes on afterwards"


async def test_one_wrong_script_is_its_askers_trouble_alone(client: redis.asyncio.Redis) -> None:
    scripts = Scripts(client)
    await client.set("voicegateway:{pool:wrong}:bucket", "no hash")
    pools = Pools(client)

    wrong: Any
    right: Any
    wrong, right = await asyncio.gather(
        scripts.run([Call("pause", ["voicegateway:{pool:wrong}:bucket"], [100])]),
        scripts.run([Call("pause", ["voicegateway:{pool:right}:bucket"], [100])]),
        return_exceptions=True,
    )

    assert isinstance(wrong, RedisUnavailable)
    assert right == [1]
    assert await pools.look(spec("p")) is None


async def test_who_stops_asking_stops_nobody_else(client: redis.asyncio.Redis) -> None:
    pools = Pools(client)
    leaving = [asyncio.ensure_future(pools.look(spec("p"))) for _ in range(20)]
    staying = [asyncio.ensure_future(pools.look(spec("p"))) for _ in range(20)]
    await asyncio.sleep(0)
    for each in leaving:
        each.cancel()

    assert await asyncio.gather(*staying) == [None] * 20


async def test_a_server_that_is_away_is_said_to_be(client: redis.asyncio.Redis) -> None:
    nowhere = open_redis("redis://127.0.0.1:9/0")
    pools = Pools(nowhere)

    outcomes = await asyncio.gather(*(pools.look(spec("p")) for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in outcomes} == {RedisUnavailable}
    await nowhere.aclose()


async def test_commands_of_two_words_are_packed_as_two(client: redis.asyncio.Redis) -> None:
    untyped: Any = client
    assert await untyped.execute_command("CONFIG GET", "maxmemory")
    assert (await commands(client))["config|get"] >= 1


async def test_an_overloaded_controller_refuses_messages_unread(
    start_api: Any, worker: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_api() as api:
        monkeypatch.setattr(Scripts, "is_full", True)
        first = await api.post("/v1/sync", content=b"not read", headers=worker)
        claims = b'{"incarnation":"i","seq":1,"host":"h","pid":1,"shim_version":"0","sessions":null}'
        monkeypatch.undo()
        after = await api.post("/v1/sync", content=claims, headers=worker)

    assert (first.status_code, first.json()["code"], first.headers["retry-after"]) == (429, "overloaded", "1")
    assert after.status_code == 200
