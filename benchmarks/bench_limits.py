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

from benchmarks.limits import ceiling, local
from benchmarks.limits.compare import Contestant, Services, contestants, measure, run_loads
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
TRAFFIC_LIMIT: Final = Limit(units=8_000, period_s=1)
TRAFFIC_HOLDERS: Final = 4
HOLDERS: Final = 10_000
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
        if "local" in parts:
            found["local"] = local_costs(say)
        if "compare" in parts:
            everyone = contestants(Limit(units=LIMIT_PER_S, period_s=1), arguments.seconds)
            chosen = [everyone[name] for name in asked]
            found["compare"] = compare(chosen, services, processes=arguments.processes, say=say)
        if "traffic" in parts:
            found["traffic"] = traffic(services, seconds=arguments.seconds, say=say)
        if "syncs" in parts:
            found["syncs"] = syncs(services, home / "profile", seconds=2 * arguments.seconds, say=say)
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
        with api(running.database_url, running.redis_url) as (port, pid):
            yield Services(
                url=f"http://127.0.0.1:{port}",
                worker_token=worker,
                operator_token=operator,
                database_url=running.database_url,
                redis=redis,
                redis_url=running.redis_url,
                pids={"controller": pid, "valkey": running.valkey.pid if running.valkey else None},
            )
        redis.close()


def compare(chosen: list[Contestant], services: Services, *, processes: int, say: Any) -> dict[str, Any]:
    """Measure each contestant under its loads and print a line of the table for it."""
    say(f"\n{processes} processes share {LIMIT_PER_S} requests/s, burst {LIMIT_PER_S}; (d) minutes of 600")
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


def local_costs(say: Any) -> list[dict[str, Any]]:
    """Measure one admission in one process."""
    say(f"\n{'':32} try_admit us      with settle us   (of which two readings of the clock)")
    say(f"{'':30}    p50     p99      p50     p99      p50")
    found = []
    for label, declared in (("1 pool", local.ONE_POOL), ("2 rates and slots", local.THREE_POOLS)):
        costs = local.measure(declared)
        say(
            f"{label:30}{costs.admit_p50:7.2f} {costs.admit_p99:7.2f}  {costs.both_p50:7.2f} {costs.both_p99:7.2f}  "
            f"{costs.clock_p50:7.2f}"
        )
        found.append(asdict(costs))
    return found


def traffic(services: Services, *, seconds: float, say: Any) -> dict[str, Any]:
    """Measure Redis commands at 1,000 requests per second and holder, under a limit that admits them all."""
    everyone = contestants(TRAFFIC_LIMIT, seconds)
    load = {"traffic": float(TRAFFIC_HOLDERS * 1_000)}
    runs = {
        name: run_loads(everyone[name], load, services, processes=TRAFFIC_HOLDERS)["traffic"]
        for name in ("ours", "gcra")
    }
    ours, theirs = runs["ours"], runs["gcra"]
    say(f"\n{TRAFFIC_HOLDERS} holders of 1,000 requests/s each, Redis per admitted request, ours and (a):")
    for label, mine, other in (
        ("commands, those in scripts too", ours.commands_per_admitted, theirs.commands_per_admitted),
        ("scripts", ours.scripts / ours.admitted, theirs.scripts / theirs.admitted),
        ("reads from connections", ours.reads / ours.admitted, theirs.reads / theirs.admitted),
    ):
        say(f"  {label:32} {mine:9.5f} {other:9.5f}   {other / max(mine, 1e-9):7,.0f} times fewer")
    for name, run in runs.items():
        say(
            f"  {name}: {run.admitted / run.offered:.2%} of {run.offered / seconds:,.0f}/s admitted, "
            f"p50 {run.took_us_p50:,.0f} us, p99 {run.took_us_p99:,.0f} us, {run.client_cpu_us:,.0f} us of CPU each"
        )
    return {name: asdict(run) for name, run in runs.items()}


def syncs(services: Services, profile: Path, *, seconds: float, say: Any) -> dict[str, Any]:
    """Measure how many syncs per second one controller process answers, and where its time goes."""
    say("\nsyncs of two claims each, one controller process; us of CPU per sync")
    most = ceiling.measure(services, holders=ceiling.CLOSED_LOOP_CONNECTIONS, is_closed_loop=True, seconds=seconds)
    _say_ceiling(f"{most.holders} connections, as fast as it goes", most, say)
    runs = [most]
    for holders in (round(most.syncs_per_s * 0.6), HOLDERS):
        runs.append(ceiling.measure(services, holders=holders, is_closed_loop=False, seconds=seconds))
        _say_ceiling(f"{holders:,} holders, once a second", runs[-1], say)
    shares = ceiling.profiled(services, profile, seconds=seconds)
    say("  the controller's time (cProfile): " + ", ".join(f"{name} {share:.0%}" for name, share in shares[:9]))
    return {"runs": [asdict(run) for run in runs], "profile": dict(shares)}


def _say_ceiling(label: str, run: ceiling.Ceiling, say: Any) -> None:
    cpu = ", ".join(f"{name} {us:,.0f}" for name, us in run.cpu_us.items())
    troubles = f"; skipped {run.skipped:,}, refused {run.refused}, lost {run.lost}" * bool(
        run.skipped or run.refused or run.lost
    )
    say(
        f"  {label:36} {run.syncs_per_s:6,.0f}/s  p50 {run.p50_ms:,.1f} ms  p99 {run.p99_ms:,.1f} ms  "
        f"CPU: {cpu}; {run.commands_per_sync:.0f} Redis commands{troubles}"
    )


if __name__ == "__main__":
    main()
