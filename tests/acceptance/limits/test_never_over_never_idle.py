"""Real processes share limits: never over in any interval, never idle while somebody wants more.

Bounds are exact. What is used is asserted with room for a busy machine; the numbers are printed, and quoted from longer
runs in benchmarks/README.md.
"""

import sys

from tests.acceptance.limits.conftest import MakeFleet
from tests.fixtures import limit_fleet_runs as runs
from tests.fixtures.limit_fleet_runs import RATE, SLOTS, Outcome

BUSY_MS = 200
"""On a machine that makes requests later than this, how much of a limit is used says nothing of ours."""
SLOT_LEASE_S = 5.0
NOTICED_WITHIN_S = 1.5
"""A waiter asks twice a second; the rest is for a busy machine."""


def _judged(outcome: Outcome, *, slots: int = 0) -> None:
    sys.stdout.write(f"{outcome}\n")
    assert outcome.run.complaints == []
    assert {pool: verdict.over for pool, verdict in outcome.rates.items()} == dict.fromkeys(outcome.rates, 0)
    assert outcome.slots is None or outcome.slots.most <= slots


def _is_busy(outcome: Outcome) -> bool:
    return outcome.run.total().late_ms_max > BUSY_MS


async def test_ten_times_the_limit_is_offered_and_exactly_the_limit_is_spent(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        outcome = await runs.overload(fleet, processes=8, seconds=12, slots=12)

    _judged(outcome, slots=12)
    assert outcome.slots is not None
    assert outcome.slots.most == 12
    assert outcome.utilisation[RATE] >= 0.95 or _is_busy(outcome)


async def test_two_hundred_processes_share_limits_smaller_than_their_number(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        outcome = await runs.crowd(fleet, processes=200, seconds=20)

    _judged(outcome, slots=20)
    assert outcome.rates[RATE].units >= 20, "the fleet did next to nothing"


async def test_what_is_below_the_limit_is_admitted(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        outcome = await runs.below(fleet, processes=8, seconds=10)

    _judged(outcome)
    total = outcome.run.total()
    assert total.admitted >= 0.98 * total.offered or _is_busy(outcome)


async def test_what_some_leave_unused_is_used_by_others_within_two_seconds(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        outcome, by_second = await runs.moving(fleet, processes=8, seconds=10)

    _judged(outcome)
    sys.stdout.write(f"  used in each second after half of them stopped: {[f'{part:.1%}' for part in by_second]}\n")
    assert min(by_second[2:]) >= 0.9 or _is_busy(outcome)


async def test_slots_of_killed_processes_come_back_within_the_lease(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        outcome, took_s = await runs.inherited(fleet)

    _judged(outcome, slots=12)
    sys.stdout.write(f"  {SLOTS}: all held by others {took_s:.2f} s after the death\n")
    assert took_s <= SLOT_LEASE_S + NOTICED_WITHIN_S
