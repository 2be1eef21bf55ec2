"""Directives in a real Valkey: told until obeyed, once per session, bounded, forgotten, cheap when there are none."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from voicegateway_controller.budgets import claims
from voicegateway_controller.errors import Overloaded, RedisUnavailable
from voicegateway_controller.redis_client import open_redis
from voicegateway_controller.sessions import Directives, directives
from voicegateway_controller.sessions.directives import KEEP_MS, LOOK_S
from voicegateway_controller.sessions.ending import patience_ms
from voicegateway_shared.wire.money import MoneyReport


class Clock:
    """Both clocks of the code under test."""

    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told(redis: Redis, clock: Clock) -> Directives:
    return Directives(redis, now_ms=clock.now_ms, monotonic=clock.monotonic)


async def _commands(redis: Redis) -> int:
    """How many commands Valkey has run, this question aside."""
    stats: dict[str, Any] = await redis.info("commandstats")
    return sum(each["calls"] for name, each in stats.items() if name not in ("cmdstat_info", "cmdstat_hello"))


def _carried(session_ids: Iterable[str], project: str = "acme") -> dict[str, str]:
    return dict.fromkeys(session_ids, project)


async def test_another_projects_session_of_the_same_id_is_neither_ended_nor_shielded(told: Directives) -> None:
    theirs = await told.end("AJ_1", "", "", "x", project="other")
    before = await told.pending_for(_carried(["AJ_1"]))
    ours = await told.end("AJ_1", "", "", "x", project="acme")

    assert before == ()
    assert await told.pending_for(_carried(["AJ_1"])) == (ours,)
    assert await told.pending_for(_carried(["AJ_1"], project="other")) == (theirs,)
    await told.done([theirs.id])
    assert await told.pending_for(_carried(["AJ_1"])) == (ours,)
    assert await told.pending_for(_carried(["AJ_1"], project="other")) == ()


async def test_the_longest_names_make_an_id_that_a_report_may_repeat(told: Directives) -> None:
    directive = await told.end("x" * 256, "", "", "x", project="y" * 256)

    claims.check(MoneyReport(done=(directive.id,)), incarnation="host-1-42", seq=1)
    assert await told.pending_for(_carried(["x" * 256], project="y" * 256)) == (directive,)


async def test_a_worker_is_told_until_it_obeyed(told: Directives) -> None:
    directive = await told.end("AJ_1", "Good\nbye.", "over budget", "acme-month", project="acme")
    before = [await told.pending_for(_carried(["AJ_2", "AJ_1"])) for _ in range(2)]
    await told.done([directive.id, directive.id])

    assert (directive.session_id, directive.kind, directive.sentence) == ("AJ_1", "end_session", "Good bye.")
    assert before == [(directive,), (directive,)]
    assert await told.pending_for(_carried(["AJ_1"])) == ()
    [ending] = await told.endings()
    assert (ending.project, ending.by, ending.reason, ending.outcome) == ("acme", "acme-month", "over budget", "")
    assert ending.done_ms > 0


async def test_a_session_is_told_once_however_many_order_it_at_once(
    redis: Redis, told: Directives, clock: Clock
) -> None:
    others = [told, *(Directives(redis, now_ms=clock.now_ms) for _ in range(4))]

    directives = await asyncio.gather(*(each.end("AJ_1", f"{n}", "", "x") for n, each in enumerate(others * 4)))

    assert len(set(directives)) == 1
    assert await told.pending_for(_carried(["AJ_1"])) == (directives[0],)


async def test_an_order_after_the_outcome_is_a_new_one(told: Directives) -> None:
    first = await told.end("AJ_1", "", "", "x")
    [ending] = await told.endings()
    await told.change(ending, ending, due_ms=None)

    second = await told.end("AJ_1", "", "", "x")

    assert first.id != second.id
    assert await told.pending_for(_carried(["AJ_1"])) == (second,)


async def test_what_is_not_ours_is_not_done(told: Directives) -> None:
    directive = await told.end("AJ_1", "", "", "x")

    await told.done(["", ":", "AJ_1", f"{'0' * 16}:AJ_1", "nobody:AJ_9", f"{directive.id} "])

    assert await told.pending_for(_carried(["AJ_1"])) == (directive,)


async def test_nothing_to_tell_costs_redis_one_question_for_many_messages(
    redis: Redis, told: Directives, clock: Clock
) -> None:
    await told.pending_for(_carried(["AJ_1"]))
    before = await _commands(redis)
    for _ in range(100):
        assert await told.pending_for(_carried(["AJ_1"])) == ()
    without = await _commands(redis) - before
    # Another replica is told to end it: known here as soon as we look again.
    directive = await Directives(redis, now_ms=clock.now_ms).end("AJ_1", "", "", "x")
    clock.ms += int(LOOK_S * 1000) + 1

    assert without == 0
    assert await told.pending_for(_carried(["AJ_1"])) == (directive,)
    assert await told.pending_for({}) == ()


async def test_the_one_that_ordered_it_tells_at_once(told: Directives) -> None:
    await told.pending_for(_carried(["AJ_1"]))

    directive = await told.end("AJ_1", "", "", "x")

    assert await told.pending_for(_carried(["AJ_1"])) == (directive,)


async def test_directives_are_forgotten_and_make_room(
    told: Directives, clock: Clock, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directives, "ENDINGS_MAX", 2)
    await told.end("AJ_1", "", "", "x")
    await told.end("AJ_2", "", "", "x")
    with pytest.raises(Overloaded, match="2 sessions are being ended already"):
        await told.end("AJ_3", "", "", "x")
    assert len(await told.claim(limit=10, lease_ms=1)) == 0
    clock.ms += KEEP_MS

    assert await told.pending_for(_carried(["AJ_1", "AJ_2"])) == ()
    assert await told.endings() == []
    third = await told.end("AJ_3", "", "", "x")
    assert await told.pending_for(_carried(["AJ_1", "AJ_2", "AJ_3"])) == (third,)
    lives_ms = [await redis.pttl(key) for key in await redis.keys("voicegateway:{sessions}*")]
    assert len(lives_ms) == 3
    assert all(0 < life_ms <= 2 * KEEP_MS for life_ms in lives_ms)


async def test_no_more_than_a_message_carries_is_told_at_once(told: Directives) -> None:
    for n in range(70):
        await told.end(f"AJ_{n}", "", "", "x")

    first = await told.pending_for(_carried([f"AJ_{n}" for n in range(70)]))
    await told.done([each.id for each in first])
    then = await told.pending_for(_carried([f"AJ_{n}" for n in range(70)]))

    assert (len(first), len(then)) == (64, 6)


async def test_what_is_due_is_one_runners_at_a_time(redis: Redis, told: Directives, clock: Clock) -> None:
    for n in range(10):
        await told.end(f"AJ_{n}", "", "", "x")
    early = await told.claim(limit=10, lease_ms=30_000)
    clock.ms += patience_ms("")
    runners = [Directives(redis, now_ms=clock.now_ms) for _ in range(4)]

    claimed = await asyncio.gather(*(each.claim(limit=4, lease_ms=30_000) for each in runners))
    clock.ms += 30_000
    again = await told.claim(limit=20, lease_ms=30_000)

    assert early == []
    assert sorted(each.session_id for one in claimed for each in one) == [f"AJ_{n}" for n in range(10)]
    assert len(again) == 10


async def test_without_redis_it_is_said() -> None:
    client = open_redis("redis://127.0.0.1:9/0")
    nowhere = Directives(client)

    for asked in (nowhere.end("AJ_1", "", "", "x"), nowhere.pending_for(_carried(["AJ_1"])), nowhere.done(["0:AJ_1"])):
        with pytest.raises(RedisUnavailable):
            await asked
    await client.aclose()
