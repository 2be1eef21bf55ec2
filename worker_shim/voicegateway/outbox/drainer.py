"""The drainer thread: one process per host delivers what all have settled, and settles what the dead left."""

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voicegateway.outbox.board import RECOVERED_MAX, Board
from voicegateway.outbox.complaint import Complaint
from voicegateway.outbox.courier import Courier
from voicegateway.outbox.opening import is_corrupt, make_directory, open_store, replace_corrupt
from voicegateway.outbox.process_lock import ProcessLock
from voicegateway.outbox.recovery import recover, remove_dead_locks
from voicegateway.outbox.store import Store

logger = logging.getLogger("voicegateway.outbox")

DRAIN_LOCK_NAME: Final = "drain.lock"
POLL_S: Final = 0.25
"""How soon another process's settlement is seen; our own wakes us."""
STANDBY_S: Final = 0.5
"""How often the others look, up to twice as long, whether the delivering process is gone."""
DETACHED_S: Final = 2.0
"""Without a controller there are only the dead to look after."""
RECOVER_EVERY_S: Final = 2.0
"""Also how often the log is copied into the file."""
SWEEP_LOCKS_EVERY_S: Final = 60.0
FREE_PAGES_KEPT: Final = 1_024
"""8 MiB stay in the file for the next burst; beyond that the disk gets its pages back."""
PAGES_GIVEN_BACK: Final = 512
"""At a time: 4 MiB, a transaction of some milliseconds."""
TROUBLE_S: Final = 1.0
TROUBLES_KEPT_QUIET: Final = 10


class Drainer:
    """Owns the reading connection and, when it is this process's turn, the drain lock. Runs in one thread."""

    def __init__(self, directory: Path, *, courier: Courier | None, board: Board, bytes_max: int) -> None:
        self._directory = directory
        self._courier = courier
        self._board = board
        self._bytes_max = bytes_max
        self._turn = ProcessLock(directory / DRAIN_LOCK_NAME)
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._close_by: float | None = None
        self._store: Store | None = None
        self._recover_at = 0.0
        self._sweep_at = 0.0
        self._dead: dict[str, int] = {}
        """Process lives that ended without a word, and the newest row that may be theirs."""
        self._complaint = Complaint(logger)
        self._troubles = 0

    def wake(self) -> None:
        """Say that something was settled; from any thread."""
        self._bell.set()

    def close(self, by: float) -> None:
        """Ask for one last delivery that ends at the monotonic instant `by`, then for the thread's end."""
        self._close_by = by
        self._closing.set()
        self._bell.set()

    def run(self) -> None:
        """Deliver until closed."""
        while self._close_by is None:
            self._pause(self._attempt(self._tick))
        self._attempt(lambda: self._last_tick(self._close_by or 0.0))
        self._leave()

    def _tick(self) -> float:
        """Do what is due and return the seconds until the next look."""
        if not self._takes_turn():
            return STANDBY_S * (1.0 + random.random())
        store = self._open()
        self._keep_house(store)
        if self._courier is None:
            self._give_up_turn()
            return DETACHED_S
        self._board.is_draining = True
        if self._courier.wait_s() > 0:
            return min(self._courier.wait_s(), POLL_S)
        has_more = self._courier.deliver(store)
        if self._courier.is_refused:
            # Another process of this host may hold a better token or address.
            self._give_up_turn()
            return self._courier.wait_s()
        if has_more:
            return self._courier.wait_s()
        self._tidy(store)
        return POLL_S

    def _last_tick(self, by: float) -> float:
        if self._courier is not None and self._takes_turn():
            store = self._open()
            while self._courier.deliver(store, by=by) and time.monotonic() < by:
                continue
        return 0.0

    def _takes_turn(self) -> bool:
        """Whether this process delivers for its host now; a lock whose file was removed excludes nobody."""
        if self._turn.is_in_place():
            return True
        self._give_up_turn()
        make_directory(self._directory)
        return self._turn.try_acquire()

    def _keep_house(self, store: Store) -> None:
        now = time.monotonic()
        if now >= self._recover_at:
            recover(store, self._directory, now_ns=time.time_ns(), on_dead=self._found_dead)
            store.copy_log()
            self._tell_recovered(store)
            self._recover_at = now + RECOVER_EVERY_S
        if now >= self._sweep_at:
            remove_dead_locks(store, self._directory, on_dead=self._found_dead)
            self._sweep_at = now + SWEEP_LOCKS_EVERY_S

    def _found_dead(self, incarnation: str) -> None:
        """It begins nothing more: once what is settled by now has been delivered, the controller has all of it."""
        if self._courier is not None and self._store is not None:
            self._dead[incarnation] = self._store.newest_seq()
            while len(self._dead) > RECOVERED_MAX:
                del self._dead[next(iter(self._dead))]

    def _tell_recovered(self, store: Store) -> None:
        for incarnation, newest in list(self._dead.items()):
            if not store.has_settled_through(newest):
                del self._dead[incarnation]
                self._board.recovered.append(incarnation)

    def _tidy(self, store: Store) -> None:
        if store.free_pages() > FREE_PAGES_KEPT:
            store.give_back_pages(PAGES_GIVEN_BACK)

    def _pause(self, seconds: float) -> None:
        """Wait, or less when something was settled and the courier may go at once."""
        until = time.monotonic() + seconds
        while self._close_by is None and (left_s := until - time.monotonic()) > 0:
            if self._courier is None or self._courier.wait_s() <= 0:
                if self._bell.wait(left_s):
                    self._bell.clear()
                    return
            else:
                # Settlements do not shorten the courier's own time; closing does.
                self._closing.wait(min(left_s, self._courier.wait_s()))

    def _open(self) -> Store:
        """Return the store, opening it when there is none or its file is gone."""
        if self._store is not None and not self._store.is_current():
            self._close_store()
        if self._store is None:
            self._store = open_store(self._directory, bytes_max=self._bytes_max)
            # The rows of another file have other numbers.
            self._dead.clear()
            if self._courier is not None:
                self._courier.forget_file()
        return self._store

    def _attempt(self, step: Callable[[], float]) -> float:
        """Run one step; on trouble with the file, which the writer reports too, try again a little later."""
        try:
            pause_s = step()
        except sqlite3.Error as error:
            self._complain(error)
            self._after(error)
            return TROUBLE_S
        except OSError as error:
            self._complain(error)
            self._close_store()
            return TROUBLE_S
        except Exception:
            # The outermost net: a fault of ours must not end the thread, and with it all delivery.
            logger.exception("the outbox drainer failed unexpectedly and goes on")
            self._close_store()
            return TROUBLE_S
        self._troubles = 0
        self._complaint.is_over(f"the outbox {self._directory} can be drained")
        return pause_s

    def _complain(self, error: Exception) -> None:
        """The writer meets the same trouble and says it; speak up when it lasts and only we have it."""
        self._troubles += 1
        if self._troubles >= TROUBLES_KEPT_QUIET and not self._board.write_error:
            self._complaint.say(f"the outbox {self._directory} cannot be drained: {error}")

    def _after(self, error: sqlite3.Error) -> None:
        store = self._store
        self._store = None
        if store is None:
            return
        if not is_corrupt(error):
            store.close()
            return
        try:
            replace_corrupt(self._directory, store, error, bytes_max=self._bytes_max).close()
        except (sqlite3.Error, OSError) as worse:
            self._complaint.say(f"the corrupt outbox {self._directory} cannot be replaced: {worse}")

    def _give_up_turn(self) -> None:
        self._turn.release()
        self._board.is_draining = False

    def _leave(self) -> None:
        if self._courier is not None:
            self._courier.close()
        self._close_store()
        self._give_up_turn()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
