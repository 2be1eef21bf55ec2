"""One process that asks a peer's limiter at its own moments, told to begin by a line on its input.

Run by the benchmark in the peers' environment: python -m benchmarks.limits.asker '<job as JSON>'
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.limits.limiters import ASYNC, SYNC, Ask, AskAsync, now_ns
from benchmarks.limits.log import AskLog
from benchmarks.limits.offered import steady, surges

LATE_NS = 50_000_000
IN_FLIGHT_MAX = 64
"""Questions one event loop has open at once."""
NS_PER_S = 1_000_000_000


def main() -> None:
    """Ask as the job says, under each of its loads in turn, and write a log of each."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    limit = {"units": job["units"], "period_s": job["period_s"]}
    if job["limiter"] not in SYNC:
        asyncio.run(_main_async(job, limit))
        return
    for load in job["loads"]:
        ask, log = SYNC[job["limiter"]](job["redis_url"], f"{job['key']}-{load}", **limit), AskLog()
        begin_ns = told_to_begin(log)
        ask_all(ask, log, moments(job, load), begin_ns, begin_ns + int(job["seconds"] * NS_PER_S))
        finish(log, job, load)


def moments(job: dict[str, Any], load: str) -> Iterator[float]:
    """Return when this process asks, in seconds from the start."""
    if load == "surges":
        rates = (job["limit_per_s"], job["loads"][load])
        return surges(*rates, job["seconds"], seed=job["seed"], seed_of_all=job["seed_of_all"])
    return steady(job["loads"][load], job["seconds"], seed=job["seed"])


def told_to_begin(log: AskLog) -> int:
    """Say that we are ready, and return the moment to begin at."""
    print("ready", flush=True)
    begin_ns = int(sys.stdin.readline())
    log.cpu_s = -time.process_time()
    return begin_ns


def finish(log: AskLog, job: dict[str, Any], load: str) -> None:
    """Write the log of one load, and say so."""
    log.cpu_s += time.process_time()
    log.write(Path(f"{job['out']}.{load}"))
    print("done", flush=True)


def ask_all(ask: Ask, log: AskLog, at: Iterator[float], begin_ns: int, end_ns: int) -> None:
    """Ask at each moment, or at once when it has passed; who is behind at the end asks no more."""
    for moment in at:
        due_ns = begin_ns + int(moment * NS_PER_S)
        before_ns = now_ns()
        if before_ns < due_ns:
            time.sleep((due_ns - before_ns) / NS_PER_S)
            before_ns = now_ns()
        log.late += before_ns - due_ns > LATE_NS
        if before_ns > end_ns:
            return
        is_admitted = ask()
        log.answered(before_ns, now_ns(), is_admitted=is_admitted)


async def _main_async(job: dict[str, Any], limit: dict[str, Any]) -> None:
    for load in job["loads"]:
        ask, log = await ASYNC[job["limiter"]](job["redis_url"], f"{job['key']}-{load}", **limit), AskLog()
        begin_ns = told_to_begin(log)
        await _ask_all_async(ask, log, moments(job, load), begin_ns, begin_ns + int(job["seconds"] * NS_PER_S))
        finish(log, job, load)


async def _ask_all_async(ask: AskAsync, log: AskLog, at: Iterator[float], begin_ns: int, end_ns: int) -> None:
    free = asyncio.Semaphore(IN_FLIGHT_MAX)
    async with asyncio.TaskGroup() as open_ones:
        for moment in at:
            due_ns = begin_ns + int(moment * NS_PER_S)
            if (wait_ns := due_ns - now_ns()) > 0:
                await asyncio.sleep(wait_ns / NS_PER_S)
            await free.acquire()
            if now_ns() > end_ns:
                return
            log.late += now_ns() - due_ns > LATE_NS
            open_ones.create_task(_ask_one(ask, log, free))


async def _ask_one(ask: AskAsync, log: AskLog, free: asyncio.Semaphore) -> None:
    before_ns = now_ns()
    try:
        is_admitted = await ask()
        log.answered(before_ns, now_ns(), is_admitted=is_admitted)
    finally:
        free.release()


if __name__ == "__main__":
    main()
