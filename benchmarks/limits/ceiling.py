"""How many syncs per second one controller process answers, and where the time goes."""

import json
import pstats
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.limits.compare import Services
from benchmarks.limits.fleet import ROOT, counted
from benchmarks.limits.fleet import difference as counts
from benchmarks.processes import api, cpu_seconds, difference

MODEL: Final = "bench-syncs"
LIMITS: Final = [{"name": "syncs", "provider": "openai", "model": MODEL, "requests_per_s": 50_000, "burst": 500_000,
                  "concurrent": 50_000}]  # fmt: skip
CLOSED_LOOP_CONNECTIONS: Final = 40
"""Fewer than the controller's connections to Redis; each speaks again as soon as it is answered."""
STAGES: Final = (
    ("uvloop", "loop, sockets"),
    ("/uvicorn/", "uvicorn"),
    ("/starlette/", "starlette, fastapi"),
    ("/fastapi/", "starlette, fastapi"),
    ("/pydantic", "starlette, fastapi"),
    ("/anyio/", "starlette, fastapi"),
    ("/redis/", "redis client"),
    ("hiredis", "redis client"),
    ("/asyncio/", "asyncio"),
    ("voicegateway_controller/limits", "our limits"),
    ("voicegateway_controller", "our controller, rest"),
    ("voicegateway_shared", "our messages"),
    ("prometheus", "prometheus"),
    ("msgspec", "msgspec"),
    ("structlog", "structlog"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What one run of holders came to."""

    holders: int
    is_closed_loop: bool
    syncs_per_s: float
    p50_ms: float
    p99_ms: float
    skipped: int
    refused: dict[str, int]
    lost: int
    cpu_us: dict[str, float]
    """Processor time per sync by process."""
    commands_per_sync: float


def profiled(services: Services, profile: Path, *, seconds: float) -> list[tuple[str, float]]:
    """Return the shares of a second controller's busy time by stage, under as much as it can answer."""
    with api(services.database_url, services.redis_url, profile=profile) as (port, _):
        seen = replace(services, url=f"http://127.0.0.1:{port}")
        measure(seen, holders=CLOSED_LOOP_CONNECTIONS, is_closed_loop=True, seconds=seconds)
    return stages(profile)


def measure(services: Services, *, holders: int, is_closed_loop: bool, seconds: float) -> Ceiling:
    """Run so many holders against the controller."""
    services.declare(LIMITS)
    job = {
        "port": int(services.url.rpartition(":")[2]),
        "token": services.worker_token,
        "holders": holders,
        "is_closed_loop": is_closed_loop,
        "rate_pool": "syncs:requests_per_s",
        "slot_pool": "syncs:concurrent",
        "warm_s": 1.0 if is_closed_loop else 3.0,
        "seconds": seconds,
    }
    command = [sys.executable, "-m", "benchmarks.limits.syncs", json.dumps(job)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as generator:
        assert generator.stdin is not None
        assert generator.stdout is not None
        if generator.stdout.readline() != "ready\n":
            raise SystemExit("the holders did not start")
        cpu_before, before = cpu_seconds(services.pids), counted(services.redis)
        generator.stdin.write("go\n")
        generator.stdin.flush()
        told: dict[str, Any] = json.loads(generator.stdout.readline())
        cpu_s = difference(cpu_before, cpu_seconds(services.pids)) | {"generator": told["cpu_s"]}
        commands = counts(before, counted(services.redis))
    commands.pop("reads", 0)
    syncs = max(1.0, told["syncs_per_s"] * told["seconds"])
    return Ceiling(
        holders=holders,
        is_closed_loop=is_closed_loop,
        **{name: told[name] for name in ("syncs_per_s", "p50_ms", "p99_ms", "skipped", "refused", "lost")},
        cpu_us={name: used * 1e6 / syncs for name, used in cpu_s.items()},
        commands_per_sync=sum(commands.values()) / syncs,
    )


def stages(profile: Path) -> list[tuple[str, float]]:
    """Return the share of the controller's busy time by stage, largest first, waiting for sockets left out."""
    shares: dict[str, float] = {}
    table: dict[tuple[str, int, str], Sequence[float]] = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    for (file, _, function), numbers in table.items():
        place = f"{file}:{function}"
        if "run_until_complete" in place or "runcall" in place:
            continue
        stage = next((name for part, name in STAGES if part in place), "builtins" if file == "~" else "other")
        shares[stage] = shares.get(stage, 0.0) + numbers[2]
    whole = sum(shares.values()) or 1.0
    return sorted(((name, own / whole) for name, own in shares.items()), key=lambda item: -item[1])
