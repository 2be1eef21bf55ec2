"""`POST /v1/sync` with a report on money: leases, windows, scopes, bounds; outages and forgetting in the middle."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from tests.fixtures.waiting import LOOK_INTERVAL_S

from voicegateway_controller.access import Role
from voicegateway_controller.budgets.pools import BudgetPools, BudgetState
from voicegateway_controller.embedded.valkey import EmbeddedValkey
from voicegateway_controller.sessions import Directives

TOTAL = {"name": "all", "amount": "1.00", "window": "total"}
POOL = "all@total"
USD = 1_000_000_000

Sync = Callable[..., Awaitable[dict[str, Any]]]
Declare = Callable[..., Awaitable[None]]


@pytest.fixture
async def declare(api: httpx.AsyncClient, make_token: Any) -> Declare:
    headers = await make_token(Role.OPERATOR)

    async def declare(*budgets: dict[str, Any]) -> None:
        response = await api.put("/api/v1/budgets", json={"budgets": budgets}, headers=headers)
        assert response.status_code == 200, response.text

    return declare


async def send(
    api: httpx.AsyncClient, headers: dict[str, str], seq: int, *claims: dict[str, Any], name: str = "h-1", **said: Any
) -> httpx.Response:
    report: dict[str, Any] = {key: said.pop(key) for key in ("tag", "recovered", "models", "done") if key in said}
    report["claims"] = list(claims)
    message = {"incarnation": name, "seq": seq, "host": "h", "pid": 1, "shim_version": "0.1.0", "sessions": None}
    return await api.post("/v1/sync", content=json.dumps(message | {"money": report} | said), headers=headers)


async def sync(api: httpx.AsyncClient, headers: dict[str, str], seq: int, *claims: dict[str, Any], **said: Any) -> Any:
    response = await send(api, headers, seq, *claims, **said)
    assert response.status_code == 200, response.text
    return response.json()


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Return as soon as the condition holds; the limit only ends a broken test."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, f"still not true after {within_s:g} s"
        await asyncio.sleep(LOOK_INTERVAL_S)


def claim(pool: str = POOL, **numbers: int) -> dict[str, Any]:
    return {"pool": pool, "target": max(numbers.get("need", 0), numbers.get("granted", 0)), **numbers}


def leases(answer: Any) -> list[tuple[str, int]]:
    return [(each.get("state", "ok"), each.get("granted", 0)) for each in answer["money"]["leases"]]


async def state(redis_url: str, pool: str = POOL) -> BudgetState:
    async with Redis.from_url(redis_url) as client:
        found = await BudgetPools(client).look(pool)
    assert found is not None
    return found


async def test_a_holder_hears_the_budgets_it_may_meet_and_leases_of_them(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare
) -> None:
    await declare(TOTAL, {"name": "each", "amount": "0.10", "window": "session"}, {"amount": "0.50", "window": "hour"})

    hello = await sync(api, worker, 1)
    answer = await sync(api, worker, 2, claim(need=USD // 2), tag=hello["money"]["tag"])

    told = [(each["spec"]["id"], each["window_id"], each.get("ends_in_ms", 0)) for each in hello["money"]["budgets"]]
    assert told[:2] == [("all", "total", 0), ("each", "", 0)]
    assert told[2][0] == "fleet.hour"
    assert 0 < told[2][2] <= 3_600_000
    assert hello["money"]["budgets"][2]["next_ends_in_ms"] > told[2][2]
    assert (answer["money"].get("budgets"), leases(answer)) == (None, [("ok", USD // 2)])
    assert (hello["next_sync_ms"], answer["next_sync_ms"]) == (10_000, 1_000)
    assert answer["money"]["leases"][0]["ttl_ms"] == 600_000


async def test_what_nobody_declared_or_is_of_another_project_does_not_exist(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare, make_token: Any
) -> None:
    await declare(TOTAL, {"name": "acme", "project": "acme", "amount": "1", "window": "total"})
    beta = await make_token(projects=["beta"])

    hello = await sync(api, beta, 1)
    answer = await sync(api, beta, 2, claim("acme@total", need=5), claim("gone@total"), claim(need=5))
    await declare()
    removed = await sync(api, beta, 3, claim(used=5, granted=5))

    assert [each["spec"]["id"] for each in hello["money"]["budgets"]] == ["all"]
    assert leases(answer) == [("unknown", 0), ("unknown", 0), ("ok", 5)]
    assert leases(removed) == [("unknown", 0)]
    assert removed["money"]["budgets"] == []


async def test_the_ceiling_is_in_postgres_before_money_is_out(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare, db: Any, redis_url: str
) -> None:
    await declare(TOTAL)

    await sync(api, worker, 1, claim(need=300_000_000))
    await sync(api, worker, 1, claim(need=700_000_000), name="h-2")

    row = await db.fetchrow("SELECT epoch, ceiling_nano FROM budget_window WHERE budget_id = 'all'")
    found = await state(redis_url)
    assert (found.outstanding, found.spent) == (USD, 0)
    assert (row["epoch"], row["ceiling_nano"]) == (1, USD)
    assert (found.ceiling, found.is_unbacked) == (USD, False)


async def test_a_lowered_budget_blocks_at_once_and_a_raised_one_goes_on(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare
) -> None:
    await declare(TOTAL)
    await sync(api, worker, 1, claim(need=500_000_000))
    before = await sync(api, worker, 2, claim(used=500_000_000, granted=500_000_000))
    await declare(TOTAL | {"amount": "0.40"})
    lowered = await sync(api, worker, 3, claim(used=500_000_000, granted=500_000_000, need=500_000_001))
    await declare(TOTAL | {"amount": "0.60"})
    raised = await sync(api, worker, 4, claim(used=500_000_000, granted=500_000_000, need=500_000_001))

    assert leases(lowered) == [("exhausted", 500_000_000)]
    assert leases(raised) == [("ok", 500_000_001)]
    assert len({each["money"]["tag"] for each in (before, lowered, raised)}) == 3


async def test_after_a_flush_live_holders_go_on_and_nothing_is_granted_twice(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare, redis_url: str
) -> None:
    await declare(TOTAL)
    await sync(api, worker, 1, claim(need=400_000_000))
    await sync(api, worker, 1, claim(need=300_000_000), name="dead")
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()

    back = await sync(api, worker, 2, claim(used=100_000_000, granted=400_000_000))
    new = await sync(api, worker, 1, claim(need=250_000_000), name="new")
    much = await sync(api, worker, 2, claim(need=320_000_000), name="new")

    found = await state(redis_url)
    # The ceiling was 2 thousandths of the amount ahead of what was leased.
    held_back = 300_000_000 + 2_000_000
    assert leases(back) == [("ok", 400_000_000)]
    assert leases(new) == [("ok", 250_000_000)]
    assert leases(much) == [("ok", 0)], "the dead may have spent theirs"
    assert (found.epoch, found.spent, found.outstanding) == (2, 100_000_000, 300_000_000)
    assert held_back <= found.unknown <= held_back + 1_000_000


async def test_limits_and_money_are_answered_together(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare, make_token: Any
) -> None:
    await declare(TOTAL)
    limit = {"provider": "elevenlabs", "concurrent": 10}
    response = await api.put("/api/v1/limits", json={"limits": [limit]}, headers=await make_token(Role.OPERATOR))
    assert response.status_code == 200

    answer = await sync(
        api, worker, 1, claim(need=7), claims=[{"pool": "elevenlabs:concurrent", "project": "acme", "target": 2}]
    )

    assert [each["granted"] for each in answer["leases"]] == [2]
    assert leases(answer) == [("ok", 7)]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"claims": [claim(f"p{n}") for n in range(257)]}, "more than 256 claims on budgets"),
        ({"claims": [claim(used=-1)]}, "from 0 to 2^53 - 1"),
        ({"claims": [claim(granted=2**53)]}, "from 0 to 2^53 - 1"),
        ({"claims": [claim("p" * 257)]}, "256 printable characters"),
        ({"claims": [claim("a\nb")]}, "256 printable characters"),
        ({"claims": [claim(), claim()]}, "two claims"),
        ({"claims": [{"pool": POOL, "used": 1.5}]}, "not a sync message"),
        ({"models": [{"provider": "p", "model": "m", "modality": "llm"}] * 65}, "more than 64 models"),
        ({"models": [{"provider": "p", "model": "m" * 257, "modality": "llm"}]}, "256 printable"),
        ({"recovered": ["h"] * 65}, "more than 64 recovered"),
        ({"done": ["d"] * 65}, "more than 64 directives"),
        ({"tag": "t" * 257}, "256 printable"),
    ],
)
async def test_what_is_out_of_bounds_is_refused(
    api: httpx.AsyncClient, worker: dict[str, str], report: dict[str, Any], words: str
) -> None:
    response = await send(api, worker, 1, money=report)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert words in response.json()["detail"]


async def test_a_warning_budget_says_when_it_is_over_and_refuses_nothing(
    api: httpx.AsyncClient, worker: dict[str, str], declare: Declare
) -> None:
    await declare(TOTAL | {"action": "warn"})

    below = await sync(api, worker, 1, claim(used=USD - 1))
    over = await sync(api, worker, 2, claim(used=USD + 5))

    assert [each["money"]["leases"][0].get("is_over", False) for each in (below, over)] == [False, True]
    assert leases(over) == [("ok", USD + 5)]


async def test_a_redis_that_was_killed_comes_back_without_memory_and_budgets_go_on(
    start_api: Any, worker: dict[str, str], make_token: Any, tmp_path: Path
) -> None:
    valkey = EmbeddedValkey(tmp_path, durable=False)
    await valkey.start()
    try:
        async with start_api(redis_url=valkey.url) as api:
            await api.put("/api/v1/budgets", json={"budgets": [TOTAL]}, headers=await make_token(Role.OPERATOR))
            before = await sync(api, worker, 1, claim(need=400_000_000))
            valkey.kill()
            away = await send(api, worker, 2, claim(used=100_000_000, granted=400_000_000))
            await valkey.restart()
            seqs = count(3)

            async def answered() -> bool:
                held = claim(used=100_000_000, granted=400_000_000)
                return (await send(api, worker, next(seqs), held)).status_code == 200

            await until(answered)
            back = await sync(api, worker, next(seqs), claim(used=100_000_000, granted=400_000_000))
            other = await sync(api, worker, 1, claim(need=500_000_000), name="h-2")
            found = await state(valkey.url)
    finally:
        await valkey.stop()

    assert leases(before) == [("ok", 400_000_000)]
    assert (away.status_code, away.json()["code"]) == (503, "redis_unavailable")
    assert (leases(back), leases(other)) == ([("ok", 400_000_000)], [("ok", 500_000_000)])
    assert (found.epoch, found.spent, found.outstanding) == (2, 100_000_000, 800_000_000)


async def test_a_session_that_must_end_is_told_with_the_next_message(
    api: httpx.AsyncClient, worker: dict[str, str], redis_url: str
) -> None:
    call = {"session_id": "s-1", "project": "acme", "started_at": "2026-11-21T19:00:00Z"}
    hello = await sync(api, worker, 1, sessions=[call])
    async with Redis.from_url(redis_url) as client:
        ordered = await Directives(client).end("s-1", "Goodbye.", "too dear", "test")

    async def told() -> bool:
        answer = await sync(api, worker, next(seqs), sessions=[call])
        return bool(answer["money"].get("directives"))

    seqs = count(2)
    await until(told)
    answer = await sync(api, worker, next(seqs), sessions=[call])
    await sync(api, worker, next(seqs), sessions=[call], done=[ordered.id])
    after = await sync(api, worker, next(seqs), sessions=[call])

    assert "directives" not in hello["money"]
    assert [(each["id"], each["sentence"]) for each in answer["money"]["directives"]] == [(ordered.id, "Goodbye.")]
    assert "directives" not in after["money"]


async def test_while_redis_is_away_claims_are_answered_503(
    start_api: Any, worker: dict[str, str], make_token: Any
) -> None:
    async with start_api(redis_url="redis://127.0.0.1:9/0") as api:
        declared = await api.put("/api/v1/budgets", json={"budgets": [TOTAL]}, headers=await make_token(Role.OPERATOR))
        response = await send(api, worker, 1, claim(need=5))
        silent = await send(api, worker, 2)

    assert declared.status_code == 200
    assert (response.status_code, response.json()["code"]) == (503, "redis_unavailable")
    assert silent.status_code == 200
