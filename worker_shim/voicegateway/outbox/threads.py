"""The two threads of an outbox: started together, stopped in order, the writer first."""

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicegateway.outbox.board import Board
from voicegateway.outbox.fork_gate import gate
from voicegateway.outbox.mailbox import Mailbox

if TYPE_CHECKING:
    from voicegateway.outbox.drainer import Drainer
    from voicegateway.outbox.writer import Writer

logger = logging.getLogger("voicegateway.outbox")

WRITER_SHARE: Final = 2 / 3
"""Of the time to close; the rest is for the last delivery, which may fail: the rows are on disk by then."""
LOOK_AGAIN_S: Final = 0.02


class Threads:
    """Started once, stopped once. They are daemons: a process that ends without stopping them is not held up."""

    def __init__(
        self,
        directory: Path,
        *,
        incarnation: str,
        url: str | None,
        token: str | None,
        bytes_max: int,
        mailbox: Mailbox,
        board: Board,
    ) -> None:
        self._directory = directory
        self._incarnation = incarnation
        self._url = url
        self._token = token
        self._bytes_max = bytes_max
        self._mailbox = mailbox
        self._board = board
        self._give_up_at = float("inf")
        self._close_by: float | None = None
        self._writer: Writer | None = None
        self._drainer: Drainer | None = None
        self._writer_thread = threading.Thread(target=self._write, name="voicegateway-outbox-writer", daemon=True)
        self._drainer_thread = threading.Thread(target=self._drain, name="voicegateway-outbox-drainer", daemon=True)

    def start(self) -> None:
        """Start both.

        Raises:
            RuntimeError: the system gives no more threads.
        """
        self._writer_thread.start()
        self._drainer_thread.start()

    def wait_delivered(self, deadline: float) -> bool:
        """Block until nothing of what is settled now waits any more; False at the monotonic `deadline`."""
        import sqlite3

        from voicegateway.outbox.opening import open_store

        try:
            store = open_store(self._directory, bytes_max=self._bytes_max)
        except (sqlite3.Error, OSError) as error:
            logger.warning("the outbox cannot be looked at: %s", error)
            return False
        try:
            newest = store.newest_seq()
            while store.has_settled_through(newest):
                if time.monotonic() > deadline:
                    return False
                time.sleep(LOOK_AGAIN_S)
            return True
        finally:
            store.close()

    def stop(self, timeout_s: float) -> None:
        """End the writer once it has written all, then the drainer after a last delivery; bounded."""
        by = time.monotonic() + timeout_s
        self._give_up_at = time.monotonic() + timeout_s * WRITER_SHARE
        if self._writer is not None:
            self._writer.give_up_at = self._give_up_at
        self._mailbox.hurry()
        self._writer_thread.join(max(0.0, by - time.monotonic()))
        if self._writer_thread.is_alive():
            logger.error("the outbox writer is still busy; %d operations may be lost", len(self._mailbox.operations))
        self._close_by = by
        if self._drainer is not None:
            self._drainer.close(by)
        self._drainer_thread.join(max(0.0, by - time.monotonic()))

    def _write(self) -> None:
        # Imported here: sqlite3 and its kin take some milliseconds, which the caller's loop need not spend.
        # Within the gate: a child forked in the middle of an import could never finish it.
        with gate.mutex:
            from voicegateway.outbox.writer import Writer

        self._writer = Writer(
            self._directory,
            incarnation=self._incarnation,
            mailbox=self._mailbox,
            board=self._board,
            bytes_max=self._bytes_max,
            on_settled=self._wake_drainer,
        )
        self._writer.give_up_at = min(self._writer.give_up_at, self._give_up_at)
        self._writer.run()

    def _drain(self) -> None:
        with gate.mutex:
            # What a delivery needs as well: nothing may be left to import while this process has the turn.

            from voicegateway.outbox.courier import Courier
            from voicegateway.outbox.drainer import Drainer

        courier = None if self._url is None else Courier(self._url, self._token, board=self._board)
        self._drainer = Drainer(self._directory, courier=courier, board=self._board, bytes_max=self._bytes_max)
        if self._close_by is not None:
            self._drainer.close(self._close_by)
        self._drainer.run()

    def _wake_drainer(self) -> None:
        if self._drainer is not None:
            self._drainer.wake()
