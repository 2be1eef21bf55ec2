"""Limits held by a fleet: over-admission, utilisation and cost, ours against four others on the same server.

Run: python -m benchmarks.bench_limits [--seconds 5] [--processes 8] [--peers gcra,limits-moving,...] [--json]

Starts Postgres, Valkey and one controller of its own. Peers' packages are installed into a cache folder when first
needed. --parts: compare (all of them under one limit), local (one admission, no I/O), traffic (Redis commands at
1,000 requests per second and holder), syncs (10,000 holders on one controller process).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.limits.compare import Contestant, Services, contestants, measure
from benchmarks.limits.fleet import Limit, Outcome
from benchmarks.limits.peers import PeerMissing
from benchmarks.processes import api
from redis import Redis

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.embedded import EmbeddedServices

LIMIT_PER_S: Final = 500
"""Ten times as many are what slow peers can still ask for on two cores."""
PARTS: Final = ("local", "compare", "traffic", "syncs")


def main() -> None:
    """Run the parts asked for and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = contestants(Limit(units=1, period_s=1), 1)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--processes", type=int, default=8, help="that share one limit")
    parser.add_argument("--peers", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print everything measured as JSON, nothing else")
    arguments = parser.parse_args()
    for name in (asked := arguments.peers.split(",")):
        if name not in names:
            parser.error(f"no such peer: {name}")
    say = (lambda *_: None) if arguments.json else print
    say(f"load before the run: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        found = asyncio.run(bench(Path(home), arguments, asked, say))
    if arguments.json:
        print(json.dumps({"load": os.getloadavg()[0], **found}, indent=1))


async def bench(home: Path, arguments: argparse.Namespace, asked: list[str], say: Any) -> dict[str, Any]:
    """Start the services once, then run each part."""
    found: dict[str, Any] = {}
    parts = arguments.parts.split(",")
    async with services_at(home) as services:
        if "compare" in parts:
            everyone = contestants(Limit(units=LIMIT_PER_S, period_s=1), arguments.seconds)
            chosen = [everyone[name] for name in asked]
            found["compare"] = compare(chosen, services, processes=arguments.processes, say=say)
    return found


@asynccontextmanager
async def services_at(home: Path) -> AsyncIterator[Services]:
    """Run Postgres, Valkey and a controller, with tokens for a worker and an operator."""
    async with EmbeddedServices(home) as running:
        await migrate.upgrade(running.database_url)
        engine = make_engine(running.database_url, pool_size=2, application_name="bench")
        worker = await create_token(engine, role=Role.WORKER, name="bench")
        operator = await create_token(engine, role=Role.OPERATOR, name="bench")
        await engine.dispose()
        redis: Redis = Redis.from_url(running.redis_url)
        with api(running.database_url, running.redis_url) as (port, _):
            yield Services(
                url=f"http://127.0.0.1:{port}",
                worker_token=worker,
                operator_token=operator,
                redis=redis,
                redis_url=running.redis_url,
            )
        redis.close()


def compare(chosen: list[Contestant], services: Services, *, processes: int, say: Any) -> dict[str, Any]:
    """Measure each contestant under its loads and print a line of the table for it."""
    say(f"\n{processes} processes share {LIMIT_PER_S} requests/s, burst {LIMIT_PER_S}; (d) minutes of 3,000")
    say(f"{'':31} over-    used at  admitted    us per admission    CPU us  Redis commands per admitted")
    say(f"{'':31} admitted offer*10 offer*0.9      p50      p99   per ask       offer*10  offer*0.9")
    found: dict[str, Any] = {}
    for contestant in chosen:
        try:
            runs = measure(contestant, services, processes=processes)
        except PeerMissing as missing:
            say(f"{contestant.label:31} not measured: {missing.reason}")
            found[contestant.name] = {"missing": missing.reason}
            continue
        say(_line(contestant, runs))
        found[contestant.name] = {load: asdict(outcome) for load, outcome in runs.items()}
    return found


def _line(contestant: Contestant, runs: dict[str, Outcome]) -> str:
    overload, moderate = runs["overload"], runs["moderate"]
    worst = max(0.0, *(outcome.excess for outcome in runs.values()))
    late = "*" if max(outcome.late_share for outcome in runs.values()) > 0.01 else " "
    return (
        f"{contestant.label:31}{worst:9,.0f} {overload.used:7.1%}{late} "
        f"{moderate.admitted / moderate.offered:9.2%} {moderate.took_us_p50:8,.0f} {moderate.took_us_p99:8,.0f} "
        f"{overload.client_cpu_us:9,.0f} {overload.commands_per_admitted:14.2f} {moderate.commands_per_admitted:10.2f}"
    )


if __name__ == "__main__":
    main()
