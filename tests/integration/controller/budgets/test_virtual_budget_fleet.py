"""How much of a budget a fleet can spend, and never more: books and scripts as shipped, in virtual time.

Virtual time makes the numbers depend on the seed alone. `pytest -s` prints them; benchmarks/README.md quotes them.
"""

import random
import sys
from collections.abc import Iterator

import pytest
import redis
from tests.fixtures.budget_world import MS, Load, S, World
from tests.fixtures.services import TestServices

from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Selector

USD = 10**9
CENT = USD // 100
DOLLAR = BudgetSpec(id="fleet", selector=Selector(), amount_nano_usd=USD, window="total")


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def spent_by(world: World, *, seconds: float, enough: float = 1.0) -> float:
    """Let time pass until nothing more can be spent; say what was, of the budget, and check that it was never more."""
    until_us = world.now_us + round(seconds * S)
    while world.now_us < until_us and world.used(DOLLAR) < enough:
        world.run(0.5)
    used = world.used(DOLLAR)
    asked = sum(holder.asked for holder in world.holders)
    sys.stdout.write(
        f"\n  {len(world.holders)} holders: {used:.3%} spent in {(world.now_us - until_us) / S + seconds:.1f} s, "
        f"{asked} requests asked for, {world.messages} messages"
    )
    assert world.over == {}
    world.close()
    return used


@pytest.mark.parametrize(("holders", "per_s"), [(8, 50.0), (8, 400.0), (200, 4.0), (1_000, 0.5)])
def test_a_dollar_is_spent_to_its_last_tenth_of_a_cent(server: redis.Redis, holders: int, per_s: float) -> None:
    world = World(server, [DOLLAR])
    world.add(holders, Load(per_s, lambda _: (CENT // 10, CENT // 10)))

    assert spent_by(world, seconds=120) >= 0.995


@pytest.mark.parametrize(("holders", "per_s"), [(8, 20.0), (200, 4.0), (1_000, 0.5)])
def test_requests_that_cost_less_than_was_reserved_leave_nothing_behind(
    server: redis.Redis, holders: int, per_s: float
) -> None:
    def cost(chance: random.Random) -> tuple[int, int]:
        reserved = chance.randint(CENT // 20, CENT // 5)
        return reserved, reserved * chance.randint(10, 100) // 100

    world = World(server, [DOLLAR])
    world.add(holders, Load(per_s, cost))

    assert spent_by(world, seconds=120, enough=0.998) >= 0.995


@pytest.mark.parametrize("holders", [2, 8, 200])
def test_of_a_dollar_one_request_of_64_cents_is_admitted_and_small_ones_use_the_rest(
    server: redis.Redis, holders: int
) -> None:
    world = World(server, [DOLLAR])
    large = world.add(holders, Load(2.0, lambda _: (64 * CENT, 64 * CENT), lasts_us=(2 * S, 4 * S)))
    world.run(20)

    assert world.used(DOLLAR) == 0.64
    assert sum(holder.admitted for holder in large) == 1
    world.add(8, Load(20.0, lambda _: (CENT, CENT)))
    assert spent_by(world, seconds=30) >= 0.995


def test_large_requests_are_not_starved_by_small_ones_that_hold_parts(server: redis.Redis) -> None:
    world = World(server, [DOLLAR])
    world.add(200, Load(0.2, lambda _: (CENT // 10, CENT // 10)))
    large = world.add(2, Load(4.0, lambda _: (30 * CENT, 30 * CENT)), within_us=100 * MS)
    world.run(8)

    assert sum(holder.admitted for holder in large) == 3
    assert spent_by(world, seconds=120) >= 0.995


@pytest.mark.parametrize("holders", [8, 200])
def test_streams_of_unknown_length_are_cut_off_where_the_money_ends(server: redis.Redis, holders: int) -> None:
    def cost(chance: random.Random) -> tuple[int, int]:
        whole = round(chance.lognormvariate(0.0, 1.0) * CENT)
        return whole, whole

    world = World(server, [DOLLAR])
    world.add(holders, Load(40 / holders, cost, stretch=CENT // 10))

    assert spent_by(world, seconds=60, enough=0.999) >= 0.995
