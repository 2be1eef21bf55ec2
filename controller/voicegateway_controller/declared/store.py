"""The sets' SQL: one table for each kind, all of the same shape, append-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.declared.rules import Declared

TIMEOUT_S: Final = 3.0
"""A Postgres slower than this counts as away: what is known goes on holding."""

_COLUMNS: Final = "revision, document::text, created_at, created_by"
LOCK: Final = "SELECT pg_advisory_xact_lock($1)"

_decode: Final = msgspec.json.Decoder(list[dict[str, object]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """One revision as stored."""

    revision: int
    document: Sequence[Declared]
    created_at: datetime | None
    created_by: str


class SetTable:
    """One kind's table; immutable, lives as long as the process."""

    def __init__(self, table: Literal["limit_set", "budget_set", "routing_set"], *, apply_lock: int) -> None:
        self._apply_lock = apply_lock
        self._newest = f"SELECT {_COLUMNS} FROM {table} ORDER BY revision DESC LIMIT 1"
        self._newest_revision = f"SELECT coalesce(max(revision), 0) FROM {table}"
        # A restored backup starts its numbers again below those that pools have seen: revisions go on above both.
        self._advance = (
            f"SELECT setval('{table}_revision_seq', $1::bigint) "
            f"WHERE $1 >= (SELECT last_value FROM {table}_revision_seq)"
        )
        self._insert = f"INSERT INTO {table} (document, created_by) VALUES ($1::jsonb, $2) RETURNING {_COLUMNS}"

    async def newest_revision(self, connection: Connection) -> int:
        """Return the revision in force, 0 when nothing was ever declared."""
        revision: int = await connection.fetchval(self._newest_revision, timeout=TIMEOUT_S)
        return revision

    async def newest(self, connection: Connection) -> StoredSet | None:
        """Return the set in force."""
        row = await connection.fetchrow(self._newest, timeout=TIMEOUT_S)
        return None if row is None else _stored(row)

    async def lock(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else declares a set of this kind."""
        await connection.execute(LOCK, self._apply_lock, timeout=TIMEOUT_S)

    async def append(self, connection: Connection, document: Sequence[Declared], *, by: str, above: int) -> StoredSet:
        """Store a new set, with a revision higher than `above`."""
        if above > 0:
            await connection.execute(self._advance, above, timeout=TIMEOUT_S)
        row = await connection.fetchrow(self._insert, msgspec.json.encode(document).decode(), by, timeout=TIMEOUT_S)
        if row is None:
            raise RuntimeError("an INSERT … RETURNING returned no row")
        return _stored(row)


def _stored(row: Any) -> StoredSet:
    return StoredSet(**{**dict(row), "document": _decode(row["document"])})
