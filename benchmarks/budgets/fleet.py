"""Several real processes whose callers pay from one budget at the same time, and what came of it."""

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.limits.fleet import HEAD_START_S, ROOT, counted, difference, tell, wait_for
from benchmarks.limits.log import AskLog, spans
from redis import Redis


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One load: what a request costs, how long it lasts, and how many callers of a process make them."""

    callers: int
    cost_nano: int
    lasts_s: float
    pause_s: float = 0.25
    """Until a caller that was refused asks again."""
    amount_nano: int = 1_000_000_000
    """The budget."""


LOADS: Final = {
    "cents": Terms(callers=200, cost_nano=1_000_000, lasts_s=0.1),
    "large": Terms(callers=4, cost_nano=640_000_000, lasts_s=1.0),
    "ample": Terms(callers=10, cost_nano=1_000_000, lasts_s=0.1, amount_nano=1_000_000_000_000),
}
"""Requests of a tenth of a cent from 200 callers in each process, of 64 cents from four; and a budget of 1,000 dollars
that nobody comes near, for what admission costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of all processes came to."""

    offered: int
    admitted: int
    spent_nano: int
    amount_nano: int
    took_us_p50: float
    """From asking to being admitted; of those that were."""
    took_us_p99: float
    client_cpu_us: float
    """Processor time of the asking processes per request that was asked for."""
    commands: dict[str, int]

    @property
    def over(self) -> float:
        """Spent beyond the budget, of the budget."""
        return max(0, self.spent_nano - self.amount_nano) / self.amount_nano

    @property
    def used(self) -> float:
        """Spent of the budget; more than 1 where it was overrun."""
        return self.spent_nano / self.amount_nano

    @property
    def commands_per_admitted(self) -> float:
        """Commands the server ran, those inside of scripts included."""
        return sum(self.commands.values()) / max(1, self.admitted)


def run(command: Sequence[str], jobs: Sequence[dict[str, Any]], redis: Redis, load: str) -> Outcome:
    """Run one process per job under a load, all from one moment on."""
    terms = LOADS[load]
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as folder:
        outs = [str(Path(folder) / str(index)) for index in range(len(jobs))]
        processes = [
            subprocess.Popen(
                [*command, json.dumps(job | {"out": out, "loads": {load: asdict(terms)}})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )
            for job, out in zip(jobs, outs, strict=True)
        ]  # fmt: skip
        try:
            wait_for(processes, "ready")
            before = counted(redis)
            begin_ns = time.monotonic_ns() + int(HEAD_START_S * 1e9)
            for process in processes:
                tell(process, f"{begin_ns}\n")
            wait_for(processes, "done")
            commands = difference(before, counted(redis))
            logs = [AskLog.read(Path(f"{out}.{load}")) for out in outs]
            return _outcome(logs, commands, terms)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _outcome(logs: Sequence[AskLog], commands: dict[str, int], terms: Terms) -> Outcome:
    admitted = sorted(after - before for before, after in spans(logs))
    offered = sum(len(log.took_ns) for log in logs)
    commands.pop("reads", 0)
    return Outcome(
        offered=offered,
        admitted=len(admitted),
        spent_nano=len(admitted) * terms.cost_nano,
        amount_nano=terms.amount_nano,
        took_us_p50=admitted[len(admitted) // 2] / 1000,
        took_us_p99=admitted[len(admitted) * 99 // 100] / 1000,
        client_cpu_us=sum(log.cpu_s for log in logs) * 1e6 / offered,
        commands=commands,
    )
