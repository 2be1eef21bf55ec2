"""Limits on real processes: how much of a limit a fleet uses, and whether it ever used more.

    python -m benchmarks.fleet_limits [overload|crowd|below|moving|inherited|trouble ...] [--seconds 20]

Real controllers, workers, Postgres and Valkey on this machine; the same runs, shorter, are tests in
tests/acceptance/limits. The verdict is over all intervals, not on average.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.fixtures import limit_fleet_runs as runs
from tests.fixtures.limit_fleet import Fleet
from tests.fixtures.limit_fleet_runs import Fault, Faults

from voicegateway_controller.db.migrate import upgrade
from voicegateway_controller.embedded import EmbeddedServices, EmbeddedValkey

PROCESSES: Final = 8
CROWD: Final = 200

Run = Callable[[Fleet, EmbeddedValkey, float], Awaitable[str]]


async def overload(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """Ten times what the limits allow."""
    return str(await runs.overload(fleet, processes=PROCESSES, seconds=seconds, slots=12))


async def crowd(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """Limits smaller than the number of those who share them."""
    return str(await runs.crowd(fleet, processes=CROWD, seconds=seconds))


async def below(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """Nine tenths of what the limits allow."""
    return str(await runs.below(fleet, processes=PROCESSES, seconds=seconds))


async def moving(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """Half of the processes stop."""
    outcome, by_second = await runs.moving(fleet, processes=PROCESSES, seconds=seconds)
    return f"{outcome}\n  used in each second after that: {', '.join(f'{part:.1%}' for part in by_second)}"


async def inherited(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """All holders of slots are killed."""
    outcome, took_s = await runs.inherited(fleet)
    return f"{outcome}\n  all slots held by others {took_s:.2f} s after the death"


async def trouble(fleet: Fleet, valkey: EmbeddedValkey, seconds: float) -> str:
    """Something happens every 0.7 s, a controller or Valkey is lost every 8 s."""
    faults = Faults(fleet, valkey, seconds=seconds)
    small = (faults.kill_worker, faults.pause_worker, faults.worker_leaves, faults.pause_worker)
    large = (faults.kill_controller, faults.flush, faults.pause_valkey, faults.roll_controllers, faults.kill_valkey)
    happens: list[tuple[float, Fault]] = []
    happens += [(2 + 0.7 * step, small[step % len(small)]) for step in range(int((seconds - 5) / 0.7))]
    happens += [(3 + 8.0 * step, large[step % len(large)]) for step in range(int((seconds - 5) / 8))]
    return str(await runs.trouble(fleet, "all troubles", happens, processes=PROCESSES, seconds=seconds))


RUNS: Final[dict[str, Run]] = {each.__name__: each for each in (overload, crowd, below, moving, inherited, trouble)}


async def measure(name: str, seconds: float) -> str:
    """Do one run on services of its own."""
    with tempfile.TemporaryDirectory() as folder:
        services = EmbeddedServices(Path(folder) / "services", durable=False)
        await services.start()
        try:
            await upgrade(services.database_url)
            if services.valkey is None:
                raise RuntimeError("the run has a Valkey of its own to kill")
            async with Fleet(Path(folder), database_url=services.database_url, redis_url=services.redis_url) as fleet:
                return await RUNS[name](fleet, services.valkey, seconds)
        finally:
            await services.stop()


def main() -> None:
    """Do the runs that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="*", metavar="run", help=", ".join(RUNS))
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    for name in arguments.runs or RUNS:
        if name not in RUNS:
            parser.error(f"no run {name!r}; there are {', '.join(RUNS)}")
        print(asyncio.run(measure(name, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
