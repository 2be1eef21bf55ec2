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


@contextmanager
def api_and_runner(database_url: str, redis_url: str) -> Iterator[tuple[int, dict[str, int | None]]]:
    """Run one controller and one runner process, as `voicegw` would."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "VOICEGATEWAY_DATABASE_URL": database_url,
        "VOICEGATEWAY_REDIS_URL": redis_url,
        "VOICEGATEWAY_PORT": str(port),
        "VOICEGATEWAY_RUNNER_PORT": "0",
        "VOICEGATEWAY_LOG_LEVEL": "warning",
    }
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for code in (_API, _RUNNER)]
    try:
        wait_ready(port)
        yield port, {"controller": running[0].pid, "runner": running[1].pid}
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def wait_ready(port: int) -> None:
    """Return when the controller answers; the limit only ends a broken run."""
    deadline = time.monotonic() + READY_WAIT_S
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
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
