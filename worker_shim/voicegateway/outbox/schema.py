"""The outbox file: its tables, and how a connection to it is opened."""

import os
import sqlite3
from pathlib import Path
from typing import Final

DATABASE_NAME: Final = "outbox.db"
SCHEMA_VERSION: Final = 1

LOG_PAGES_MAX: Final = 8_192
"""At 64 MiB of log a writer copies it into the file itself. Before that the drainer does, every other second: copying
means fsync, some milliseconds, and requests wait for their intents to be written."""
PAGE_BYTES: Final = 8_192
"""With spans of 1 to 1.5 KiB a 4 KiB page wastes up to 60 % of a row; 16 KiB ones make each commit dearer."""
ROW_OVERHEAD_BYTES: Final = 300
"""What a row costs beside its span: ids, keys, indexes, page slack; measured 210 to 470 for 1 to 2.3 KiB spans."""
BUSY_TIMEOUT_MS: Final = 5_000
"""Fifty processes committing in turn wait some milliseconds; five seconds means that somebody is stuck."""
WAL_BYTES_KEPT: Final = 4 * 1024 * 1024
"""Some of the log stays allocated: on a full disk a delete can still be written into it."""
FILE_SLACK_DIVISOR: Final = 16
FILE_BYTES_MIN: Final = 1024 * 1024
"""The file may outgrow what its rows count for by a sixteenth and a MiB; there SQLite itself refuses."""

_TABLES: Final = f"""
CREATE TABLE intent (
  request_id TEXT PRIMARY KEY,
  incarnation TEXT NOT NULL,
  begun_ns INTEGER NOT NULL,
  checkpoint_ns INTEGER,
  body BLOB NOT NULL
) WITHOUT ROWID;

-- AUTOINCREMENT: a number must not come twice even after the newest row is gone, the drainer deletes by range.
CREATE TABLE settled (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL UNIQUE,
  incarnation TEXT NOT NULL,
  settled_ns INTEGER NOT NULL,
  is_estimated INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX settled_estimated ON settled (seq) WHERE is_estimated = 1;

CREATE TABLE dead_letter (
  seq INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  died_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE loss (
  reason TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (reason, provider, model)
) WITHOUT ROWID;

-- Kept by triggers: the bound is checked at every commit, and counting a million rows takes 50 ms.
CREATE TABLE tally (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO tally VALUES ('intent', 0, 0), ('settled', 0, 0), ('dead_letter', 0, 0);

CREATE TRIGGER intent_in AFTER INSERT ON intent BEGIN
  UPDATE tally SET rows = rows + 1, bytes = bytes + length(new.body) + {ROW_OVERHEAD_BYTES}
  WHERE name = 'intent'; END;
CREATE TRIGGER intent_change AFTER UPDATE OF body ON intent BEGIN
  UPDATE tally SET bytes = bytes + length(new.body) - length(old.body) WHERE name = 'intent'; END;
CREATE TRIGGER intent_out AFTER DELETE ON intent BEGIN
  UPDATE tally SET rows = rows - 1, bytes = bytes - length(old.body) - {ROW_OVERHEAD_BYTES}
  WHERE name = 'intent'; END;
CREATE TRIGGER settled_in AFTER INSERT ON settled BEGIN
  UPDATE tally SET rows = rows + 1, bytes = bytes + length(new.body) + {ROW_OVERHEAD_BYTES}
  WHERE name = 'settled'; END;
CREATE TRIGGER settled_out AFTER DELETE ON settled BEGIN
  UPDATE tally SET rows = rows - 1, bytes = bytes - length(old.body) - {ROW_OVERHEAD_BYTES}
  WHERE name = 'settled'; END;
CREATE TRIGGER dead_letter_in AFTER INSERT ON dead_letter BEGIN
  UPDATE tally SET rows = rows + 1, bytes = bytes + length(new.body) + {ROW_OVERHEAD_BYTES}
  WHERE name = 'dead_letter'; END;
CREATE TRIGGER dead_letter_out AFTER DELETE ON dead_letter BEGIN
  UPDATE tally SET rows = rows - 1, bytes = bytes - length(old.body) - {ROW_OVERHEAD_BYTES}
  WHERE name = 'dead_letter'; END;

PRAGMA user_version = {SCHEMA_VERSION};
"""


class NewerSchema(sqlite3.DatabaseError):
    """The file was written by a newer version; ours must not touch it."""


class DamagedRow(sqlite3.DatabaseError):
    """A row holds what we never wrote, though SQLite finds nothing wrong with its page."""


def connect(directory: Path, *, bytes_max: int) -> sqlite3.Connection:
    """Open the outbox file of `directory`, making it if it is missing; the caller holds the repair lock.

    Raises:
        sqlite3.Error: the file is corrupt, unreadable or from a newer version.
        OSError: the directory cannot be written.
    """
    path = directory / DATABASE_NAME
    _create_private(path)
    # Any thread: a thread that forks closes it, under the lock of its `Connection`.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, bytes_max=bytes_max)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, *, bytes_max: int) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise NewerSchema(f"outbox schema {version} is newer than {SCHEMA_VERSION}")
    if version == 0:
        # Both have to be said before the first table; the second lets the disk have its pages back.
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL: a commit survives kill -9 of the process, not a power cut; no fsync per commit.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES_MAX}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    file_bytes_max = bytes_max + bytes_max // FILE_SLACK_DIVISOR + FILE_BYTES_MIN
    connection.execute(f"PRAGMA max_page_count = {file_bytes_max // PAGE_BYTES}")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its log the same permissions.

    An existing file is never opened here: closing it again would drop the locks that SQLite holds on it for
    other connections of this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
