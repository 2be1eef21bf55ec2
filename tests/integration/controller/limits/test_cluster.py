"""A real Redis Cluster of three servers: the same leases, the same bound, pools on all of them."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
import redis
from redis.cluster import RedisCluster
from redis.crc import key_slot
from tests.fixtures import limit_histories
from tests.fixtures.health_worker import HealthWorker
from tests.fixtures.limit_histories import RatePlots, play_rates, play_slots
from tests.fixtures.waiting import eventually

from voicegateway_controller import redis_client
from voicegateway_controller.access import Role
from voicegateway_controller.budgets import pools as budget_pools
from voicegateway_controller.embedded.binaries import find_valkey
from voicegateway_controller.embedded.ports import HOST, choose_port
from voicegateway_controller.limits import pools
from voicegateway_controller.redis_client import close_redis, open_redis
from voicegateway_shared.wire import HealthTarget

SERVERS = 3
SLOTS_ALL = 16_384
NAMES = ("alto", "bass", "cello", "drum", "flute", "guitar", "harp", "oboe", "tuba")
SLOTS = [{"name": f"{name}-slots", "provider": "openai", "model": name, "concurrent": 5} for name in NAMES]
RATES = [{"name": f"{name}-rate", "provider": "groq", "model": name, "requests_per_min": 600} for name in NAMES]
LIMITS = [*SLOTS, *RATES]
NOVA = HealthTarget(provider="deepgram", model="nova-3", modality="stt", account="k2")


class Cluster:
    """Three servers without replicas. Lives as long as the module's tests."""

    def __init__(self, folder: Path) -> None:
        self.ports: list[int] = []
        self._bus_ports: list[int] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        program = str(find_valkey().path)
        for number in range(SERVERS):
            home = folder / str(number)
            home.mkdir()
            port, bus_port = choose_port(None), choose_port(None)
            settings = {
                "bind": HOST,
                "port": port,
                "cluster-enabled": "yes",
                "cluster-port": bus_port,
                "cluster-config-file": "nodes.conf",
                "cluster-require-full-coverage": "no",
                "save": '""',
                "appendonly": "no",
                "dir": home,
                "logfile": home / "log",
            }
            (home / "valkey.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
            self.ports.append(port)
            self.processes.append(subprocess.Popen([program, str(home / "valkey.conf")]))
            self._bus_ports.append(bus_port)

    @property
    def url(self) -> str:
        return f"redis+cluster://{HOST}:{self.ports[0]}"

    def port_of(self, key: str) -> int:
        return self.ports[key_slot(key.encode()) * SERVERS // SLOTS_ALL]

    async def form(self) -> None:
        """Give each server a third of the slots and let them meet."""
        clients: list[Any] = [redis.Redis(host=HOST, port=port) for port in self.ports]
        await eventually(lambda: all(map(_answers, clients)))
        for number, client in enumerate(clients):
            mine = [slot for slot in range(SLOTS_ALL) if slot * SERVERS // SLOTS_ALL == number]
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", mine[0], mine[-1])
        for port, bus_port in zip(self.ports[1:], self._bus_ports[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", HOST, port, bus_port)
        await eventually(lambda: all(map(_is_whole, clients)))
        for client in clients:
            client.close()

    def flush(self) -> None:
        for port in self.ports:
            with redis.Redis(host=HOST, port=port) as client:
                client.flushall()
                client.script_flush()

    @contextmanager
    def silenced(self, number: int) -> Iterator[None]:
        """Have a server not answer for a while."""
        self.processes[number].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[number].send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _is_whole(client: Any) -> bool:
    told = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in told and f"cluster_slots_ok:{SLOTS_ALL}".encode() in told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    with ExitStack() as stack:
        cluster = Cluster(tmp_path_factory.mktemp("cluster"))
        stack.callback(cluster.end)
        await cluster.form()
        yield cluster


@pytest.fixture
def cluster(servers: Cluster) -> Cluster:
    """The cluster, empty and without any script."""
    servers.flush()
    return servers


async def _say(api: httpx.AsyncClient, headers: dict[str, str], holder: str, seq: int, **said: Any) -> httpx.Response:
    message = {"incarnation": holder, "seq": seq, "host": "h", "pid": 1, "shim_version": "0.1.0", "sessions": None}
    return await api.post("/v1/sync", content=json.dumps(message | said), headers=headers)


async def _sync(api: httpx.AsyncClient, headers: dict[str, str], holder: str, seq: int, **said: Any) -> Any:
    response = await _say(api, headers, holder, seq, **said)
    assert response.status_code == 200, response.text
    return response.json()


def _claims(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [{"pool": pool_id, "project": "acme", "target": 1} for pool_id in ids]


async def test_one_message_leases_from_pools_of_every_server(
    start_api: Any, make_token: Any, worker: dict[str, str], viewer: dict[str, str], cluster: Cluster
) -> None:
    operator = await make_token(Role.OPERATOR)
    target = {"provider": "openai", "model": "alto", "modality": "llm", "project": "acme"}
    signals = [
        {"target": target, "kind": "refused", "retry_after_ms": 60_000},
        {"target": target, "kind": "limit", "meter": "slots", "limit": 4},
    ]
    async with start_api(redis_url=cluster.url) as api:
        declared = await api.put("/api/v1/limits", json={"limits": LIMITS}, headers=operator)
        ids = [pool["id"] for pool in (await _sync(api, worker, "h-0", 1))["pools"]]
        claims = [{"pool": pool_id, "project": "acme", "target": 4, "need": 4, "wait_ms": 250} for pool_id in ids]
        first = await _sync(api, worker, "h-1", 1, claims=claims, sessions=[])
        second = await _sync(api, worker, "h-2", 1, claims=claims, signals=signals)
        report = (await api.get("/api/v1/limits", headers=viewer)).json()
        ready = (await api.get("/readyz")).json()

    assert declared.status_code == 200
    assert {cluster.port_of(pools._keys(pool_id)[0]) for pool_id in ids} == set(cluster.ports)
    assert [lease.get("granted", 0) for lease in first["leases"]] == [4] * 18
    paused = ids.index("alto-slots:concurrent")
    expected = [1 if pool_id.endswith("concurrent") else 4 for pool_id in ids]
    expected[paused] = 0
    assert [lease.get("granted", 0) for lease in second["leases"]] == expected
    assert second["leases"][paused]["state"] == "paused"
    leased = {pool["id"]: pool["live"]["leased"] for pool in report["pools"]}
    assert leased == {pool_id: 4 + more for pool_id, more in zip(ids, expected, strict=True)}
    assert [len(pool["learned"]) for pool in report["pools"]] == [int(pool_id == ids[paused]) for pool_id in ids]
    assert ready["checks"]["redis"] == "ok"


async def test_a_server_that_lost_its_memory_learns_and_the_others_go_on(
    start_api: Any, make_token: Any, worker: dict[str, str], cluster: Cluster
) -> None:
    async with start_api(redis_url=cluster.url) as api:
        await api.put("/api/v1/limits", json={"limits": LIMITS}, headers=await make_token(Role.OPERATOR))
        ids = [pool["id"] for pool in (await _sync(api, worker, "h-0", 1))["pools"]]
        claims = _claims(ids)
        await _sync(api, worker, "h-1", 1, claims=claims)
        with redis.Redis(host=HOST, port=cluster.ports[1]) as client:
            client.flushall()
        answer = await _sync(api, worker, "h-1", 2, claims=claims)

    states = {lease["pool"]: lease.get("state", "ok") for lease in answer["leases"]}
    forgotten = {pool_id for pool_id in ids if cluster.port_of(pools._keys(pool_id)[0]) == cluster.ports[1]}
    assert forgotten
    assert states == {pool_id: "learning" if pool_id in forgotten else "ok" for pool_id in ids}


async def test_budgets_on_every_server_go_on_when_one_lost_its_memory(
    start_api: Any, make_token: Any, worker: dict[str, str], cluster: Cluster
) -> None:
    budgets = [{"name": name, "project": "acme", "agent": name, "amount": "1.00", "window": "total"} for name in NAMES]
    ids = [f"{name}@total" for name in NAMES]
    wants = {"claims": [{"pool": pool_id, "need": 500, "target": 500} for pool_id in ids]}
    holds = {"claims": [{"pool": pool_id, "used": 400, "granted": 500, "target": 500} for pool_id in ids]}
    async with start_api(redis_url=cluster.url) as api:
        declared = await api.put("/api/v1/budgets", json={"budgets": budgets}, headers=await make_token(Role.OPERATOR))
        first = await _sync(api, worker, "h-1", 1, money=wants)
        with redis.Redis(host=HOST, port=cluster.ports[1]) as client:
            client.flushall()
        back = await _sync(api, worker, "h-1", 2, money=holds)
        other = await _sync(api, worker, "h-2", 1, money=wants)

    assert declared.status_code == 200, declared.text
    assert {cluster.port_of(budget_pools.keys(pool_id)[0]) for pool_id in ids} == set(cluster.ports)
    for answer in (first, back, other):
        assert [(lease.get("state", "ok"), lease["granted"]) for lease in answer["money"]["leases"]] == [
            ("ok", 500)
        ] * 9


@pytest.mark.parametrize("silent", range(SERVERS))
async def test_a_server_that_does_not_answer_stops_the_leases_of_its_own_pools_only(
    start_api: Any, make_token: Any, worker: dict[str, str], cluster: Cluster, silent: int
) -> None:
    async with start_api(redis_url=cluster.url) as api:
        await api.put("/api/v1/limits", json={"limits": LIMITS}, headers=await make_token(Role.OPERATOR))
        ids = [pool["id"] for pool in (await _sync(api, worker, "h-0", 1))["pools"]]
        theirs = [pool_id for pool_id in ids if cluster.port_of(pools._keys(pool_id)[0]) == cluster.ports[silent]]
        ours = [pool_id for pool_id in ids if pool_id not in theirs]
        with cluster.silenced(silent):
            away = await _say(api, worker, "h-1", 1, claims=_claims(theirs))
            there = [await _say(api, worker, "h-2", seq, claims=_claims(ours)) for seq in (1, 2)]
        again = await _say(api, worker, "h-1", 2, claims=_claims(theirs))

    assert (away.status_code, away.json()["code"]) == (503, "redis_unavailable")
    assert [response.status_code for response in there] == [200, 200]
    assert {lease.get("state", "ok") for lease in again.json()["leases"]} == {"ok"}


async def test_of_many_at_once_each_is_served_or_hears_that_redis_is_away(
    start_api: Any, make_token: Any, worker: dict[str, str], cluster: Cluster
) -> None:
    async with start_api(redis_url=cluster.url) as api:
        await api.put("/api/v1/limits", json={"limits": LIMITS}, headers=await make_token(Role.OPERATOR))
        ids = [pool["id"] for pool in (await _sync(api, worker, "h-0", 1))["pools"]]
        with cluster.silenced(1):
            answers = await asyncio.gather(
                *(_say(api, worker, f"h-{number}", 1, claims=_claims(ids[number::9])) for number in range(9)),
                *(_say(api, worker, f"i-{number}", 1, claims=_claims(ids[number::9])) for number in range(9)),
            )
        again = await _say(api, worker, "h-again", 1, claims=_claims(ids))

    assert {(answer.status_code, answer.json().get("code")) for answer in answers} <= {
        (200, None),
        (503, "redis_unavailable"),
    }
    assert again.status_code == 200


async def test_one_commands_error_ends_no_other_command(cluster: Cluster) -> None:
    client = open_redis(cluster.url)
    try:
        await client.set("first", "opens the connections")
        pipeline = client.pipeline(transaction=False)
        for name in NAMES:
            pipeline.set(name, name)
        with cluster.silenced(0):
            others = asyncio.create_task(pipeline.execute(raise_on_error=False))
            await asyncio.sleep(0.1)
            # What redis-py does when a command of somebody else had no answer.
            await client.aclose()

        assert await others == [True] * len(NAMES)
    finally:
        await close_redis(client)


async def test_asking_anew_who_has_what_ends_no_command_that_waits(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "ANSWER_TIMEOUT_S", 30.0)
    client: Any = open_redis(cluster.url)
    try:
        names = {cluster.port_of(name): name for name in NAMES}
        waits, others = names[cluster.ports[0]], names[cluster.ports[1]]
        await client.delete(waits)
        pipeline = client.pipeline(transaction=False)
        pipeline.blpop([waits], timeout=20)
        waiting = asyncio.create_task(pipeline.execute())
        for _ in range(redis_client.CLUSTER_TRIES + 1):
            # What was ended is tried again a quarter of a second later.
            await asyncio.sleep(0.4)
            # What redis-py does when a command of somebody else had no answer.
            await client.aclose()
            await client.set(others, "asks anew")
        await client.rpush(waits, "heard")

        assert await waiting == [(waits.encode(), b"heard")]
    finally:
        await close_redis(client)


async def test_a_server_that_is_back_is_asked_whatever_was_lost_while_it_was_away(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(redis_client, "ANSWER_TIMEOUT_S", 0.1)
    client = open_redis(cluster.url)
    name = next(name for name in NAMES if cluster.port_of(name) == cluster.ports[0])
    try:
        with cluster.silenced(0):
            for _ in range(5):
                with pytest.raises(redis_client.AWAY):
                    await client.get(name)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.get(name), 0.01)
        for _ in range(100):
            try:
                await client.get(name)
                return
            except redis_client.AWAY:
                # It has much to catch up on for so little patience.
                await asyncio.sleep(0.05)
        pytest.fail("it is not asked any more")
    finally:
        await close_redis(client)


async def test_presence_is_kept_in_a_cluster(
    start_api: Any, worker: dict[str, str], viewer: dict[str, str], cluster: Cluster
) -> None:
    session = {"session_id": "s", "project": "acme", "agent": "a", "room": "r", "started_at": "2026-11-21T00:00:00Z"}
    async with start_api(redis_url=cluster.url) as api:
        for number in range(5):
            await _sync(api, worker, f"h-{number}", 1, sessions=[session | {"session_id": f"s-{number}"}])
        live = (await api.get("/api/v1/live", headers=viewer)).json()

    assert (live["workers"], live["calls"]) == (5, 5)


class OneServersView:
    """The cluster as the histories use a server: their time and boot come with each call, not from other keys."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._told: Mapping[str, Any] = {}
        self.delete, self.hmget = cluster.delete, cluster.hmget
        self.dump, self.restore = cluster.dump, cluster.restore

    def mset(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def register_script(self, text: str) -> Callable[..., Any]:
        for place, name in (("#ARGV - 1", "history:now"), ("#ARGV", "history:boot")):
            assert f"redis.call('GET', '{name}')" in text
            text = text.replace(f"redis.call('GET', '{name}')", f"ARGV[{place}]")
        script: Any = self._cluster.register_script(text)

        def run(*, keys: list[str], args: list[Any]) -> Any:
            return script(keys=keys, args=[*args, self._told["history:now"], self._told["history:boot"]])

        return run


@pytest.fixture
def server(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("RATE_SPECS", "SLOT_SPECS"):
        specs = getattr(limit_histories, name)
        apart = [msgspec.structs.replace(spec, id=f"{spec.id}-{number}") for number, spec in enumerate(specs)]
        assert len({cluster.port_of(pools._keys(spec.id)[0]) for spec in apart}) > 1
        monkeypatch.setattr(limit_histories, name, apart)
    client = RedisCluster(host=HOST, port=cluster.ports[0])
    yield OneServersView(client)
    client.close()


def test_the_bounds_hold_in_every_history_on_a_cluster(server: Any) -> None:
    rates, slots = play_rates(server, range(60)), play_slots(server, range(60))

    assert (rates["over"], slots["over"]) == (0, 0)
    assert rates["near"] > 0
    assert slots["full"] > 5


def test_a_broken_rule_is_missed_on_a_cluster_too(server: Any) -> None:
    mutation = ("if seq <= S then", "if false then")

    assert play_rates(server, range(100), mutation=mutation, kind=RatePlots, is_first_enough=True)["over"] > 0


async def test_vendors_health_is_shared_in_a_cluster(start_api: Any, worker: dict[str, str], cluster: Cluster) -> None:
    async with start_api(redis_url=cluster.url) as api:
        first, second = HealthWorker(api, worker), HealthWorker(api, worker, name="w2")
        await first.says(failed=2)
        heard = await second.hears()
        closed = [
            (await first.says(target=NOVA, limited=1, retry_after_ms=1)).number,
            (await first.says(target=NOVA, ok=1)).number,
            (await first.says(target=NOVA, ok=1)).number,
        ]

        assert heard is not None
        assert (heard.state, heard.cause) == ("open", "errors")
        assert closed == [2, 3, 4]
        assert await second.hears(NOVA) is None
