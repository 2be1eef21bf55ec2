"""Ours and each peer under the same limit and the same three loads."""

import itertools
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from benchmarks.limits.fleet import HEAD_START_S, Limit, Outcome, run
from benchmarks.limits.peers import LIMITERS, LITELLM, python_with
from redis import Redis

OVERLOAD: Final = 10.0
MODERATE: Final = 0.9
LOADS: Final = ("overload", "moderate", "surges")
MINUTE_S: Final = 60
LITELLM_LIMIT: Final = Limit(units=600, period_s=MINUTE_S)
"""Its limits are per clock minute; few enough that its processes can offer ten times as many."""
LITELLM_S: Final = 16.0
"""From before a minute's edge to after it; both minutes' units are asked for in it."""
WAIT_MS: Final = 250
"""What the shim waits unless told otherwise."""
_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where the controller and the server are; lives as long as they do."""

    url: str
    worker_token: str
    operator_token: str
    database_url: str
    redis: Redis
    redis_url: str
    pids: dict[str, int | None]

    def declare(self, limits: list[dict[str, Any]]) -> None:
        """Replace all limits."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/limits",
            data=msgspec.json.encode({"limits": limits}),
            headers={"Authorization": f"Bearer {self.operator_token}", "Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            response.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A limiter, how it is run and the limit it is given."""

    name: str
    label: str
    limit: Limit
    seconds: float
    wait_ms: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether it needs a controller."""
        return self.name.startswith("ours")

    @property
    def loads(self) -> tuple[str, ...]:
        """The loads it is run under: surges are shorter than a minute, LiteLLM's edge comes once a minute."""
        return LOADS if self.name != "litellm" else LOADS[:2]


def contestants(limit: Limit, seconds: float) -> dict[str, Contestant]:
    """Return all by name."""
    labels = {
        "ours": f"ours, waiting <= {WAIT_MS} ms",
        "ours-at-once": "ours, never waiting",
        "gcra": "(a) Lua per request, sync",
        "gcra-async": "(a) Lua per request, asyncio",
        "limits-moving": "(b) limits, moving window",
        "limits-sliding": "(b) limits, sliding counter",
        "limits-fixed": "(b) limits, fixed window",
        "throttled-gcra": "(c) throttled-py, GCRA",
        "throttled-bucket": "(c) throttled-py, token bucket",
    }
    found = {
        name: Contestant(name=name, label=label, limit=limit, seconds=seconds, wait_ms=WAIT_MS if name == "ours" else 0)
        for name, label in labels.items()
    }
    found["litellm"] = Contestant(
        name="litellm", label="(d) LiteLLM router, rpm", limit=LITELLM_LIMIT, seconds=LITELLM_S
    )
    return found


def measure(contestant: Contestant, services: Services, *, processes: int) -> dict[str, Outcome]:
    """Run a contestant under each of its loads. Raises PeerMissing when it cannot be had."""
    limit = contestant.limit
    offered = {load: limit.per_s * (MODERATE if load == "moderate" else OVERLOAD) for load in contestant.loads}
    if contestant.name != "litellm":
        return run_loads(contestant, offered, services, processes=processes)
    # A second router in a process would count every request twice: its check is a callback of the module.
    return {
        load: run_loads(contestant, {load: per_s}, services, processes=processes)[load]
        for load, per_s in offered.items()
    }


def command_of(contestant: Contestant) -> list[str]:
    """Return how one of its processes is run. Raises PeerMissing when it cannot be had."""
    if contestant.is_ours:
        return [sys.executable, "-m", "benchmarks.limits.holder"]
    python: Path = python_with(LITELLM if contestant.name == "litellm" else LIMITERS)
    return [str(python), "-m", "benchmarks.limits.asker"]


def run_loads(
    contestant: Contestant, offered: dict[str, float], services: Services, *, processes: int
) -> dict[str, Outcome]:
    """Offer so many requests per second from several processes, each load under a limit that nobody has used yet."""
    command, limit, number = command_of(contestant), contestant.limit, next(_numbers)
    job: dict[str, Any] = {
        "key": f"bench-{number}",
        "loads": {load: per_s / processes for load, per_s in offered.items()},
        "limit_per_s": limit.per_s / processes,
        "seconds": contestant.seconds,
        "seed_of_all": 11,
    }
    if contestant.is_ours:
        job |= {"url": services.url, "token": services.worker_token, "wait_ms": contestant.wait_ms}
        key = {1: "requests_per_s", MINUTE_S: "requests_per_min"}[limit.period_s]
        models = [f"bench-{number}-{load}" for load in offered]
        services.declare(
            [{"provider": "openai", "model": model, key: limit.units, "burst": limit.units} for model in models]
        )
    else:
        job |= {"redis_url": services.redis_url, "limiter": contestant.name}
        job |= {"units": limit.units, "period_s": limit.period_s}
    jobs = [job | {"seed": 1_000 * number + index} for index in range(processes)]
    begin: Callable[[str], None] = _wait_for_the_edge if contestant.name == "litellm" else _at_once
    return run(command, jobs, services.redis, limit=limit, begin=begin)


def _at_once(load: str) -> None:
    """Wait for nothing."""
    del load


def _wait_for_the_edge(load: str) -> None:
    """Return so that half of LiteLLM's overload lies before the next edge of a minute, as its keys count them."""
    if load == "overload":
        time.sleep((MINUTE_S - LITELLM_S / 2 - HEAD_START_S - time.time()) % MINUTE_S)
