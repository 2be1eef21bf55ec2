"""One connection to the outbox file: its turns, its transactions, and its absence during a fork."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from voicegateway.outbox.fork_gate import gate
from voicegateway.outbox.schema import BUSY_TIMEOUT_MS, DATABASE_NAME, connect

LOOK_AGAIN_S: Final = (0.000_5, 0.002)
_PRIMARY_CODE: Final = 0xFF


class Connection:
    """Opened and used by one thread, which closes it; a forking thread may close it in between, unnoticed."""

    def __init__(self, directory: Path, *, bytes_max: int) -> None:
        """Open or make the file of `directory`.

        Raises:
            sqlite3.Error: the file is corrupt, unreadable or from a newer version.
            OSError: the directory cannot be written.
        """
        self.lock = threading.Lock()
        self._directory = directory
        self._bytes_max = bytes_max
        with gate.mutex:
            if not gate.is_passable():
                raise sqlite3.OperationalError(
                    "this process was forked in the middle of its parent's writing; start it by spawn or forkserver"
                )
            self._sqlite: sqlite3.Connection | None = connect(directory, bytes_max=bytes_max)
            gate.enter(self)
        self._is_closed = False
        try:
            self._identity = self._identity_at_path()
        except OSError:
            self.close()
            raise

    def is_current(self) -> bool:
        """Whether the file we have open is still the one at its path; false once it was moved or removed."""
        try:
            return self._identity_at_path() == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close for good; never raises on a broken file."""
        with self.lock:
            self._is_closed = True
            self.close_for_fork()

    def close_for_fork(self) -> None:
        """Close until the next use; `lock` is held, so no statement is running."""
        if self._sqlite is not None:
            self._sqlite.close()
            self._sqlite = None

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement; only inside `reading` or `writing`, and its cursor may not be used outside."""
        return self._opened().execute(statement, tuple(values))

    def run_script(self, script: str) -> None:
        """Run statements to their ends; inside `reading`."""
        self._opened().executescript(script)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Statements outside a transaction of ours."""
        with self.lock:
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: committed at the end, rolled back by an exception."""
        self._begin()
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._sqlite is not None and self._sqlite.in_transaction:
                self.execute("ROLLBACK")
            raise
        finally:
            self.lock.release()

    def _begin(self) -> None:
        """Take the lock and wait for our turn to write, looking every millisecond or two.

        SQLite's own waiting sleeps up to 100 ms between looks while the others hold the lock for one: with twelve
        busy processes the slowest hundredth of intents took 35 ms that way.
        """
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while True:
            self.lock.acquire()
            try:
                if self._has_begun(is_last_look=time.monotonic() > deadline):
                    return
            except BaseException:
                self.lock.release()
                raise
            # Without the lock: a fork need not wait for other processes' transactions.
            self.lock.release()
            time.sleep(random.uniform(*LOOK_AGAIN_S))

    def _has_begun(self, *, is_last_look: bool) -> bool:
        self.execute("PRAGMA busy_timeout = 0")
        try:
            # IMMEDIATE: a transaction that reads first and writes later could fail in its middle.
            self.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if is_last_look or error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        return True

    def _opened(self) -> sqlite3.Connection:
        if self._sqlite is None:
            if self._is_closed:
                raise sqlite3.ProgrammingError("the outbox was used after it was closed")
            if not self.is_current():
                raise sqlite3.OperationalError("the outbox file was moved away during a fork")
            self._sqlite = connect(self._directory, bytes_max=self._bytes_max)
        return self._sqlite

    def _identity_at_path(self) -> tuple[int, int]:
        status = os.stat(self._directory / DATABASE_NAME)
        return status.st_dev, status.st_ino
