"""`POST /v1/sync` with claims: leases in their order, bounds, projects, signals; what people see of it all."""

import json
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from voicegateway_controller.access import Role
from voicegateway_controller.limits import DefinitionsCopy, Gauges, Limits, LimitsView, PoolRecords, Pools, Signals
from voicegateway_controller.limits.signals import KEYS, LEARNED_MAX
from voicegateway_controller.metrics import LIMIT_POOL_HOLDERS, LIMIT_POOL_LEASED, LIMIT_POOL_LEVEL, LIMIT_POOL_WAITERS

OPENAI = {"provider": "openai", "model": "gpt-4.1-mini", "requests_per_min": 600}
SLOTS = {"provider": "elevenlabs", "concurrent": 10}
ACME = {"name": "acme-groq", "provider": "groq", "project": "acme", "concurrent": 3}
RATE_POOL = "openai.gpt-4.1-mini:requests_per_min"
TARGET = {"provider": "openai", "model": "gpt-4.1-mini", "modality": "llm", "project": "acme"}


@pytest.fixture
async def declare(api: httpx.AsyncClient, make_token: Any) -> Any:
    headers = await make_token(Role.OPERATOR)

    async def declare(*limits: dict[str, Any]) -> None:
        response = await api.put("/api/v1/limits", json={"limits": limits}, headers=headers)
        assert response.status_code == 200, response.text

    return declare


async def _sync(api: httpx.AsyncClient, headers: dict[str, str], seq: int, **said: Any) -> tuple[int, dict[str, Any]]:
    message = {"incarnation": "h-1", "seq": seq, "host": "h", "pid": 1, "shim_version": "0.1.0", "sessions": None}
    response = await api.post("/v1/sync", content=json.dumps(message | said), headers=headers)
    return response.status_code, response.json()


def _claim(pool: str = RATE_POOL, **changes: Any) -> dict[str, Any]:
    return {"pool": pool, "project": "acme", "target": 5, "demand_milli": 1_000, **changes}


async def test_each_claim_is_answered_with_a_lease_in_their_order(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any
) -> None:
    await declare(OPENAI, SLOTS, ACME)

    claims = [
        _claim("elevenlabs:concurrent", target=2),
        _claim("gone:concurrent"),
        _claim(need=1, wait_ms=250),
        _claim("acme-groq:concurrent", project="beta"),
        _claim("acme-groq:concurrent", target=1),
    ]
    status, answer = await _sync(api, worker, 1, claims=claims)

    leases = [(lease["pool"], lease.get("state", "ok"), lease.get("granted", 0)) for lease in answer["leases"]]
    assert status == 200
    assert leases == [
        ("elevenlabs:concurrent", "ok", 2),
        ("gone:concurrent", "unknown", 0),
        (RATE_POOL, "ok", 5),
        ("acme-groq:concurrent", "unknown", 0),
        ("acme-groq:concurrent", "ok", 1),
    ]
    assert (answer["seq"], answer["next_sync_ms"], answer["limits_revision"]) == (1, 1_000, 1)
    assert [pool["id"] for pool in answer["pools"]] == [RATE_POOL, "elevenlabs:concurrent", "acme-groq:concurrent"]


async def test_pools_are_told_only_when_the_holder_has_others(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, make_token: Any
) -> None:
    await declare(OPENAI | {"weights": {"acme": 3, "beta": 1}}, ACME)

    _, known = await _sync(api, worker, 1, limits_revision=1)
    _, old = await _sync(api, worker, 2, limits_revision=7)
    _, beta = await _sync(api, await make_token(projects=["beta"]), 3)

    assert known["pools"] is None
    assert [pool["id"] for pool in old["pools"]] == [RATE_POOL, "acme-groq:concurrent"]
    assert [(pool["id"], pool["weights"]) for pool in beta["pools"]] == [(RATE_POOL, {"beta": 1})]


async def test_an_older_message_changes_nothing(api: httpx.AsyncClient, worker: dict[str, str], declare: Any) -> None:
    await declare(SLOTS)
    await _sync(api, worker, 2, claims=[_claim("elevenlabs:concurrent", target=4)])

    _, late = await _sync(api, worker, 1, claims=[_claim("elevenlabs:concurrent", target=1)])

    assert [lease["state"] for lease in late["leases"]] == ["outdated"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"claims": [_claim(f"p{n}") for n in range(257)]}, "more than 256 claims"),
        ({"claims": [_claim(used=-1)]}, "from 0 to 2^53 - 1"),
        ({"claims": [_claim(need=2**53)]}, "from 0 to 2^53 - 1"),
        ({"claims": [_claim(pool="p" * 257)]}, "256 printable characters"),
        ({"claims": [_claim(project="a\nb")]}, "256 printable characters"),
        ({"claims": [_claim(), _claim()]}, "two claims"),
        ({"claims": [_claim(priority="vip")]}, "not a sync message"),
        ({"claims": [_claim()], "incarnation": "a|b"}, "without '|'"),
        ({"signals": [{"target": TARGET, "kind": "refused"}] * 33}, "more than 32 signals"),
        ({"signals": [{"target": TARGET, "kind": "limit", "meter": "moons"}]}, "not 'moons'"),
        ({"signals": [{"target": TARGET, "kind": "refused", "retry_after_ms": -1}]}, "from 0 to 2^53 - 1"),
    ],
)
async def test_what_is_out_of_bounds_is_refused(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, said: dict[str, Any], words: str
) -> None:
    await declare(OPENAI)

    status, problem = await _sync(api, worker, 1, **said)

    assert (status, problem["code"]) == (400, "bad_request")
    assert words in problem["detail"]


@pytest.mark.parametrize(
    "said", [{"claims": [_claim()]}, {"signals": [{"target": TARGET, "kind": "refused", "retry_after_ms": 60_000}]}]
)
async def test_a_worker_claims_and_speaks_for_its_own_projects_only(
    api: httpx.AsyncClient, make_token: Any, declare: Any, viewer: dict[str, str], said: dict[str, Any]
) -> None:
    await declare(OPENAI)

    status, problem = await _sync(api, await make_token(projects=["beta"]), 1, **said)

    live = (await api.get("/api/v1/limits", headers=viewer)).json()["pools"][0]["live"]
    assert (status, problem["code"]) == (403, "forbidden")
    assert (live["holders"], live["paused_ms"]) == (0, 0)


async def test_a_429_pauses_the_pools_it_is_about(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, viewer: dict[str, str]
) -> None:
    everybody = {"name": "all-of-acme", "project": "acme", "requests_per_min": 900}
    await declare(OPENAI, SLOTS, everybody, {"name": "other", "provider": "openai", "model": "gpt-5*", "concurrent": 2})

    signal = {"target": TARGET, "kind": "refused", "retry_after_ms": 60_000}
    _, answer = await _sync(api, worker, 1, signals=[signal], claims=[_claim(need=1, wait_ms=250)])

    pools = (await api.get("/api/v1/limits", headers=viewer)).json()["pools"]
    paused = {pool["id"]: pool["live"]["paused_ms"] > 55_000 for pool in pools}
    assert (answer["leases"][0]["state"], answer["leases"][0].get("granted", 0)) == ("paused", 0)
    assert paused == {
        RATE_POOL: True,
        "elevenlabs:concurrent": False,
        "all-of-acme:requests_per_min": False,
        "other:concurrent": False,
    }


async def test_what_a_vendor_tells_stands_beside_what_is_declared(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, viewer: dict[str, str]
) -> None:
    await declare(OPENAI, SLOTS)
    told = {"target": TARGET, "kind": "limit", "meter": "requests", "limit": 500, "period_ms": 60_000}
    more = {"remaining": 499, "reset_ms": 120, "header": "x-ratelimit-limit-requests"}

    await _sync(api, worker, 1, signals=[told | {"limit": 400}, told | more])

    report = (await api.get("/api/v1/limits", headers=viewer)).json()
    [learned] = report["learned"]
    assert learned.pop("age_ms") < 60_000
    assert learned == {
        "provider": "openai",
        "model": "gpt-4.1-mini",
        "modality": "llm",
        "account": "",
        "meter": "requests",
        "limit": 500,
        "period_ms": 60_000,
        "remaining": 499,
        "reset_ms": 120,
        "header": "x-ratelimit-limit-requests",
    }
    assert [len(pool["learned"]) for pool in report["pools"]] == [1, 0]


async def test_what_vendors_tell_is_bounded_and_forgotten(
    api: httpx.AsyncClient, worker: dict[str, str], redis_url: str
) -> None:
    for batch in range(8):
        signals = [
            {"target": TARGET | {"model": f"m{batch}-{n}"}, "kind": "limit", "meter": "requests", "limit": 1}
            for n in range(32)
        ]
        assert (await _sync(api, worker, batch, signals=signals))[0] == 200

    async with Redis.from_url(redis_url) as redis:
        assert [await redis.hlen(KEYS[0]), await redis.zcard(KEYS[1])] == [LEARNED_MAX, LEARNED_MAX]
        assert 3_500_000 < await redis.pttl(KEYS[0]) <= 3_600_000
        await redis.zadd(KEYS[1], dict.fromkeys(await redis.hkeys(KEYS[0]), 1))
        assert await Signals(redis, Pools(redis)).learned() == []
        await _sync(api, worker, 9, signals=[{"target": TARGET, "kind": "limit", "meter": "requests", "limit": 1}])
        assert await redis.hlen(KEYS[0]) == 1


async def test_people_see_who_holds_and_who_waits(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, viewer: dict[str, str], make_token: Any
) -> None:
    await declare(SLOTS)
    for number, project in ((1, "acme"), (2, "beta")):
        claim = _claim("elevenlabs:concurrent", project=project, used=1, target=8, waiters=number, refused=number)
        await _sync(api, worker, 1, incarnation=f"h-{number}", claims=[claim])

    [everybody] = (await api.get("/api/v1/limits", headers=viewer)).json()["pools"]
    beta = await make_token(Role.VIEWER, projects=["beta"])
    [only_beta] = (await api.get("/api/v1/limits", headers=beta)).json()["pools"]

    live = everybody["live"]
    holders = [(each["holder"], each["project"], each["spent"]) for each in live["top_holders"]]
    assert (live["leased"], live["holders"], live["waiters"], live["refused"]) == (10, 2, 3, 3)
    assert sorted(holders) == [("h-1", "acme", 1), ("h-2", "beta", 1)]
    assert [(each["project"], each["demand_milli"]) for each in live["projects"]] == [("acme", 8_000), ("beta", 8_000)]
    assert [each["holder"] for each in only_beta["live"]["top_holders"]] == ["h-2"]
    assert [each["project"] for each in only_beta["live"]["projects"]] == ["beta"]


async def test_pools_are_gauges_unless_they_name_a_project(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Any, redis_url: str, engine: Any
) -> None:
    for gauge in (LIMIT_POOL_LEVEL, LIMIT_POOL_LEASED, LIMIT_POOL_HOLDERS, LIMIT_POOL_WAITERS):
        # Of the controllers of other tests in this process.
        gauge.clear()
    await declare(SLOTS, ACME)
    await _sync(api, worker, 1, claims=[_claim("elevenlabs:concurrent", target=4, waiters=2)])
    async with Redis.from_url(redis_url) as redis:
        pools = Pools(redis)
        limits = Limits(engine, pools, DefinitionsCopy(redis))
        gauges = Gauges(limits, LimitsView(limits, pools, PoolRecords(redis), Signals(redis, pools)))
        await limits.refresh()
        await gauges.update()
        seen = _gauges()
        await limits.apply([OPENAI], by="t1")
        await gauges.update()

    assert seen == {"elevenlabs:concurrent": (6, 4, 1, 2)}
    assert _gauges() == {RATE_POOL: (100, 0, 0, 0)}


@pytest.mark.parametrize("nowhere", ["redis://127.0.0.1:9/0", "redis+cluster://127.0.0.1:9"])
async def test_without_redis_limits_are_shown_and_leases_are_not_given(
    start_api: Any, worker: dict[str, str], viewer: dict[str, str], make_token: Any, nowhere: str
) -> None:
    async with start_api(redis_url=nowhere) as api:
        headers = await make_token(Role.OPERATOR)
        declared = await api.put("/api/v1/limits", json={"limits": [OPENAI]}, headers=headers)
        report = (await api.get("/api/v1/limits", headers=viewer)).json()
        status, problem = await _sync(api, worker, 1, claims=[_claim()])

    assert declared.status_code == 200
    assert (report["is_live"], report["pools"][0]["live"]) == (False, None)
    assert (status, problem["code"]) == (503, "redis_unavailable")


def _gauges() -> dict[str, tuple[float, ...]]:
    names = ("level", "leased", "holders", "waiters")
    found: dict[str, dict[str, float]] = {}
    for metric in REGISTRY.collect():
        for name in names:
            if metric.name == f"voicegateway_limit_pool_{name}":
                for sample in metric.samples:
                    found.setdefault(sample.labels["pool"], {})[name] = sample.value
    return {pool: tuple(values[name] for name in names) for pool, values in found.items()}
