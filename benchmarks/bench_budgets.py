"""A budget that a fleet shares: overspend, how much of it can be used, and the cost of admission; ours and two others.

Run: python -m benchmarks.bench_budgets [--seconds 5] [--processes 8] [--peers ours,naive,litellm] [--json]

Starts Postgres, Valkey and one controller of its own. LiteLLM is installed into a cache folder when first needed.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
from benchmarks.bench_limits import services_at
from benchmarks.budgets.fleet import LOADS, Outcome, Terms, run
from benchmarks.limits.compare import Services
from benchmarks.limits.peers import LIMITERS, LITELLM, PeerMissing, python_with

NANO_PER_USD: Final = 1_000_000_000
LABELS: Final = {
    "ours": "ours, waiting <= 250 ms",
    "naive": "(a) check, then act, on Redis",
    "litellm": "(b) LiteLLM router, max_budget",
}


def main() -> None:
    """Run all that is asked for and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--processes", type=int, default=8, help="that share one budget")
    parser.add_argument("--peers", default=",".join(LABELS), help=f"of {', '.join(LABELS)}")
    parser.add_argument("--json", action="store_true", help="print everything measured as JSON, nothing else")
    arguments = parser.parse_args()
    for name in (asked := arguments.peers.split(",")):
        if name not in LABELS:
            parser.error(f"no such peer: {name}")
    say = (lambda *_: None) if arguments.json else print
    say(f"load before the run: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="voicegateway-bench-") as home:
        found = asyncio.run(bench(Path(home), arguments, asked, say))
    if arguments.json:
        print(json.dumps({"load": os.getloadavg()[0], **found}, indent=1))


async def bench(home: Path, arguments: argparse.Namespace, asked: list[str], say: Any) -> dict[str, Any]:
    """Start the services once, then measure each under each load."""
    found: dict[str, Any] = {}
    async with services_at(home) as services:
        for load, terms in LOADS.items():
            say(
                f"\n{arguments.processes} processes x {terms.callers} callers, {_usd(terms)} USD, requests of "
                f"{terms.cost_nano / 1e9:g} USD that last {terms.lasts_s:g} s"
            )
            say(f"{'':32}    spent  overspent     us per admission     CPU us  Redis commands")
            say(f"{'':32}                            p50        p99   per ask    per admitted")
            for name in asked:
                try:
                    outcome = await asyncio.to_thread(
                        measure, name, load, services, seconds=arguments.seconds, processes=arguments.processes
                    )
                except PeerMissing as missing:
                    say(f"{LABELS[name]:32} not measured: {missing.reason}")
                    continue
                say(_line(LABELS[name], outcome))
                found.setdefault(load, {})[name] = asdict(outcome)
    return found


def measure(name: str, load: str, services: Services, *, seconds: float, processes: int) -> Outcome:
    """Let one contestant spend a budget that nobody has used yet. Raises PeerMissing when it cannot be had."""
    job: dict[str, Any] = {"amount_nano": LOADS[load].amount_nano, "seconds": seconds}
    if name == "ours":
        project = f"bench-{load}"
        declare(services, project, _usd(LOADS[load]))
        command = [sys.executable, "-m", "benchmarks.budgets.holder"]
        job |= {"url": services.url, "token": services.worker_token, "project": project}
    else:
        python = python_with(LITELLM if name == "litellm" else LIMITERS)
        command = [str(python), "-m", "benchmarks.budgets.asker"]
        job |= {"purse": name, "redis_url": services.redis_url, "key": f"bench-{name}-{load}"}
    return run(command, [job | {"seed": index} for index in range(processes)], services.redis, load)


def declare(services: Services, project: str, amount_usd: str) -> None:
    """Replace all budgets by one of a project."""
    budget = {"name": project, "project": project, "amount": amount_usd, "window": "total", "action": "block"}
    request = urllib.request.Request(
        f"{services.url}/api/v1/budgets",
        data=msgspec.json.encode({"budgets": [budget]}),
        headers={"Authorization": f"Bearer {services.operator_token}", "Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        response.read()


def _line(label: str, outcome: Outcome) -> str:
    return (
        f"{label:32} {outcome.used:8.2%} {outcome.over:10.2%} {outcome.took_us_p50:10,.0f} "
        f"{outcome.took_us_p99:10,.0f} {outcome.client_cpu_us:9,.0f} {outcome.commands_per_admitted:15.2f}"
    )


def _usd(terms: Terms) -> str:
    return f"{terms.amount_nano // NANO_PER_USD}.00"


if __name__ == "__main__":
    main()
