"""Closes SQLite's connections before a fork: what it remembers of its locks must not be inherited.

SQLite keeps, per process and file, which locks it holds. A forked child inherits that memory but not the locks: its own
connections to the same file then skip locks they need. Both were seen: a child forked inside a transaction of its
parent could never write, and rows a child had committed vanished when its parent, thinking itself the last, removed
the log.
"""

import logging
import os
import threading
import time
from typing import Final, Protocol
from weakref import WeakSet

logger = logging.getLogger("voicegateway.outbox")

FORK_WAITS_S_MAX: Final = 1.0
"""A fork waits this long for running transactions, which take milliseconds; past it the child gets no outbox."""


class Closable(Protocol):
    """A store, as far as a fork is concerned."""

    lock: threading.Lock

    def close_for_fork(self) -> None:
        """Close the connection; `lock` is held."""


class ForkGate:
    """The process's open stores. One per process, renewed in forked children; stores enter it when they open."""

    def __init__(self) -> None:
        self._is_clean = self._is_child_clean = True
        self._reset()

    def _reset(self) -> None:
        self.mutex = threading.Lock()
        self._stores: WeakSet[Closable] = WeakSet()
        self._held: list[threading.Lock] = []
        self._pid = os.getpid()

    def is_passable(self) -> bool:
        """Whether this process may use SQLite on an outbox: it inherited nothing of its parent's use of it."""
        return self._is_clean and self._pid == os.getpid()

    def enter(self, store: Closable) -> None:
        """Have the store closed before forks; the caller holds `mutex` from before it opened the connection."""
        self._stores.add(store)

    def before_fork(self) -> None:
        """Close every connection, and keep all threads out of SQLite until the fork is done."""
        deadline = time.monotonic() + FORK_WAITS_S_MAX
        self._is_child_clean = self._is_clean
        if not self._hold(self.mutex, deadline):
            return
        for store in list(self._stores):
            if self._hold(store.lock, deadline):
                store.close_for_fork()

    def after_fork_in_parent(self) -> None:
        """Let the threads go on; they open their connections anew."""
        while self._held:
            self._held.pop().release()

    def after_fork_in_child(self) -> None:
        """Start with no stores; nothing was inherited unless a transaction outlasted the wait."""
        self._is_clean = self._is_child_clean
        self._reset()

    def _hold(self, lock: threading.Lock, deadline: float) -> bool:
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._held.append(lock)
            return True
        self._is_child_clean = False
        logger.error("a fork did not wait for the outbox any longer; the child will not be able to record usage")
        return False


gate: Final = ForkGate()
os.register_at_fork(
    before=gate.before_fork,
    after_in_parent=gate.after_fork_in_parent,
    after_in_child=gate.after_fork_in_child,
)
