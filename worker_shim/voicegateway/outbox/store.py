"""Every query on the outbox file. One Store is one connection, used by the one thread that opened it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from voicegateway.outbox.batch import Change
from voicegateway.outbox.bounds import BYTES_MAX, DEAD_LETTERS_MAX
from voicegateway.outbox.connection import Connection
from voicegateway.outbox.envelope import Row
from voicegateway.outbox.schema import ROW_OVERHEAD_BYTES, DamagedRow
from voicegateway.outbox.span_bytes import ENCODE_FAILED, interrupt, is_estimated, provider_and_model
from voicegateway.outbox.stats import Loss, OutboxStats

EVICTED_AT_ONCE_MAX: Final = 256
"""Estimated rows dropped per commit at the bound: room for some commits to come, in well under 10 ms."""
LOSSES_REPORTED_MAX: Final = 64
INTENTS_RECOVERED_AT_ONCE: Final = 32
DELETED_AT_ONCE_MAX: Final = 128
"""Transactions of 2 to 3 ms: the writers of the host wait for them, and requests for the writers."""

_UPSERT_INTENT: Final = """
INSERT INTO intent (request_id, incarnation, begun_ns, body) VALUES (?, ?, ?, ?)
ON CONFLICT (request_id) DO UPDATE SET body = excluded.body"""
_CHECKPOINT_INTENT: Final = "UPDATE intent SET body = ?, checkpoint_ns = ? WHERE request_id = ?"
_DELETE_INTENT: Final = "DELETE FROM intent WHERE request_id = ?"
_READ_INTENT: Final = "SELECT request_id, incarnation, checkpoint_ns, body FROM intent WHERE request_id = ?"
_READ_INTENTS_OF: Final = """
SELECT request_id, incarnation, checkpoint_ns, body FROM intent WHERE incarnation = ? LIMIT ?"""
_INCARNATIONS: Final = "SELECT DISTINCT incarnation FROM intent"
_INSERT_SETTLED: Final = """
INSERT INTO settled (request_id, incarnation, settled_ns, is_estimated, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (request_id) DO NOTHING"""
_READ_SETTLED: Final = """
SELECT seq, request_id, incarnation, body FROM settled WHERE seq > ? ORDER BY seq LIMIT ?"""
_DELETE_SETTLED: Final = "DELETE FROM settled WHERE seq BETWEEN ? AND ?"
_READ_ESTIMATED: Final = "SELECT seq, body FROM settled WHERE is_estimated = 1 ORDER BY seq LIMIT ?"
_INSERT_DEAD: Final = """
INSERT INTO dead_letter (seq, request_id, incarnation, died_ns, reason, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (seq) DO NOTHING"""
_READ_DEAD_SURPLUS: Final = "SELECT seq, body FROM dead_letter ORDER BY seq DESC LIMIT -1 OFFSET ?"
_DELETE_DEAD: Final = "DELETE FROM dead_letter WHERE seq = ?"
_ADD_LOSS: Final = """
INSERT INTO loss (reason, provider, model, rows, bytes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (reason, provider, model) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes"""
_READ_LOSSES: Final = "SELECT reason, provider, model, rows, bytes FROM loss ORDER BY rows DESC"
_READ_TALLY: Final = "SELECT name, rows, bytes FROM tally"
_BYTES_USED: Final = "SELECT sum(bytes) FROM tally"

_SAVE: Final = {
    "settled": """
INSERT INTO settled (request_id, incarnation, settled_ns, is_estimated, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (request_id) DO NOTHING""",
    "intent": """
INSERT INTO intent (request_id, incarnation, begun_ns, checkpoint_ns, body)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM settled WHERE request_id = ?1)
ON CONFLICT (request_id) DO NOTHING""",
}

_Intent = tuple[str, str, int | None, bytes]


class Store:
    """An open outbox file. The thread that opened it uses it and closes it."""

    def __init__(self, connection: Connection, *, bytes_max: int) -> None:
        self._connection = connection
        self._bytes_max = bytes_max

    @classmethod
    def open(cls, directory: Path, *, bytes_max: int = BYTES_MAX) -> "Store":
        """Open or make the file of `directory`.

        Raises:
            sqlite3.Error: the file is corrupt, unreadable or from a newer version.
            OSError: the directory cannot be written.
        """
        return cls(Connection(directory, bytes_max=bytes_max), bytes_max=bytes_max)

    def is_current(self) -> bool:
        """Whether the file we have open is still the one at its path; false once it was moved or removed."""
        return self._connection.is_current()

    def close(self) -> None:
        """Close the connection; never raises on a broken file."""
        self._connection.close()

    def write(self, changes: Sequence[Change], *, incarnation: str, now_ns: int) -> list[Change]:
        """Write the changes in one transaction and return those refused because the outbox is full.

        Writing the same changes again is harmless. What was refused is noted in the loss table.

        Raises:
            sqlite3.Error: nothing was written.
        """
        refused: list[Change] = []
        with self._connection.writing():
            room = self._room_for(changes)
            for change in changes:
                size = ROW_OVERHEAD_BYTES + len(change.settled or change.intent or b"")
                if room < size and not self._replaces_intent(change):
                    self._note_loss("outbox_full", change.settled or change.intent or b"")
                    refused.append(change)
                    continue
                room -= size
                self._write_one(change, incarnation=incarnation, now_ns=now_ns)
        return refused

    def note_losses(self, losses: Iterable[Loss]) -> None:
        """Add to the loss table what was lost elsewhere."""
        with self._connection.writing():
            for loss in losses:
                row = (loss.reason, loss.provider, loss.model, loss.rows, loss.bytes)
                self._connection.execute(_ADD_LOSS, row)

    def oldest_settled(self, *, after_seq: int, rows_max: int, bytes_max: int) -> list[Row]:
        """Return the oldest settled rows behind `after_seq`, at least one if there is any.

        Raises:
            DamagedRow: a row is not what we wrote.
        """
        rows: list[Row] = []
        size = 0
        with self._connection.reading():
            for each in self._connection.execute(_READ_SETTLED, (after_seq, rows_max)):
                row = Row._make(each)
                _check_types(row.request_id, row.incarnation, body=row.body)
                size += len(row.body)
                if rows and size > bytes_max:
                    break
                rows.append(row)
        return rows

    def delete_settled(self, first_seq: int, last_seq: int) -> None:
        """Forget rows that have arrived; numbers never come twice, so the range holds nothing newer."""
        for first in range(first_seq, last_seq + 1, DELETED_AT_ONCE_MAX):
            with self._connection.writing():
                last = min(last_seq, first + DELETED_AT_ONCE_MAX - 1)
                self._connection.execute(_DELETE_SETTLED, (first, last))

    def bury(self, row: Row, *, reason: str, now_ns: int) -> None:
        """Move a row that the controller cannot read to the dead letters; the oldest of too many are lost."""
        with self._connection.writing():
            dead = (row.seq, row.request_id, row.incarnation, now_ns, reason, row.body)
            self._connection.execute(_INSERT_DEAD, dead)
            self._connection.execute(_DELETE_SETTLED, (row.seq, row.seq))
            for seq, body in self._connection.execute(_READ_DEAD_SURPLUS, (DEAD_LETTERS_MAX,)).fetchall():
                self._note_loss("dead_letters_full", body)
                self._connection.execute(_DELETE_DEAD, (seq,))

    def save(self, rows: Iterable[tuple[str, tuple[object, ...]]]) -> int:
        """Take over (table, row) pairs of another outbox file whose requests are not here; return how many came."""
        with self._connection.writing():
            return sum(self._connection.execute(_SAVE[table], row).rowcount for table, row in rows)

    def newest_seq(self) -> int:
        """Return the number of the newest settled row, 0 when none waits."""
        with self._connection.reading():
            return int(self._connection.execute("SELECT ifnull(max(seq), 0) FROM settled").fetchone()[0])

    def has_settled_through(self, seq: int) -> bool:
        """Whether a settled row numbered `seq` or lower still waits."""
        with self._connection.reading():
            found = self._connection.execute("SELECT 1 FROM settled WHERE seq <= ? LIMIT 1", (seq,)).fetchone()
        return found is not None

    def incarnations_with_intents(self) -> list[str]:
        """Return the process lives that have begun something and not settled it.

        Raises:
            DamagedRow: one is not what we wrote.
        """
        with self._connection.reading():
            found = [row[0] for row in self._connection.execute(_INCARNATIONS)]
        _check_types(*found)
        return found

    def interrupt_intents_of(self, incarnation: str, *, error_type: str, now_ns: int) -> int:
        """Settle, as interrupted and estimated, some intents of a process that will not; return how many.

        Raises:
            DamagedRow: an intent is not what we wrote; nothing was settled.
        """
        with self._connection.writing():
            intents = self._connection.execute(_READ_INTENTS_OF, (incarnation, INTENTS_RECOVERED_AT_ONCE))
            found: list[_Intent] = intents.fetchall()
            for intent in found:
                self._interrupt(intent, error_type=error_type, now_ns=now_ns)
        return len(found)

    def copy_log(self) -> None:
        """Copy the log into the file as far as nobody is in the way; writers go on meanwhile."""
        with self._connection.reading():
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def make_log_reusable(self) -> None:
        """Copy the log into the file so that it restarts: on a full disk the only place left to write."""
        with self._connection.reading():
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def give_back_pages(self, pages_max: int) -> None:
        """Return up to `pages_max` free pages to the file system."""
        # Not execute(): it stops after the first step of a statement without columns, which is the first page.
        with self._connection.reading():
            self._connection.run_script(f"PRAGMA incremental_vacuum({int(pages_max)})")

    def free_pages(self) -> int:
        """Return how many pages of the file hold nothing."""
        with self._connection.reading():
            return int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])

    def stats(self) -> OutboxStats:
        """Return what the file holds and has lost."""
        with self._connection.reading():
            tally = {name: (rows, size) for name, rows, size in self._connection.execute(_READ_TALLY)}
            losses = [
                Loss(reason=reason, provider=provider, model=model, rows=rows, bytes=size)
                for reason, provider, model, rows, size in self._connection.execute(_READ_LOSSES)
            ]
        return OutboxStats(
            rows=tally["settled"][0],
            intents=tally["intent"][0],
            dead_letters=tally["dead_letter"][0],
            bytes=sum(size for _, size in tally.values()),
            dropped=sum(loss.rows for loss in losses),
            losses=tuple(losses[:LOSSES_REPORTED_MAX]),
        )

    def _room_for(self, changes: Sequence[Change]) -> int:
        """Return the bytes left below the bound, after dropping estimated rows if the changes need it."""
        room = self._bytes_max - int(self._connection.execute(_BYTES_USED).fetchone()[0])
        needed = sum(ROW_OVERHEAD_BYTES + len(change.settled or change.intent or b"") for change in changes)
        if needed <= room:
            return room
        for seq, body in self._connection.execute(_READ_ESTIMATED, (EVICTED_AT_ONCE_MAX,)).fetchall():
            self._note_loss("estimated_evicted", body)
            self._connection.execute(_DELETE_SETTLED, (seq, seq))
            room += len(body) + ROW_OVERHEAD_BYTES
        return room

    def _replaces_intent(self, change: Change) -> bool:
        """A request whose intent is in the file may always settle: the space is its own already."""
        return self._connection.execute(_READ_INTENT, (change.request_id,)).fetchone() is not None

    def _write_one(self, change: Change, *, incarnation: str, now_ns: int) -> None:
        execute = self._connection.execute
        if change.settled is not None:
            execute(_DELETE_INTENT, (change.request_id,))
            estimated = int(is_estimated(change.settled))
            execute(_INSERT_SETTLED, (change.request_id, incarnation, now_ns, estimated, change.settled))
        elif change.is_begun and change.intent is not None:
            execute(_UPSERT_INTENT, (change.request_id, incarnation, now_ns, change.intent))
        elif change.intent is not None:
            execute(_CHECKPOINT_INTENT, (change.intent, now_ns, change.request_id))
        if change.is_given_up:
            intent = execute(_READ_INTENT, (change.request_id,)).fetchone()
            if intent is None:
                self._note_loss("encode_failed", b"")
            else:
                self._interrupt(intent, error_type=ENCODE_FAILED, now_ns=now_ns)

    def _interrupt(self, intent: _Intent, *, error_type: str, now_ns: int) -> None:
        request_id, incarnation, checkpoint_ns, body = intent
        _check_types(request_id, incarnation, body=body)
        self._connection.execute(_DELETE_INTENT, (request_id,))
        try:
            ended = interrupt(body, error_type=error_type, seen_ns=checkpoint_ns)
        except ValueError:
            self._note_loss("intent_unreadable", body)
            return
        self._connection.execute(_INSERT_SETTLED, (request_id, incarnation, now_ns, 1, ended))

    def _note_loss(self, reason: str, body: bytes) -> None:
        provider, model = provider_and_model(body)
        self._connection.execute(_ADD_LOSS, (reason, provider, model, 1, len(body)))


def _check_types(*texts: object, body: object = b"") -> None:
    """SQLite gives whatever type a damaged page names, and one such row would stop all delivery.

    Raises:
        DamagedRow: a value is of another type than we write.
    """
    if not (all(isinstance(text, str) for text in texts) and isinstance(body, bytes)):
        raise DamagedRow("a row holds values of types that are never written")
