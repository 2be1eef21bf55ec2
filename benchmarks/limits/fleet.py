"""Several real processes that ask under one limit at the same time, and what came of it."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.limits.intervals import certain_excess, worst_excess
from benchmarks.limits.log import AskLog, spans
from redis import Redis

ROOT: Final = Path(__file__).parents[2]
HEAD_START_S: Final = 0.3
"""From the word to begin to the first request, so that all processes have heard it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`units` per `period_s`; as a bucket, which holds as much at once."""

    units: int
    period_s: int

    @property
    def per_s(self) -> float:
        """Units per second."""
        return self.units / self.period_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of all processes came to."""

    seconds: float
    offered: int
    admitted: int
    late_share: float
    """Of requests that came long after their moment: the processes could not offer what they should have."""
    used: float
    """Share of the limit that was admitted while requests were offered, see `_used`."""
    excess: float
    """Units that the worst interval certainly had beyond burst + rate × length; at most 0: the limit held."""
    excess_as_logged: float
    """The same, taking the moment after each answer for the exact one."""
    took_us_p50: float
    took_us_p99: float
    client_cpu_us: float
    """Processor time of the asking processes per request, pacing included."""
    commands: dict[str, int]
    reads: int
    """Times the server read from a connection: about one per round trip."""

    @property
    def scripts(self) -> int:
        """Scripts the server ran."""
        return self.commands.get("evalsha", 0) + self.commands.get("eval", 0)

    @property
    def commands_per_admitted(self) -> float:
        """Commands the server ran, those inside of scripts included."""
        return sum(self.commands.values()) / max(1, self.admitted)


def run(
    command: Sequence[str],
    jobs: Sequence[dict[str, Any]],
    redis: Redis,
    *,
    limit: Limit,
    begin: Callable[[str], None] = lambda _: None,
) -> dict[str, Outcome]:
    """Run one process per job, under each of their loads in turn, all from one moment on. `begin` may wait for it."""
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as folder:
        outs = [str(Path(folder) / str(index)) for index in range(len(jobs))]
        processes = [
            subprocess.Popen(
                [*command, json.dumps(job | {"out": out})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )
            for job, out in zip(jobs, outs, strict=True)
        ]  # fmt: skip
        try:
            for load in jobs[0]["loads"]:
                wait_for(processes, "ready")
                begin(load)
                before = counted(redis)
                begin_ns = time.monotonic_ns() + int(HEAD_START_S * 1e9)
                for process in processes:
                    tell(process, f"{begin_ns}\n")
                wait_for(processes, "done")
                commands = difference(before, counted(redis))
                logs = [AskLog.read(Path(f"{out}.{load}")) for out in outs]
                outcomes[load] = _outcome(logs, commands, limit=limit, begin_ns=begin_ns, seconds=jobs[0]["seconds"])
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return outcomes


def counted(redis: Redis) -> dict[str, int]:
    """Return calls by command since the server started, and reads from connections."""
    told: Any = redis.info("commandstats")
    stats: Any = redis.info("stats")
    calls = {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in told.items()}
    calls.pop("info", None)
    return calls | {"reads": int(stats["total_reads_processed"])}


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return what was counted in between."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}


def wait_for(processes: Sequence["subprocess.Popen[str]"], word: str) -> None:
    """Return when every process has said a word. Raises SystemExit when one ended instead."""
    for process in processes:
        assert process.stdout is not None
        while (line := process.stdout.readline()) != f"{word}\n":
            if not line:
                raise SystemExit(f"a process of the benchmark ended before it was {word}")


def tell(process: "subprocess.Popen[str]", word: str) -> None:
    """Write to a process's input."""
    assert process.stdin is not None
    process.stdin.write(word)
    process.stdin.flush()


def _outcome(
    logs: Sequence[AskLog], commands: dict[str, int], *, limit: Limit, begin_ns: int, seconds: float
) -> Outcome:
    admitted = spans(logs)
    took = sorted(each for log in logs for each in log.took_ns)
    reads = commands.pop("reads", 0)
    rule = {"rate_per_s": limit.per_s, "burst": limit.units}
    return Outcome(
        seconds=seconds,
        offered=len(took),
        admitted=len(admitted),
        used=_used([after - begin_ns for _, after in admitted], limit, seconds),
        late_share=sum(log.late for log in logs) / len(took),
        excess=certain_excess(admitted, **rule),
        excess_as_logged=worst_excess(sorted(after for _, after in admitted), **rule),
        took_us_p50=took[len(took) // 2] / 1000,
        took_us_p99=took[len(took) * 99 // 100] / 1000,
        client_cpu_us=sum(log.cpu_s for log in logs) * 1e6 / len(took),
        commands=commands,
        reads=reads,
    )


def _used(admitted_ns: Sequence[int], limit: Limit, seconds: float) -> float:
    """Admitted of the rate after the first period, when the burst is gone; in a shorter run, of burst and rate."""
    counted_ns = [each for each in admitted_ns if each <= seconds * 1e9]
    if seconds <= limit.period_s:
        return len(counted_ns) / (limit.units + limit.per_s * seconds)
    later = sum(each > limit.period_s * 1e9 for each in counted_ns)
    return later / (limit.per_s * (seconds - limit.period_s))
