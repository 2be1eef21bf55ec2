"""One supervised child program of ours: started, restarted when it dies, stopped with its parent."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from voicegateway_controller.embedded.process import RunAs, spawn, wait_exit

_log = logging.getLogger(__name__)

STOP_S_MAX: Final = 15.0
"""After this a program that ignores SIGTERM is killed."""
WATCH_INTERVAL_S: Final = 0.1
BACKOFF_S_MAX: Final = 5.0
HEALTHY_S: Final = 10.0
"""A program that lived this long died of something new: its backoff starts over."""


class Child:
    """A child process by name. Lives as long as its stack, which stops it; its output goes to a log file."""

    def __init__(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str], log_folder: Path
    ) -> None:
        self.name = name
        self.restarts = 0
        self._argv = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}
        self._log_path = log_folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._log_path

    def start(self, *, is_restarted: bool = True) -> None:
        """Start it, and start it again whenever it dies, if `is_restarted`; an exit with 0 is its own wish."""
        self._spawn()
        if is_restarted:
            self._watching = asyncio.create_task(self._watch(), name=f"watch {self.name}")

    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll() if self._process is not None else None

    def last_words(self) -> str:
        """The last line it wrote, for an error message."""
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL. Harmless when it does not run."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            if await wait_exit(process, timeout_s=STOP_S_MAX) is None:
                _log.warning("%s did not leave within %g s and is killed", self.name, STOP_S_MAX)
                process.kill()
                await wait_exit(process, timeout_s=STOP_S_MAX)
        if self._output is not None:
            self._output.close()
            self._output = None

    def _spawn(self) -> None:
        self._process = spawn(
            self._argv,
            identity=RunAs(mode="same", uid=os.getuid(), gid=os.getgid()),
            death_signal=signal.SIGTERM,
            output=self._log(),
            environment=self._environment,
        )

    def _log(self) -> IO[bytes]:
        if self._output is None:
            self._output = open(self._log_path, "ab", buffering=0)  # noqa: SIM115 - closed by stop()
        return self._output

    async def _watch(self) -> None:
        backoff_s = 0.1
        started_s = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            if self.pid is not None:
                continue
            if self.exit_code() == 0:
                return
            if time.monotonic() - started_s > HEALTHY_S:
                backoff_s = 0.1
            _log.warning("%s ended with code %s: starting it again", self.name, self.exit_code())
            await asyncio.sleep(backoff_s)
            backoff_s = min(BACKOFF_S_MAX, backoff_s * 2)
            self.restarts += 1
            started_s = time.monotonic()
            try:
                self._spawn()
            except OSError as error:
                # No memory, or no process more: what ended it, maybe. The next time there may be some.
                _log.warning("%s cannot be started: %s", self.name, error.strerror)
