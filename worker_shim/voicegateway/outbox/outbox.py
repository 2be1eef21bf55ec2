"""The outbox as callers see it: begin, checkpoint, settle; each returns at once and never raises."""

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterable
from multiprocessing import util
from pathlib import Path
from typing import Final

from voicegateway.outbox.board import Board
from voicegateway.outbox.bounds import BYTES_MAX
from voicegateway.outbox.intent import Intent
from voicegateway.outbox.mailbox import BARRIER, BEGIN, CHECKPOINT, SETTLE, Encode, Mailbox
from voicegateway.outbox.stats import OutboxStats
from voicegateway.outbox.threads import Threads

logger = logging.getLogger("voicegateway.outbox")

EXIT_PRIORITY: Final = 10
"""After finalizers that still settle requests (higher numbers run first)."""
CLOSE_S: Final = 3.0
"""Two for the writer, one for a last delivery: a job process has ten seconds to leave."""


class Outbox:
    """One process's door to the outbox of its host. Lives as long as its process; closes itself at its end.

    Nothing happens until the first use: no thread, no file. In a forked child it is inert: `is_foreign`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        incarnation: str,
        url: str | None = None,
        token: str | None = None,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._directory = directory
        self._incarnation = incarnation
        self._url = url
        self._token = token
        self._bytes_max = bytes_max
        self._pid = os.getpid()
        self._mailbox = Mailbox()
        self._board = Board()
        self._start_lock = threading.Lock()
        self._threads: Threads | None = None
        self._finalizer: util.Finalize | None = None
        self._is_closed = False

    def begin(self, request_id: str, encode: Encode, brief: bytes = b"") -> Intent:
        """Record that a request starts. `encode` runs later, on the writer thread, and returns its span so far.

        `brief` is a span that stands for the request until then, should this process be killed: with it the intent
        is durable at once, unless the slate is full or not there yet.
        """
        mailbox = self._mailbox
        intent = Intent(request_id, mailbox.hurry)
        if not mailbox.is_open:
            self.start()
        slate = self._board.slate
        if slate is not None and brief:
            intent.keep(slate, brief)
        if not mailbox.offer((BEGIN, request_id, encode, intent)):
            intent.resolve(is_durable=False)
        return intent

    def checkpoint(self, request_id: str, encode: Encode) -> None:
        """Replace what is recorded of an open request; does nothing once it has settled."""
        if not self._mailbox.is_open:
            self.start()
        self._mailbox.offer((CHECKPOINT, request_id, encode, None))

    def settle(self, request_id: str, encode: Encode) -> None:
        """Record that a request has ended, in place of its intent if there is one."""
        if not self._mailbox.is_open:
            self.start()
        self._mailbox.offer((SETTLE, request_id, encode, None))

    def start(self) -> None:
        """Start the threads, which deliver what earlier processes left; the first use does it by itself.

        Costs the caller about 0.2 ms once: call it while a process warms up. After `close` it does nothing.
        """
        with self._start_lock:
            if self._mailbox.is_open or self._is_closed or self.is_foreign():
                return
            try:
                self._mailbox.is_open = True
                self._threads = Threads(
                    Path(os.path.realpath(self._directory)),
                    incarnation=self._incarnation,
                    url=self._url,
                    token=self._token,
                    bytes_max=self._bytes_max,
                    mailbox=self._mailbox,
                    board=self._board,
                )
                self._threads.start()
            except (RuntimeError, OSError) as error:
                # No threads any more: the interpreter is leaving, or the system is out of them.
                self._mailbox.is_open, self._is_closed = False, True
                logger.error("the outbox cannot start (%s): usage of this process is not recorded", error)
                return
            self._finalizer = util.Finalize(None, self.close, exitpriority=EXIT_PRIORITY)
            _forget_in_child(self)

    def flush(self, timeout_s: float) -> bool:
        """Block until all that was handed over is on disk and, with a controller, has reached it.

        Returns False when that did not happen in time. Not for an event loop's thread.
        """
        deadline = time.monotonic() + timeout_s
        # Another thread may just be starting them: until it has, what waits looks as if nobody would write it.
        with self._start_lock:
            threads = self._threads
        if threads is None or not self._mailbox.is_open:
            return not self._mailbox.operations
        if not self.flush_to_disk(timeout_s):
            return False
        return self._url is None or threads.wait_delivered(deadline)

    def flush_to_disk(self, timeout_s: float) -> bool:
        """Block until all that was handed over survives a kill -9; False when that did not happen in time."""
        committed = threading.Event()
        if not self._mailbox.offer((BARRIER, "", None, committed)):
            return False
        self._mailbox.hurry()
        return committed.wait(timeout_s)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, try once more to deliver, end the threads; takes at most about `timeout_s`.

        Requests still open are settled as interrupted. Runs by itself when the process ends in order.
        """
        with self._start_lock:
            threads, self._threads = self._threads, None
            self._is_closed = True
            self._mailbox.is_open = False
            if self._finalizer is not None:
                self._finalizer.cancel()
        if threads is not None and not self.is_foreign():
            threads.stop(timeout_s)

    def stats(self) -> OutboxStats:
        """Return the numbers as of at most some seconds ago, without waiting; `inspect` reads the file itself."""
        return self._board.snapshot(just_dropped=self._mailbox.dropped)

    def recovered(self) -> tuple[str, ...]:
        """Return process lives that died on this host and of whose spans the controller has every one; oldest first."""
        return tuple(self._board.recovered)

    def forget_recovered(self, incarnations: Iterable[str]) -> None:
        """Say no more of these: the controller has heard of them."""
        recovered = self._board.recovered
        for incarnation in incarnations:
            with contextlib.suppress(ValueError):
                recovered.remove(incarnation)

    def is_foreign(self) -> bool:
        """Whether this is a fork of the process that made the outbox; it is inert there, make a new one."""
        return self._pid != os.getpid()

    def _become_inert(self) -> None:
        """Let go of the parent's threads, locks and slate; its connections were closed before the fork."""
        self._mailbox = Mailbox()
        # The slate is memory shared with the parent: a slot that is free here may be taken there.
        self._board = Board()
        self._start_lock = threading.Lock()
        self._threads = None
        self._is_closed = True


def _forget_in_child(outbox: Outbox) -> None:
    reference = weakref.ref(outbox)

    def after_fork() -> None:
        if (inherited := reference()) is not None:
            inherited._become_inert()

    os.register_at_fork(after_in_child=after_fork)
