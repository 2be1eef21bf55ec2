"""Opens the outbox file for a thread, and sets a corrupt one aside so that a new one can start."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from voicegateway.outbox.bounds import BYTES_MAX
from voicegateway.outbox.process_lock import ProcessLock
from voicegateway.outbox.recovery import ALIVE_DIRECTORY
from voicegateway.outbox.schema import DATABASE_NAME, DamagedRow, NewerSchema
from voicegateway.outbox.stats import Loss
from voicegateway.outbox.store import Store

logger = logging.getLogger("voicegateway.outbox")

REPAIR_LOCK_NAME: Final = "repair.lock"
REPAIR_S_MAX: Final = 60.0
"""Opening takes a millisecond, saving the rows of a full, corrupt file some ten seconds."""
SET_ASIDE_MAX: Final = 3
"""Corrupt files kept for inspection; older ones are removed, a failing disk must not fill itself."""
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE: Final = 0xFF
_SAYS_DAMAGE: Final = ("no such table", "no such column", "Could not decode to UTF-8")
"""The last is Python's own word, without SQLite's code: a page that is sound, with another's bytes in its texts."""
_SUFFIXES: Final = ("-wal", "-shm", "")
"""The database itself comes last: an opener must never see a new file beside an old log."""
_READ_SETTLED: Final = "SELECT request_id, incarnation, settled_ns, is_estimated, body FROM settled ORDER BY seq"
_READ_INTENTS: Final = "SELECT request_id, incarnation, begun_ns, checkpoint_ns, body FROM intent ORDER BY request_id"
_READABLE: Final = {
    "settled": (_READ_SETTLED, f"{_READ_SETTLED} DESC"),
    "intent": (_READ_INTENTS, f"{_READ_INTENTS} DESC"),
}


def open_store(directory: Path, *, bytes_max: int = BYTES_MAX) -> Store:
    """Open the outbox of `directory`, making what is missing; a corrupt file is set aside first.

    Raises:
        sqlite3.Error, OSError: it cannot be used now; the same call may succeed later.
    """
    make_directory(directory)
    repair = ProcessLock(directory / REPAIR_LOCK_NAME)
    repair.acquire(timeout_s=REPAIR_S_MAX)
    try:
        try:
            return Store.open(directory, bytes_max=bytes_max)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            return _start_anew(directory, error, bytes_max=bytes_max)
    finally:
        repair.release()


def make_directory(directory: Path) -> None:
    """Make the directory and what it needs inside, closed to other users.

    Raises:
        OSError: it cannot be made, or is no directory.
    """
    (directory / ALIVE_DIRECTORY).mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        directory.chmod(0o700)


def replace_corrupt(directory: Path, store: Store, error: sqlite3.Error, *, bytes_max: int) -> Store:
    """Close a store that turned out corrupt and return a new one; another process may have replaced it already."""
    repair = ProcessLock(directory / REPAIR_LOCK_NAME)
    repair.acquire(timeout_s=REPAIR_S_MAX)
    try:
        is_ours_to_move = store.is_current()
        store.close()
        if is_ours_to_move:
            return _start_anew(directory, error, bytes_max=bytes_max)
        return Store.open(directory, bytes_max=bytes_max)
    finally:
        repair.release()


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the error says that the file's content, not its surroundings, is broken."""
    if isinstance(error, NewerSchema):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    is_damaged = isinstance(error, DamagedRow) or str(error).startswith(_SAYS_DAMAGE)
    return is_damaged or (code is not None and code & _PRIMARY_CODE in _CORRUPT)


def _start_anew(directory: Path, error: sqlite3.Error, *, bytes_max: int) -> Store:
    aside = _set_aside(directory)
    store = Store.open(directory, bytes_max=bytes_max)
    saved = store.save(_readable_rows(aside))
    store.note_losses([Loss(reason="file_corrupt", provider="", model="", rows=1, bytes=0)])
    logger.error(
        "the outbox file was corrupt (%s): moved to %s, %d rows saved from it, a new one started; "
        "what else it held is lost, check the disk",
        error,
        aside,
        saved,
    )
    return store


def _set_aside(directory: Path) -> Path:
    path = directory / DATABASE_NAME
    earlier = sorted(directory.glob(f"{DATABASE_NAME}.corrupt-*[0-9]"))
    for old in earlier[: max(0, len(earlier) - SET_ASIDE_MAX + 1)]:
        for suffix in _SUFFIXES:
            Path(f"{old}{suffix}").unlink(missing_ok=True)
    aside = directory / f"{DATABASE_NAME}.corrupt-{time.time_ns()}"
    for suffix in _SUFFIXES:
        source = Path(f"{path}{suffix}")
        if source.exists():
            source.rename(f"{aside}{suffix}")
    return aside


def _readable_rows(aside: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield what can still be read: from the front up to the damage, then from the back down to it."""
    try:
        connection = sqlite3.connect(aside, isolation_level=None)
    except sqlite3.Error as error:
        logger.info("nothing can be read from %s: %s", aside, error)
        return
    # A damaged text must not end the reading: its row is told by its content.
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        for table, queries in _READABLE.items():
            for query in queries:
                try:
                    for row in connection.execute(query):
                        if _is_sound(row):
                            yield table, row
                except sqlite3.Error as error:
                    logger.info("reading %s of %s stopped: %s", table, aside, error)
                    continue
                break
    finally:
        connection.close()


def _is_sound(row: tuple[object, ...]) -> bool:
    """Whether a row of either table holds what we once wrote: its types, and a span that names its request."""
    request_id, incarnation, written_ns, mark, body = row
    return (
        isinstance(request_id, str)
        and isinstance(incarnation, str)
        and isinstance(written_ns, int)
        and isinstance(mark, int | None)
        and isinstance(body, bytes)
        and request_id.encode() in body
    )
