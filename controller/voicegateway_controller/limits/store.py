"""The limit sets' SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.limits.definitions import Declared

TIMEOUT_S: Final = 3.0
"""A Postgres slower than this counts as away: what is known goes on holding."""
APPLY_LOCK: Final = 0x5647_4C49_4D49
"""Advisory lock: sets are declared one after the other. The letters say VGLIMI."""

_COLUMNS: Final = "revision, document::text, created_at, created_by"
NEWEST: Final = f"SELECT {_COLUMNS} FROM limit_set ORDER BY revision DESC LIMIT 1"
NEWEST_REVISION: Final = "SELECT coalesce(max(revision), 0) FROM limit_set"
# A restored backup starts its numbers again below those that pools have seen: revisions go on above both.
ADVANCE: Final = """
SELECT setval('limit_set_revision_seq', $1::bigint) WHERE $1 >= (SELECT last_value FROM limit_set_revision_seq)
"""
INSERT: Final = f"INSERT INTO limit_set (document, created_by) VALUES ($1::jsonb, $2) RETURNING {_COLUMNS}"

_decode: Final = msgspec.json.Decoder(list[dict[str, object]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSet:
    """One revision as stored."""

    revision: int
    document: Sequence[Declared]
    created_at: datetime
    created_by: str


async def newest_revision(connection: Connection) -> int:
    """Return the revision in force, 0 when nothing was ever declared."""
    revision: int = await connection.fetchval(NEWEST_REVISION, timeout=TIMEOUT_S)
    return revision


async def newest(connection: Connection) -> LimitSet | None:
    """Return the set in force."""
    row = await connection.fetchrow(NEWEST, timeout=TIMEOUT_S)
    return None if row is None else LimitSet(**{**dict(row), "document": _decode(row["document"])})


async def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else declares."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", APPLY_LOCK, timeout=TIMEOUT_S)


async def append(connection: Connection, document: Sequence[Declared], *, by: str, above: int) -> LimitSet:
    """Store a new set, with a revision higher than `above`."""
    if above > 0:
        await connection.execute(ADVANCE, above, timeout=TIMEOUT_S)
    row = await connection.fetchrow(INSERT, msgspec.json.encode(document).decode(), by, timeout=TIMEOUT_S)
    if row is None:
        raise RuntimeError("an INSERT … RETURNING returned no row")
    return LimitSet(**{**dict(row), "document": _decode(row["document"])})
