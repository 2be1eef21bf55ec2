"""One replica on real servers: the ledger heals, the dead are buried, thresholds are told, outages lived through."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.ledger_rows import charge, leave_pending, rate_pending
from tests.fixtures.services import TestServices

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.budgets import Budgets
from voicegateway_controller.budgets.ledger_sums import LedgerSums
from voicegateway_controller.budgets.money import Money
from voicegateway_controller.budgets.pools import BudgetPools, BudgetState
from voicegateway_controller.budgets.windows import open_window
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.redis_client import open_redis
from voicegateway_shared.wire import SyncRequest
from voicegateway_shared.wire.money import MoneyAnswer, MoneyClaim, MoneyLease, MoneyReport

USD = 1_000_000_000
TOTAL = {"name": "all", "amount": "1.00", "window": "total"}


class Replica:
    """What one process has of budgets, with a clock of the test's own; nothing runs in the background."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self.engine, self.redis = engine, redis
        self.ahead = timedelta()
        self.pools = BudgetPools(redis)
        self.budgets = Budgets(engine, SetCopy(redis, "budgets"))
        self.money = Money(
            engine, redis, self.budgets, self.pools, notify=Alerts(engine), clock=lambda: datetime.now(UTC) + self.ahead
        )
        self._seqs: dict[str, int] = {}

    async def declare(self, *budgets: dict[str, Any]) -> None:
        await self.budgets.apply(list(budgets), by="test")

    async def say(self, name: str, pool: str = "all@total", *, leaves: bool = False, seq: int | None = None,
                  recovered: tuple[str, ...] = (), **claim: int) -> MoneyLease:  # fmt: skip
        self._seqs[name] = self._seqs.get(name, 0) + 1 if seq is None else seq
        said = MoneyClaim(pool=pool, **{"target": max(claim.get("need", 0), claim.get("granted", 0)), **claim})
        report = MoneyReport(claims=(said,), recovered=recovered)
        message = SyncRequest(
            incarnation=name, seq=self._seqs[name], host="h", pid=1, shim_version="0", is_leaving=leaves, money=report
        )
        answer = await self.money.leasing.answer(message, report, lambda project: True)
        return answer.leases[0]

    async def state(self, pool: str = "all@total") -> BudgetState:
        found = await self.pools.look(pool)
        assert found is not None
        return found

    async def amounts(self, pool: str = "all@total") -> tuple[int, int, int]:
        found = await self.state(pool)
        return found.spent, found.outstanding, found.unknown


@pytest_asyncio.fixture
async def replica(engine: AsyncEngine, redis_url: str) -> AsyncIterator[Replica]:
    client = open_redis(redis_url)
    replica = Replica(engine, client)
    await replica.budgets.refresh()
    yield replica
    await replica.money.close()
    await client.aclose()


async def step(replica: Replica) -> None:
    await replica.money.reconciling.step()


async def gauges(replica: Replica, budget: str = "all") -> dict[str, float | None]:
    """What Prometheus would see of a budget."""
    await replica.money.gauges.update()
    names = ("spent_nano_usd", "outstanding_nano_usd", "unknown_nano_usd", "limit_nano_usd", "holders")
    found = {name: REGISTRY.get_sample_value(f"voicegateway_budget_{name}", {"budget": budget}) for name in names}
    return found | {"unbacked_windows": REGISTRY.get_sample_value("voicegateway_budget_unbacked_windows")}


async def test_budgets_are_gauges_but_not_those_of_a_project(replica: Replica, db: Any) -> None:
    acme = {"name": "acme", "project": "acme", "amount": "0.50", "window": "total"}
    await replica.declare(TOTAL, acme)
    await charge(db, "0.25")
    await step(replica)
    shown, hidden = await gauges(replica), await gauges(replica, "acme")
    await replica.declare(acme)
    gone = await gauges(replica)

    assert (shown["spent_nano_usd"], shown["limit_nano_usd"], shown["holders"]) == (USD // 4, USD, 0)
    assert (hidden["spent_nano_usd"], gone["spent_nano_usd"]) == (None, None)


async def test_gauges_of_many_budgets_leave_room_for_claims(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    await replica.declare(*(TOTAL | {"name": f"b{number}", "project": f"p{number}"} for number in range(150)))
    asked: list[int] = []

    async def look_at(pools: Sequence[str]) -> list[BudgetState | None]:
        asked.append(len(pools))
        return [None] * len(pools)

    monkeypatch.setattr(replica.pools, "look_at", look_at)
    await replica.money.gauges.update()

    assert asked == [100, 50]


async def test_what_the_ledger_has_is_spent_before_anybody_asks(replica: Replica, db: Any) -> None:
    await charge(db, "0.25")
    await charge(db, "0.5", project="beta")
    await replica.declare(TOTAL | {"project": "acme"})

    await step(replica)
    granted = await replica.say("h-1", need=3 * USD // 4)
    more = await replica.say("h-2", need=1)

    assert (await replica.amounts()) == (USD // 4, 3 * USD // 4, 0)
    assert (granted.granted, more.granted) == (3 * USD // 4, 0)


async def test_late_spans_come_in_and_what_is_told_is_not_added(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await replica.say("h-1", need=400)
    await charge(db, "0.000000300")

    await step(replica)
    shown = await replica.amounts()
    await replica.say("h-1", used=300, granted=400)
    await charge(db, "0.000000500", incarnation="lost disk")
    await step(replica)

    assert shown == (300, 400, 0)
    assert await replica.amounts() == (800, 100, 0)


async def test_a_fraction_of_a_nano_dollar_counts_as_one(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await charge(db, "0.000000000001")

    await step(replica)

    assert (await replica.amounts())[0] == 1


async def test_windows_end_where_the_zone_says_so(replica: Replica, db: Any) -> None:
    await replica.declare({"name": "day", "amount": "1.00", "window": "day", "zone": "Asia/Kolkata"})
    # Half past six in the evening, UTC, is midnight: within an hour of the rollup.
    window = open_window(replica.budgets.current().budgets[0], datetime.now(UTC))
    start = window.window.start
    assert start is not None
    assert start.minute == 30
    await charge(db, "0.100000000", at=start - timedelta(seconds=1))
    await charge(db, "0.010000000", at=start)
    await charge(db, "0.001000000", at=start + timedelta(seconds=1))

    await step(replica)

    assert (await replica.amounts(window.pool))[0] == 11_000_000


async def test_what_a_fast_clock_charges_to_the_next_window_is_not_of_this_one(replica: Replica, db: Any) -> None:
    await replica.declare({"name": "hour", "amount": "1.00", "window": "hour"})
    window = open_window(replica.budgets.current().budgets[0], datetime.now(UTC))
    assert window.window.end is not None
    await charge(db, "0.000000001", at=window.window.end)
    await charge(db, "0.000000010", at=window.window.end - timedelta(seconds=1))

    await step(replica)

    assert (await replica.amounts(window.pool))[0] == 10


async def test_old_hours_count_and_what_comes_late_into_a_new_one_too(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL, {"name": "month", "amount": "1.00", "window": "month", "action": "warn"})
    now = datetime.now(UTC)
    month = open_window(replica.budgets.current().specs["month"], now)
    assert month.window.start is not None
    await charge(db, "0.000000001", at=now - timedelta(days=60))
    await charge(db, "0.000000010", at=max(month.window.start, now - timedelta(days=3)))
    await step(replica)
    await charge(db, "0.000000100", at=max(month.window.start, now - timedelta(hours=30)))
    await charge(db, "0.000001000")
    await step(replica)

    assert (await replica.amounts())[0] == 1_111
    assert (await replica.amounts(month.pool))[0] == 1_110


async def test_a_rolling_day_forgets_by_the_ledger_too_and_goes_on_after_a_flush(replica: Replica, db: Any) -> None:
    await replica.declare({"name": "roll", "amount": "1.00", "window": "rolling_24h"})
    pool, now = "roll@rolling_24h", datetime.now(UTC)
    await charge(db, "0.300", at=now - timedelta(hours=25))
    await charge(db, "0.200", at=now - timedelta(hours=23))
    await step(replica)
    first = await replica.amounts(pool)
    await replica.say("h-1", pool, need=USD // 10)
    await db.execute("UPDATE budget_window SET opened_at = now() - interval '30 hours', ceiling_nano = $1", 610_000_000)
    await replica.redis.flushdb()

    back = await replica.say("h-1", pool, granted=USD // 10)
    after = await replica.state(pool)
    more = await replica.say("h-2", pool, need=USD // 2)

    assert first == (200_000_000, 0, 0)
    assert back.granted == USD // 10
    # 610 were ever released: 300 are forgotten, 200 spent, 100 leased.
    assert (after.spent, after.outstanding, after.unknown, after.epoch) == (200_000_000, 100_000_000, 10_000_000, 2)
    assert more.granted == USD // 2, "what was never released is free at once"


async def test_while_the_budgets_are_not_known_claims_wait_and_the_rest_is_answered(replica: Replica) -> None:
    replica.budgets._current = None
    with pytest.raises(DatabaseUnavailable):
        await replica.say("h-1", need=5)

    report = MoneyReport(tag="7-abc")
    message = SyncRequest(incarnation="h-1", seq=2, host="h", pid=1, shim_version="0", money=report)
    answer = await replica.money.leasing.answer(message, report, lambda project: True)

    assert answer == MoneyAnswer(tag="7-abc"), "the holder keeps what it knows"


async def test_the_recovered_dead_give_back_when_all_of_theirs_is_rated(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await replica.say("dead", need=USD // 2)
    await replica.say("dead", used=100, granted=USD // 2)
    await replica.say("living", recovered=("dead", "never heard of"))
    await leave_pending(db, "dead")

    await step(replica)
    waits = await replica.amounts()
    await charge(db, "0.000000300", incarnation="dead")
    await rate_pending(db)
    await step(replica)

    assert waits == (100, USD // 2 - 100, 0)
    assert await replica.amounts() == (300, 0, 0)
    assert await replica.redis.zcard("voicegateway:{budgets}:recovered") == 0


async def test_a_search_for_the_dead_that_takes_too_long_holds_up_no_window(
    replica: Replica, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replica.declare(TOTAL, TOTAL | {"name": "other", "provider": "openai", "thresholds": [50]})
    await replica.say("dead", need=USD // 2)
    await replica.say("living", recovered=("dead",))
    redis: Any = replica.redis
    await redis.sadd("voicegateway:{budget:all@total}:silent", "dead")
    await charge(db, "0.600")

    async def too_long(*_: Any, **__: Any) -> dict[str, int]:
        raise TimeoutError

    monkeypatch.setattr(LedgerSums, "of_holders", too_long)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await step(replica)

    assert await db.fetchval("SELECT key FROM alert WHERE key LIKE 'budget:other%'") == "budget:other@total:50"
    assert (await replica.amounts("other@total"))[0] == 600_000_000


async def test_the_list_of_recovered_is_bounded_and_expires(replica: Replica) -> None:
    await replica.declare(TOTAL)
    recovered = replica.money.reconciling._recovered
    for start in range(0, 5_000, 100):
        await recovered.add([f"h-{number}" for number in range(start, start + 100)])

    assert await replica.redis.zcard("voicegateway:{budgets}:recovered") == 4_096
    assert await replica.redis.ttl("voicegateway:{budgets}:recovered") > 0


async def test_after_a_flush_the_dead_are_taken_out_of_the_unknown(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await replica.say("dead", need=USD // 2)
    await replica.say("living", need=USD // 10)
    await charge(db, "0.100", incarnation="dead")
    await replica.redis.flushdb()

    back = await replica.say("living", used=5, granted=USD // 10)
    before = await replica.amounts()
    await charge(db, "0.050", incarnation="dead")
    await replica.say("living", used=5, granted=USD // 10, recovered=("dead",))
    await step(replica)
    after = await replica.amounts()

    assert back.granted == USD // 10
    assert before[:2] == (USD // 10 + 5, USD // 10 - 5)
    assert after[:2] == (15 * USD // 100 + 5, USD // 10 - 5)
    assert before[2] - after[2] == 50_000_000


async def test_a_holder_idle_for_long_is_not_counted_twice_after_a_flush(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await replica.say("idle", need=1_000)
    await db.execute("UPDATE budget_window SET opened_at = now() - interval '3 hours'")
    await charge(db, "0.000001000", incarnation="idle", at=datetime.now(UTC) - timedelta(hours=2))
    await replica.redis.flushdb()

    await replica.say("idle", used=1_000, granted=1_000)

    assert (await replica.amounts())[:2] == (1_000, 0)


async def test_thresholds_are_told_once_per_window(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL | {"thresholds": [50, 80, 100], "project": "acme"})
    for used in (490, 510, 900, 1_000):
        await replica.say("h-1", used=used * USD // 1_000, granted=used * USD // 1_000)
        await step(replica)
        await step(replica)

    alerts = await db.fetch("SELECT key, kind, severity, project FROM alert ORDER BY raised_at, key")
    assert [tuple(each) for each in alerts] == [
        ("budget:all@total:50", "budget_threshold", "warning", "acme"),
        ("budget:all@total:80", "budget_threshold", "warning", "acme"),
        ("budget:all@total:100", "budget_exhausted", "critical", "acme"),
    ]


async def test_a_threshold_that_is_reached_in_the_last_moment_is_told(replica: Replica, db: Any) -> None:
    await replica.declare({"name": "hour", "amount": "1.00", "window": "hour", "thresholds": [50, 80]})
    window = open_window(replica.budgets.current().budgets[0], datetime.now(UTC))
    assert window.window.end is not None
    replica.ahead = window.window.end - timedelta(seconds=1) - datetime.now(UTC)
    await replica.say("h-1", window.pool, used=6 * USD // 10, granted=6 * USD // 10)
    replica.ahead += timedelta(seconds=3)
    await step(replica)
    told = await db.fetch("SELECT key FROM alert")
    await replica.say("h-1", window.pool, used=9 * USD // 10, granted=9 * USD // 10)
    replica.ahead += timedelta(minutes=1)
    await step(replica)

    assert [each["key"] for each in told] == [f"budget:{window.pool}:50"]
    assert await db.fetchval("SELECT count(*) FROM alert") == 1, "a minute later nobody looks any more"


async def test_the_next_window_is_opened_before_it_begins(replica: Replica, db: Any) -> None:
    await replica.declare({"name": "hour", "amount": "1.00", "window": "hour"})
    spec = replica.budgets.current().budgets[0]
    end = open_window(spec, datetime.now(UTC)).window.end
    assert end is not None
    replica.ahead = end - timedelta(seconds=30) - datetime.now(UTC)

    await step(replica)
    following = open_window(spec, end)
    opened = await replica.state(following.pool)
    replica.ahead = end + timedelta(seconds=1) - datetime.now(UTC)
    lease = await replica.say("h-1", following.pool, need=5)

    assert (opened.spent, opened.epoch) == (0, 1)
    assert lease.granted == 5


async def test_the_window_before_hears_and_grants_nothing(replica: Replica) -> None:
    await replica.declare({"name": "hour", "amount": "1.00", "window": "hour"})
    spec = replica.budgets.current().budgets[0]
    window = open_window(spec, datetime.now(UTC))
    await replica.say("h-1", window.pool, need=500)
    assert window.window.end is not None
    replica.ahead = window.window.end + timedelta(seconds=1) - datetime.now(UTC)

    settled = await replica.say("h-1", window.pool, used=400, granted=500, need=900)
    replica.ahead += timedelta(hours=3)
    long_gone = await replica.say("h-1", window.pool, used=450, granted=500)

    assert (settled.state, settled.granted) == ("ok", 500)
    assert await replica.amounts(window.pool) == (400, 100, 0)
    assert long_gone.state == "unknown"


async def test_only_one_replica_reconciles_at_a_time(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await charge(db, "0.5")
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", 0x5647_4252_4543)
        await step(replica)
        assert await replica.pools.look("all@total") is None

    await step(replica)
    assert (await replica.amounts())[0] == USD // 2


async def test_two_replicas_that_meet_a_cold_pool_open_it_once(
    replica: Replica, engine: AsyncEngine, redis_url: str, db: Any
) -> None:
    await replica.declare(TOTAL)
    other = Replica(engine, open_redis(redis_url))
    await other.budgets.refresh()

    leases = await asyncio.gather(
        *(each.say(f"h-{number}", need=1_000) for number, each in enumerate([replica, other] * 10))
    )
    await other.money.close()
    await other.redis.aclose()

    assert [lease.granted >= 1_000 for lease in leases] == [True] * 20
    assert await db.fetchval("SELECT epoch FROM budget_window") == 1


async def test_a_pool_of_an_older_epoch_is_thrown_away(replica: Replica, db: Any) -> None:
    await replica.declare(TOTAL)
    await replica.say("h-1", need=1_000)
    await db.execute("UPDATE budget_window SET epoch = 7")

    lease = await replica.say("h-2", need=USD // 2)

    assert lease.granted == USD // 2
    assert (await replica.state()).epoch == 8


@asynccontextmanager
async def postgres_away(services: TestServices, engine: AsyncEngine) -> AsyncIterator[None]:
    """This test's database cannot be reached; the others' can."""
    name = engine.url.database
    server = await asyncpg.connect(services.database_url.replace("+asyncpg", ""))
    try:
        await server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name)
        await server.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_away"')
        try:
            yield
        finally:
            await server.execute(f'ALTER DATABASE "{name}_away" RENAME TO "{name}"')
            await server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await server.close()


async def test_without_postgres_budgets_go_on_and_are_backed_later(
    replica: Replica, engine: AsyncEngine, services: TestServices
) -> None:
    await replica.declare(TOTAL)
    await replica.say("h-1", need=1_000)
    async with postgres_away(services, engine):
        lease = await replica.say("h-1", granted=1_000, need=USD // 2)
        much = await replica.say("h-2", need=USD)
        with pytest.raises(DatabaseUnavailable):
            await step(replica)
        away = await replica.state()
        shown_away = await gauges(replica)
    await step(replica)
    back = await replica.state()
    shown_back = await gauges(replica)
    async with engine.connect() as connection:
        ceiling = await connection.scalar(text("SELECT ceiling_nano FROM budget_window"))

    assert (lease.granted, much.granted) == (USD // 2, 0), "up to the amount, and no further"
    assert (away.is_unbacked, back.is_unbacked) == (True, False)
    assert ceiling == back.ceiling == away.ceiling
    assert (shown_away["unbacked_windows"], shown_back["unbacked_windows"]) == (1, 0)
    assert (shown_back["outstanding_nano_usd"], shown_back["holders"]) == (USD // 2, 2)


async def test_without_postgres_a_pool_that_is_lost_grants_nothing_and_asks_for_patience(
    replica: Replica, engine: AsyncEngine, services: TestServices
) -> None:
    await replica.declare(TOTAL)
    await replica.say("h-1", need=1_000)
    await replica.redis.flushdb()
    async with postgres_away(services, engine):
        lease = await replica.say("h-1", used=100, granted=1_000, need=5_000)

    again = await replica.say("h-1", used=100, granted=1_000, need=5_000)

    assert (lease.state, lease.granted, lease.ttl_ms, lease.retry_ms) == ("learning", 1_000, 0, 500)
    assert again.granted >= 5_000
