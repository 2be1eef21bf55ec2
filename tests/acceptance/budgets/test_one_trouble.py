"""One trouble at a time, and still the whole budget is spent: killed workers, a killed controller, a flushed Redis."""

import signal

import msgspec
from redis.asyncio import Redis
from tests.acceptance.budgets.conftest import MakeFleet
from tests.acceptance.budgets.test_never_overrun import CALLERS, CENT, TENTH_OF_A_CENT, judged, spend

from voicegateway_controller.embedded import EmbeddedValkey

AMOUNT = 40 * CENT
CALLS = msgspec.structs.replace(TENTH_OF_A_CENT, callers=CALLERS // 10)


async def test_money_of_killed_workers_is_spent_by_the_others(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.declare_budget(amount="0.40")
        await spend(fleet, CALLS)
        for number in range(2):
            await fleet.has_billed((8 + 8 * number) * CENT)
            await fleet.workers[f"w{number}"].kill()
        books = await judged(fleet, is_killed=True)

    assert books.pool is not None
    assert 0.995 * AMOUNT <= books.pool.spent == books.ledger <= AMOUNT
    # Of requests whose process was killed only an estimate is known; the vendor may bill all that was held for them.
    assert books.billed <= AMOUNT + 2 * CALLS.callers * CENT // 10


async def test_controllers_that_are_killed_cost_no_money(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.declare_budget(amount="0.40")
        await spend(fleet, CALLS)
        for cents in (8, 24):
            await fleet.has_billed(cents * CENT)
            for controller in fleet.controllers:
                await controller.restart(signal.SIGKILL)
        books = await judged(fleet)

    assert 0.995 * AMOUNT <= books.billed <= AMOUNT


async def test_a_redis_without_memory_costs_no_money_and_little_use(
    make_fleet: MakeFleet, valkey: EmbeddedValkey
) -> None:
    async with make_fleet() as fleet, Redis.from_url(valkey.url) as redis:
        await fleet.declare_budget(amount="0.40")
        await spend(fleet, CALLS)
        await fleet.has_billed(8 * CENT)
        await redis.flushall()
        # The slower the ledger, the more of what was out is kept: it may be more than 16 cents.
        await fleet.has_billed_what_it_can(24 * CENT)
        await redis.flushall()
        books = await judged(fleet)

    assert books.billed <= AMOUNT
    assert books.pool is not None
    # What was released before and not heard of since is kept for ten minutes.
    assert books.billed + books.pool.unknown >= 0.995 * AMOUNT
