"""The writer thread: commits what callers hand over, in groups, and outlives every trouble of the disk."""

import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from voicegateway.outbox.batch import Batch, Change, fold
from voicegateway.outbox.board import Board
from voicegateway.outbox.complaint import Complaint
from voicegateway.outbox.mailbox import LINGER_S, Mailbox
from voicegateway.outbox.opening import is_corrupt, open_store, replace_corrupt
from voicegateway.outbox.process_lock import ProcessLock
from voicegateway.outbox.recovery import life_lock, slate_path
from voicegateway.outbox.schema import BUSY_TIMEOUT_MS
from voicegateway.outbox.slate import Slate
from voicegateway.outbox.span_bytes import PROCESS_DIED
from voicegateway.outbox.stats import Loss
from voicegateway.outbox.store import Store

logger = logging.getLogger("voicegateway.outbox")

OPERATIONS_PER_COMMIT: Final = 128
"""A transaction of some 3 ms: other processes of the host wait for it."""
RETRY_S: Final = (0.05, 2.0)
"""First and last wait between attempts while the file cannot be written."""
STATS_EVERY_S: Final = 1.0
LIFE_LOCK_S_MAX: Final = 1.0
"""Nobody else knows the incarnation; only a cleaner may hold its new lock file, for an instant."""

_FAULTS: Final = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError, sqlite3.DataError)
"""These blame what is written, not the file: trying the same again would block all that follows."""


class Writer:
    """Owns the writing connection and the life lock. Runs in one thread until the mailbox is closed."""

    def __init__(
        self,
        directory: Path,
        *,
        incarnation: str,
        mailbox: Mailbox,
        board: Board,
        bytes_max: int,
        on_settled: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._incarnation = incarnation
        self._mailbox = mailbox
        self._board = board
        self._bytes_max = bytes_max
        self._on_settled = on_settled
        self._store: Store | None = None
        self._life: ProcessLock | None = None
        self._complaint = Complaint(logger)
        self._fullness = Complaint(logger)
        self._losses: list[Loss] = []
        self._stats_at = 0.0
        self._is_batch_at_fault = False
        self.give_up_at = float("inf")
        """Monotonic instant after which a closing writer stops trying."""

    def run(self) -> None:
        """Work until the mailbox is closed and empty, or closed and past `give_up_at`."""
        last_work = time.monotonic()
        self._attempt(self._chores)
        while True:
            operations = self._mailbox.take(OPERATIONS_PER_COMMIT)
            if operations:
                self._commit(fold(operations))
                last_work = time.monotonic()
            elif not self._mailbox.is_open:
                break
            else:
                self._attempt(self._chores)
                self._mailbox.wait(is_lingering=time.monotonic() - last_work < LINGER_S)
        self._leave()

    def _commit(self, batch: Batch) -> None:
        """Write the batch, trying again for as long as it takes; what waits meanwhile is bounded elsewhere."""
        pause_s, pause_s_max = RETRY_S
        while not self._attempt(partial(self._write, batch)):
            if self._is_batch_at_fault and len(batch.changes) > 1:
                for change in batch.changes:
                    self._commit(Batch(changes=[change], barriers=[]))
                batch = Batch(changes=[], barriers=batch.barriers)
                continue
            if self._is_batch_at_fault or time.monotonic() > self.give_up_at:
                self._give_up(batch)
                return
            # A closing writer tries once more at its end, and not later.
            self._mailbox.sleep(max(0.001, min(pause_s, self.give_up_at - time.monotonic())))
            pause_s = min(pause_s * 2, pause_s_max)

    def _write(self, batch: Batch) -> None:
        store = self._open()
        changes, now_ns = batch.changes, time.time_ns()
        self._clear_slate_of(store, changes, now_ns=now_ns)
        refused = store.write(changes, incarnation=self._incarnation, now_ns=now_ns) if changes else []
        if not store.is_current():
            raise FileNotFoundError("the outbox file was moved away while we wrote to it")
        lost = {id(change) for change in refused}
        for change in changes:
            is_written = not change.is_empty() and id(change) not in lost
            for receipt in change.receipts:
                receipt.resolve(is_durable=is_written)
        for barrier in batch.barriers:
            barrier.set()
        if refused:
            self._fullness.say(
                f"the outbox {self._directory} is full ({self._bytes_max:,} bytes): calls continue, but usage is "
                "being lost and counted; let the controller be reached, or raise VOICEGATEWAY_OUTBOX_BYTES_MAX"
            )
        elif changes:
            self._fullness.is_over(f"the outbox {self._directory} has room")
        if any(change.settled is not None or change.is_given_up for change in changes):
            self._on_settled()

    def _clear_slate_of(self, store: Store, changes: list[Change], *, now_ns: int) -> None:
        """Commit the intents of requests that end in the batch they began in, and free their slots, first.

        Were such a request settled with its slot still taken, another process could deliver and delete its row before
        we free the slot; killed in that instant, we would leave it on the slate to be delivered again, interrupted.
        """
        ending = [change for change in changes if change.settled is not None or change.is_given_up]
        on_slate = [(change, span) for change in ending if (span := change.kept_on_slate()) is not None]
        if not on_slate:
            return
        intents = [Change(change.request_id, is_begun=True, intent=span) for change, span in on_slate]
        refused = {change.request_id for change in store.write(intents, incarnation=self._incarnation, now_ns=now_ns)}
        if not store.is_current():
            raise FileNotFoundError("the outbox file was moved away while we wrote to it")
        for change, _ in on_slate:
            for receipt in change.receipts:
                receipt.resolve(is_durable=change.request_id not in refused)

    def _open(self) -> Store:
        """Return the store, opening it when there is none or its file is gone; the life lock comes first."""
        if self._store is not None and not self._store.is_current():
            self._close_store()
        if self._store is None:
            self._store = open_store(self._directory, bytes_max=self._bytes_max)
        if self._life is not None and not self._life.is_in_place():
            self._life.release()
            self._life = None
        if self._life is None:
            life = life_lock(self._directory, self._incarnation)
            life.acquire(timeout_s=LIFE_LOCK_S_MAX)
            self._life = life
            self._board.slate = self._new_slate()
        return self._store

    def _new_slate(self) -> Slate | None:
        """Make the slate; without one, requests wait for their intent's commit instead."""
        try:
            return Slate(slate_path(self._directory, self._incarnation))
        except OSError as error:
            logger.warning("the outbox has no slate (%s): each request waits for a commit", error)
            return None

    def _chores(self) -> None:
        """Between batches: note the losses, read the numbers."""
        dropped = self._mailbox.take_dropped()
        if dropped:
            self._lose("queue_full", dropped)
            logger.error("%d operations were dropped: the outbox could not take them as fast as they came", dropped)
        now = time.monotonic()
        if now - self._stats_at < STATS_EVERY_S:
            return
        store = self._open()
        if self._losses:
            store.note_losses(self._losses)
            self._losses, self._board.unnoted = [], 0
        self._board.file = store.stats()
        self._stats_at = now

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Run one step against the file; say what is wrong when it fails, and be ready to try again."""
        self._is_batch_at_fault = False
        try:
            step()
        except _FAULTS as error:
            self._is_batch_at_fault = True
            logger.error("the outbox could not write what it was given: %s", error)
            self._close_store()
            return False
        except sqlite3.Error as error:
            self._complain(error)
            self._after(error)
            return False
        except OSError as error:
            self._complain(error)
            self._close_store()
            return False
        except Exception as error:
            # The outermost net: a fault of ours must not end the thread, and with it all recording.
            self._is_batch_at_fault = True
            logger.exception("the outbox writer failed unexpectedly and goes on")
            self._board.write_error = f"{type(error).__name__}: {error}"
            self._close_store()
            return False
        if self._board.write_error:
            self._board.write_error = ""
            self._complaint.is_over(f"the outbox {self._directory} can be written")
        return True

    def _after(self, error: sqlite3.Error) -> None:
        store = self._store
        if store is not None and is_corrupt(error):
            self._store = None
            try:
                self._store = replace_corrupt(self._directory, store, error, bytes_max=self._bytes_max)
            except (sqlite3.Error, OSError) as worse:
                self._complain(worse)
        elif getattr(error, "sqlite_errorcode", None) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._close_store()

    def _complain(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            reason = f"another process has kept it locked for {BUSY_TIMEOUT_MS / 1000:g} s"
        self._board.write_error = reason
        self._complaint.say(
            f"the outbox {self._directory} cannot be written ({reason}): calls continue, but their usage is kept "
            "in memory only and will be lost in the end; make it a directory this user can write, with space "
            "left, or set VOICEGATEWAY_OUTBOX_DIR to one"
        )

    def _lose(self, reason: str, rows: int) -> None:
        self._losses.append(Loss(reason=reason, provider="", model="", rows=rows, bytes=0))
        self._board.unnoted += rows

    def _give_up(self, batch: Batch) -> None:
        for change in batch.changes:
            for receipt in change.receipts:
                receipt.resolve(is_durable=False)
        for barrier in batch.barriers:
            barrier.set()
        self._lose("unwritable", len(batch.changes))
        logger.error("%d requests could not be written and are lost", len(batch.changes))

    def _leave(self) -> None:
        """Settle what nobody will settle any more, and end this process life."""
        self._stats_at = 0.0
        self._attempt(self._interrupt_own)
        self._attempt(self._chores)
        slate, self._board.slate = self._board.slate, None
        if slate is not None:
            slate.remove()
        if self._life is not None:
            self._life.release(unlink=True)
        self._close_store()

    def _interrupt_own(self) -> None:
        store, found = self._open(), 0
        while count := store.interrupt_intents_of(self._incarnation, error_type=PROCESS_DIED, now_ns=time.time_ns()):
            found += count
        if found:
            logger.warning("%d requests were still open when their process ended", found)
            self._on_settled()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
