"""Kill -9 of random processes of a running demo: job processes, worker, controller, runner, Valkey, Postgres."""

import asyncio
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voicegateway_controller.demo.stage import Stage

_log = logging.getLogger(__name__)

START_S_MAX: Final = 60.0
"""A worker's first job processes take some seconds, on a busy machine many."""

PidFinder = Callable[[], int | None]


class Chaos:
    """Kills until told to stop or the count is reached; lives as long as its demo run. Linux only."""

    def __init__(self, stage: Stage, *, kills: int, every_s: float, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self._kills = kills
        self._every_s = every_s
        self._random = random.Random(seed)
        self._targets: dict[str, PidFinder] = {
            "job process": lambda: self._any(job_processes(stage.fleet.pid)),
            "worker": lambda: stage.fleet.pid,
            "controller": lambda: stage.stack.controller.pid,
            "runner": lambda: stage.stack.runner.pid,
            "valkey": lambda: _pid(stage.stack.services.valkey),
            "postgres": lambda: _pid(stage.stack.services.postgres),
        }

    @property
    def is_done(self) -> bool:
        """True when all kills were made."""
        return self.killed.total() >= self._kills

    async def run(self) -> None:
        """Kill one of what runs every few seconds: each kind once, the rarest first, then by chance."""
        await self._everything_runs()
        while not self.is_done:
            await asyncio.sleep(self._every_s * self._random.uniform(0.5, 1.5))
            running = {name: pid for name, find in self._targets.items() if (pid := find()) is not None}
            if not running:
                continue
            spared = [name for name in running if name not in self.killed]
            # Job processes first: after other kills they are away for seconds, on a busy machine for most of the run.
            name = spared[0] if spared else self._random.choice(list(running))
            pid = running[name]
            _log.warning("kill -9 of %s, process %d", name, pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.killed[name] += 1

    async def _everything_runs(self) -> None:
        """Wait until there is one of each kind to kill, but not for ever."""
        deadline = time.monotonic() + START_S_MAX
        # Processes of others have no event for having started.
        while time.monotonic() < deadline and any(find() is None for find in self._targets.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    def _any(self, pids: list[int]) -> int | None:
        return self._random.choice(pids) if pids else None


def job_processes(worker_pid: int | None) -> list[int]:
    """Children of the worker's forkserver: the processes that hold calls, idle or busy."""
    if worker_pid is None:
        return []
    children = _children()
    return [job for forkserver in children.get(worker_pid, ()) for job in children.get(forkserver, ())]


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name in parentheses, which may hold anything: state, then the parent's number.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.setdefault(parent, []).append(int(stat.parent.name))
    return found


def _pid(server: object) -> int | None:
    pid = getattr(server, "pid", None)
    return pid if isinstance(pid, int) else None
