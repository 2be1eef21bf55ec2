"""What the two embedded servers share: start, answer, stop, and come back on the same port after a kill."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from voicegateway_controller.embedded.errors import EmbeddedFailed
from voicegateway_controller.embedded.home import Record, ServerHome
from voicegateway_controller.embedded.identity import choose_identity
from voicegateway_controller.embedded.ports import choose_port
from voicegateway_controller.embedded.process import (
    POLL_INTERVAL_S,
    RunAs,
    birth_mark,
    cause_in,
    spawn,
    wait_exit,
)

_log = logging.getLogger(__name__)

# After a kill -9, what the dead server held (pid file, shared memory, port) can linger for about two seconds.
RETRY_WINDOW_S = 30.0
RETRY_INTERVAL_S = 0.2
# Replaying the log after a crash takes a while on a slow disk; a living server is not given up before this.
ANSWER_WINDOW_S = 120.0
# How long a server whose parent is gone may take to end before it is killed.
RETIRE_WINDOW_S = 30.0
LOG_TAIL_BYTES = 4096


class EmbeddedServer(ABC):
    """One server of this home. Lives from `start` to `stop`; whoever starts it stops it.

    Start it from the thread that lives as long as it should (see `process.spawn`); any event loop will do.
    """

    name: ClassVar[str]
    # In this order, each given its seconds: ask, then insist. What ends the list is SIGKILL.
    _stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]]
    # What the log says when trying again can help.
    _passing_complaints: ClassVar[tuple[str, ...]]

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self._files = ServerHome(home, self.name)
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: RunAs | None = None
        self._port: int | None = None
        self.restarts = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included; stable over restarts. Only after `start`."""

    @property
    def pid(self) -> int | None:
        """The server's process while it lives."""
        return self._process.pid if self._process is not None and self.is_alive() else None

    @property
    def port(self) -> int:
        """The loopback port; the same after a restart. Only after `start`."""
        if self._port is None:
            raise EmbeddedFailed(f"{self.name} was not started")
        return self._port

    @property
    def is_wanted(self) -> bool:
        """Whether it was started and not stopped: a wanted server that is not alive has died."""
        return self._process is not None

    def is_alive(self) -> bool:
        """Say whether the process runs (it may still be recovering)."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start and return when the server answers. A server left by a parent that died is ended first.

        Raises:
            AlreadyRunning: a live process runs this server on this home.
            EmbeddedFailed: it cannot run; the message says why.
        """
        if self.is_alive():
            return
        self._files.create()
        self._files.lock()
        try:
            self._identity = await choose_identity()
            record = self._files.read_record()
            if record is not None:
                await self._retire(record)
            await self._prepare(self._identity)
            await self._launch(preferred_port=record.port if record is not None else None)
        except BaseException:
            await self._end()
            self._files.unlock()
            raise

    async def restart(self) -> None:
        """Start again on the same port and data after a death.

        Raises:
            EmbeddedFailed: it did not come back within RETRY_WINDOW_S.
        """
        await self._end()
        await self._launch(fixed_port=self.port)
        self.restarts += 1

    async def stop(self) -> None:
        """End the server in order, data written; harmless when it never started."""
        try:
            await self._end()
        finally:
            self._process = None
            self._files.unlock()

    def kill(self) -> None:
        """SIGKILL, as a crash would: nothing is flushed."""
        if self._process is not None and self.is_alive():
            self._process.kill()

    def trim_log(self) -> None:
        """Keep the log within its bound; call now and then."""
        self._files.trim_log()

    @abstractmethod
    async def _prepare(self, identity: RunAs) -> None:
        """Make data and configuration that do not depend on the port."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """Return what to execute."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Say whether the server serves; raise EmbeddedFailed when waiting cannot help."""

    def _before_launch(self) -> None:  # noqa: B027
        """Clear what a dead predecessor left; nothing by default."""

    async def _launch(self, *, preferred_port: int | None = None, fixed_port: int | None = None) -> None:
        deadline = time.monotonic() + RETRY_WINDOW_S
        while True:
            self._port = fixed_port if fixed_port is not None else choose_port(preferred_port)
            complaint = await self._launch_once(self._port)
            if complaint is None:
                return
            is_passing = any(mark in complaint for mark in self._passing_complaints)
            if not is_passing or time.monotonic() > deadline:
                raise EmbeddedFailed(f"{self.name} did not start: {cause_in(complaint)} (log: {self._files.log_path})")
            await asyncio.sleep(RETRY_INTERVAL_S)

    async def _launch_once(self, port: int) -> str | None:
        """Return None when the server answers, else what it logged before it ended."""
        if self._identity is None:
            raise EmbeddedFailed(f"{self.name} was not started")
        self._before_launch()
        with self._files.open_log() as log:
            log_start = log.seek(0, os.SEEK_END)
            self._process = spawn(
                self._command(port),
                identity=self._identity,
                death_signal=self._stop_signals[0][0],
                output=log,
            )
        mark = birth_mark(self._process.pid)
        if mark is not None:
            self._files.write_record(Record(pid=self._process.pid, birth_mark=mark, port=port))
        deadline = time.monotonic() + ANSWER_WINDOW_S
        while self.is_alive():
            if await self._answers():
                return None
            if time.monotonic() > deadline:
                raise EmbeddedFailed(
                    f"{self.name} runs but did not answer within {ANSWER_WINDOW_S:g} s (log: {self._files.log_path})"
                )
            await asyncio.sleep(POLL_INTERVAL_S)
        return self._log_since(log_start)

    def _log_since(self, start: int) -> str:
        with open(self._files.log_path, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(start, end - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        for number, patience_s in self._stop_signals:
            if process.poll() is None:
                process.send_signal(number)
                await wait_exit(process, timeout_s=patience_s)
        if process.poll() is None:
            _log.warning("%s (pid %d) did not stop when asked: killed", self.name, process.pid)
            process.kill()
            process.wait()

    async def _retire(self, record: Record) -> None:
        """End the server of an earlier run: we hold the lock, so its parent is gone.

        On Linux it is already going; on macOS, which has no death signal, it would stay forever.
        """
        deadline = time.monotonic() + RETIRE_WINDOW_S
        number = self._stop_signals[0][0]
        while birth_mark(record.pid) == record.birth_mark:
            _log.warning("ending the %s of an earlier run (pid %d)", self.name, record.pid)
            with contextlib.suppress(ProcessLookupError):  # It ended between the look and the signal.
                os.kill(record.pid, number)
            await _gone(record, before=deadline)
            number, deadline = signal.SIGKILL, deadline + RETIRE_WINDOW_S


async def _gone(record: Record, *, before: float) -> None:
    while True:
        if time.monotonic() > before or birth_mark(record.pid) != record.birth_mark:
            return
        await asyncio.sleep(POLL_INTERVAL_S)
