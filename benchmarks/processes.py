"""Real controller and runner processes for benchmarks, and the CPU that processes have used, from /proc."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

READY_WAIT_S: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOAD: Final = "from voicegateway_controller.settings import load_settings as load; "
_API: Final = _LOAD + "from voicegateway_controller.serve import serve; serve(load())"
_RUNNER: Final = _LOAD + "from voicegateway_controller.runner import run_runner; run_runner(load())"


# So that a profile is written when the process is told to stop: uvicorn raises the signal again when it is done.
_PROFILED: Final = (
    "import cProfile, os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); "
    + _LOAD
    + "from voicegateway_controller.serve import serve; profile = cProfile.Profile()\n"
    + "try: profile.runcall(serve, load())\n"
    + "finally: profile.dump_stats(os.environ['VOICEGATEWAY_BENCH_PROFILE'])"
)


@contextmanager
def api_and_runner(database_url: str, redis_url: str) -> Iterator[tuple[int, dict[str, int | None]]]:
    """Run one controller and one runner process, as `voicegw` would."""
    with _running(database_url, redis_url, [_API, _RUNNER]) as (port, running):
        yield port, {"controller": running[0].pid, "runner": running[1].pid}


@contextmanager
def api(database_url: str, redis_url: str, *, profile: Path | None = None) -> Iterator[tuple[int, int]]:
    """Run one controller process without a runner; yield its port and pid. `profile`: where cProfile writes."""
    extra = {"VOICEGATEWAY_BENCH_PROFILE": str(profile)} if profile else {}
    with _running(database_url, redis_url, [_PROFILED if profile else _API], extra) as (port, running):
        yield port, running[0].pid


@contextmanager
def _running(
    database_url: str, redis_url: str, programs: list[str], extra: dict[str, str] | None = None
) -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "VOICEGATEWAY_DATABASE_URL": database_url,
        "VOICEGATEWAY_REDIS_URL": redis_url,
        "VOICEGATEWAY_PORT": str(port),
        "VOICEGATEWAY_RUNNER_PORT": "0",
        "VOICEGATEWAY_LOG_LEVEL": "warning",
        **(extra or {}),
    }
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for code in programs]
    try:
        wait_ready(port)
        yield port, running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def wait_ready(port: int) -> None:
    """Return when the controller answers; the limit only ends a broken run."""
    deadline = time.monotonic() + READY_WAIT_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            # Not listening yet.
            connection.close()
        time.sleep(0.1)
    raise SystemExit("the controller did not become ready")


def cpu_seconds(processes: dict[str, int | None]) -> dict[str, float]:
    """Return CPU seconds so far per name: the process, its living children and those it has buried."""
    parents: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            pid = int(entry.name)
            parents.setdefault(int(fields[1]), []).append(pid)
            times[pid] = sum(map(int, fields[11:15])) / _TICKS

    def tree(pid: int) -> float:
        return times.get(pid, 0.0) + sum(tree(child) for child in parents.get(pid, []))

    return {name: tree(pid) for name, pid in processes.items() if pid is not None}


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return what was used in between."""
    return {name: after[name] - before.get(name, 0.0) for name in after}
