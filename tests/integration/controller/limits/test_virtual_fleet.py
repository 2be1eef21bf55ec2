"""How much of a limit a fleet uses, who gets it and how soon it moves: books and scripts as shipped, in virtual time.

Virtual time makes the numbers depend on the seed alone, so they may be asserted; `tests/acceptance/limits` does so
with real processes.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.fixtures.services import TestServices
from tests.fixtures.virtual_fleet import US_PER_S, Fleet, Load

from voicegateway_shared.limits import PoolSpec, Selector

ONE = {"requests": 1}
WARM_UP_S, COUNTED_S = 6, 12


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def rate(units: int, period_ms: int, burst: int, **options: Any) -> PoolSpec:
    return PoolSpec(
        id="rate", limit="rate", meter="requests", selector=Selector(provider="x"),
        units=units, period_ms=period_ms, burst=burst, **options,
    )  # fmt: skip


SLOTS = PoolSpec(id="slots", limit="slots", meter="slots", selector=Selector(provider="x"), slots=20)


def counted(fleet: Fleet, seconds: float = COUNTED_S) -> Fleet:
    fleet.run(WARM_UP_S)
    fleet.count()
    fleet.run(seconds)
    assert fleet.excess() <= 0
    return fleet


def shares(fleet: Fleet) -> dict[str, float]:
    total = fleet.total().admitted
    return {name: tally.admitted / total for name, tally in fleet.tallies.items()}


@pytest.mark.parametrize(
    ("spec", "holders", "per_s"),
    [
        (rate(100, 1_000, 100), 8, 1_000),
        (rate(1_000, 60_000, 167), 8, 167),
        (rate(100, 1_000, 20), 50, 300),
        (rate(500, 60_000, 84), 1_000, 83),
    ],
    ids=["100/s by 8", "1000/min by 8", "100/s with a small burst by 50", "500/min by 1000"],
)
def test_all_of_a_limit_is_used_when_more_is_asked_for(
    server: redis.Redis, spec: PoolSpec, holders: int, per_s: float
) -> None:
    fleet = Fleet(server, [spec])
    fleet.add(holders, Load(per_s=per_s / holders, amounts=ONE))

    assert counted(fleet).utilisation() >= 0.99


@pytest.mark.parametrize(
    ("spec", "holders", "per_s"),
    [
        (rate(100, 1_000, 100), 8, 90),
        (rate(100, 1_000, 100), 200, 90),
        (rate(5_000, 60_000, 834), 1_000, 75),
    ],
    ids=["100/s by 8", "100/s by 200", "5000/min by 1000"],
)
def test_who_asks_for_less_than_the_limit_gets_it(
    server: redis.Redis, spec: PoolSpec, holders: int, per_s: float
) -> None:
    fleet = Fleet(server, [spec])
    fleet.add(holders, Load(per_s=per_s / holders, amounts=ONE))
    total = counted(fleet).total()

    assert total.refused <= total.offered * 0.005


def test_projects_share_by_weight_whatever_their_number_of_holders(server: redis.Redis) -> None:
    fleet = Fleet(server, [rate(100, 1_000, 100, weights={"a": 3})])
    fleet.add(2, Load(per_s=150, amounts=ONE, project="a"))
    fleet.add(40, Load(per_s=7.5, amounts=ONE, project="b"))

    assert shares(counted(fleet))["a/live"] == pytest.approx(0.75, abs=0.02)


def test_what_a_small_project_leaves_is_shared_by_the_others(server: redis.Redis) -> None:
    fleet = Fleet(server, [rate(100, 1_000, 100)])
    for project, holders, per_s in (("a", 2, 400), ("b", 5, 200), ("c", 10, 100), ("d", 3, 10)):
        fleet.add(holders, Load(per_s=per_s / holders, amounts=ONE, project=project))
    found = shares(counted(fleet))

    assert found["d/live"] == pytest.approx(0.10, abs=0.02)
    for name in ("a/live", "b/live", "c/live"):
        assert found[name] == pytest.approx((1 - found["d/live"]) / 3, rel=0.05)


def test_a_guaranteed_share_is_kept_for_batch_beside_live_calls(server: redis.Redis) -> None:
    fleet = Fleet(server, [rate(100, 1_000, 100, min_shares_permille={"b": 300})])
    fleet.add(10, Load(per_s=30, amounts=ONE, project="a"))
    fleet.add(10, Load(per_s=30, amounts=ONE, project="b", priority="batch"))

    assert shares(counted(fleet))["b/batch"] == pytest.approx(0.30, abs=0.02)


def test_live_calls_come_first_and_batch_takes_the_rest(server: redis.Redis) -> None:
    fleet = Fleet(server, [rate(100, 1_000, 100)])
    fleet.add(10, Load(per_s=6, amounts=ONE))
    fleet.add(10, Load(per_s=30, amounts=ONE, priority="batch"))
    counted(fleet, 30)

    live = fleet.tallies["acme/live"]
    assert live.refused <= live.offered * 0.005
    assert fleet.utilisation() >= 0.99


@pytest.mark.parametrize(("holders", "burst"), [(10, 100), (200, 100), (200, 1_000)])
def test_capacity_that_falls_idle_is_used_elsewhere_within_two_seconds(
    server: redis.Redis, holders: int, burst: int
) -> None:
    fleet = Fleet(server, [rate(100, 1_000, burst)])
    first = fleet.add(holders // 2, Load(per_s=600 / holders, amounts=ONE, project="a"))
    second = fleet.add(holders // 2, Load(per_s=0.0, amounts=ONE, project="b"))
    fleet.run(8)
    first[0].load.per_s = 0.0
    second[0].load.per_s = 600 / holders
    for holder in second:
        fleet.at(fleet.now_us, holder.start)
    fleet.run(2)
    moved_us = fleet.now_us
    fleet.run(3)

    got = sum(1 for when_us, holder in fleet.spent if holder in second and when_us >= moved_us)
    assert got >= 0.97 * 100 * (fleet.now_us - moved_us) / US_PER_S
    assert fleet.excess() <= 0


@pytest.mark.parametrize(("holders", "per_s", "lasts_s", "least"), [(5, 20, 2.0, 19.0), (200, 20, 2.0, 19.0)])
def test_slots_are_all_used_and_never_more(
    server: redis.Redis, holders: int, per_s: float, lasts_s: float, least: float
) -> None:
    fleet = Fleet(server, [SLOTS])
    fleet.add(holders, Load(per_s=per_s / holders, amounts={"slots": 1}, lasts_s=lasts_s))
    seen: list[int] = []

    def look() -> None:
        seen.append(sum(holder.open for holder in fleet.holders))
        fleet.at(fleet.now_us + 10_000, look)

    fleet.run(WARM_UP_S)
    look()
    fleet.run(COUNTED_S)

    assert max(seen) <= SLOTS.slots
    assert sum(seen) / len(seen) >= least


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_holders_in_trouble_never_spend_more(server: redis.Redis, seed: int) -> None:
    fleet = Fleet(server, [rate(3_000, 60_000, 300, offline="closed"), SLOTS], seed)
    fleet.road.lost, fleet.road.doubled = 0.05, 0.1
    holders = fleet.add(1_000, Load(per_s=0.1, amounts=ONE, lasts_s=0.5))
    most_open = 0

    def look() -> None:
        nonlocal most_open
        most_open = max(most_open, sum(holder.open for holder in fleet.holders))
        fleet.at(fleet.now_us + 5_000, look)

    def trouble() -> None:
        # Each loss of memory costs a lease's time; most of the time should be spent spending.
        rare = [fleet.forget, fleet.restart] if fleet.random.random() < 0.1 else [crash, stop, join]
        fleet.random.choice(rare)()
        fleet.at(fleet.now_us + fleet.random.randint(100_000, 1_500_000), trouble)

    def crash() -> None:
        for holder in fleet.random.sample(holders, 50):
            holder.die()

    def stop() -> None:
        for holder in fleet.random.sample(holders, 200):
            holder.paused_until_us = fleet.now_us + fleet.random.randint(200_000, 2_000_000)

    def join() -> None:
        holders.extend(fleet.add(50, Load(per_s=0.1, amounts=ONE, lasts_s=0.5)))

    look()
    trouble()
    fleet.run(40)

    assert fleet.excess() <= 0
    assert most_open <= SLOTS.slots
    assert len(fleet.spent) > 150, "a fleet that does next to nothing proves nothing"
