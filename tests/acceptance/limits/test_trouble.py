"""Real processes share limits while everything around them is killed, stopped and made to forget: never over."""

import sys

from tests.acceptance.limits.conftest import MakeFleet
from tests.fixtures import limit_fleet_runs as runs
from tests.fixtures.limit_fleet_runs import Faults, Outcome
from tests.fixtures.sync_proxy import SyncProxy

from voicegateway_controller.embedded import EmbeddedValkey

PROCESSES = 8


def _judged(outcome: Outcome) -> None:
    sys.stdout.write(f"{outcome}\n")
    assert outcome.run.complaints == []
    assert {pool: verdict.over for pool, verdict in outcome.rates.items()} == dict.fromkeys(outcome.rates, 0)
    assert outcome.slots is not None
    assert outcome.slots.most <= 12
    assert outcome.slots.opened >= 12, "the fleet did next to nothing"


async def test_workers_are_killed_and_stopped(make_fleet: MakeFleet, valkey: EmbeddedValkey) -> None:
    async with make_fleet() as fleet:
        faults = Faults(fleet, valkey, seconds=12, seed=1)
        happens = [(2.0 + step, faults.kill_worker) for step in range(8)]
        happens += [(2.4 + step, faults.pause_worker) for step in range(8)]
        outcome = await runs.trouble(fleet, "workers killed and stopped", happens, processes=PROCESSES, seconds=12)

    _judged(outcome)


async def test_workers_end_in_the_middle_of_their_requests(make_fleet: MakeFleet, valkey: EmbeddedValkey) -> None:
    async with make_fleet() as fleet:
        faults = Faults(fleet, valkey, seconds=12)
        happens = [(1 + step / 4, faults.worker_leaves) for step in range(40)]
        outcome = await runs.trouble(fleet, "workers come and go", happens, processes=PROCESSES, seconds=12)

    _judged(outcome)


async def test_controllers_and_valkey_are_killed_stopped_and_flushed(
    make_fleet: MakeFleet, valkey: EmbeddedValkey
) -> None:
    async with make_fleet() as fleet:
        faults = Faults(fleet, valkey, seconds=24, seed=2)
        happens = [
            (2, faults.kill_controller),
            (4, faults.pause_controller),
            (7, faults.pause_valkey),
            (10, faults.roll_controllers),
            (12, faults.flush),
            (13, faults.flush),
            (14, faults.kill_worker),
            (17, faults.kill_valkey),
            (18, faults.pause_worker),
            (21, faults.kill_controller),
        ]
        outcome = await runs.trouble(
            fleet, "controller and Valkey in trouble", happens, processes=PROCESSES, seconds=24
        )

    _judged(outcome)


async def test_messages_come_late_twice_and_to_one_replica_or_another(
    make_fleet: MakeFleet, valkey: EmbeddedValkey
) -> None:
    async with make_fleet(controllers=2) as fleet, SyncProxy([each.port for each in fleet.controllers]) as proxy:
        fleet.url = proxy.url
        faults = Faults(fleet, valkey, seconds=12)
        happens = [(3.0, faults.roll_controllers), (8.0, faults.kill_controller)]
        outcome = await runs.trouble(fleet, "bad road, two replicas", happens, processes=PROCESSES, seconds=12)

    sys.stdout.write(f"{proxy.late} late, {proxy.twice} twice, {proxy.lost} answers lost\n")
    _judged(outcome)
    assert min(proxy.late, proxy.twice, proxy.lost) > 0
