"""Saved column mappings in Postgres: the newest of each name, with who saved it."""

from datetime import datetime
from typing import Final

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict, NotFound

TIMEOUT_S: Final = 5.0
MAPPINGS_MAX: Final = 500
_ALL: Final = "SELECT name, provider, document, saved_at, actor FROM reconcile_mapping ORDER BY name LIMIT 500"
_COUNT_OTHERS: Final = "SELECT count(*) FROM reconcile_mapping WHERE name <> $1"
_SAVE: Final = """
INSERT INTO reconcile_mapping (name, provider, document, actor) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
SET provider = excluded.provider, document = excluded.document, actor = excluded.actor, saved_at = now()
RETURNING name, provider, document, saved_at, actor
"""
_DELETE: Final = "DELETE FROM reconcile_mapping WHERE name = $1 RETURNING provider, document"
_ONE: Final = "SELECT provider, document FROM reconcile_mapping WHERE name = $1 FOR UPDATE"


class SavedMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as somebody saved it."""

    name: str
    provider: str
    document: str
    """YAML, as it was written."""
    saved_at: datetime
    actor: str


class Mappings:
    """Lives as long as its engine; holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all(self) -> list[SavedMapping]:
        """Return what was saved, by name. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return [SavedMapping(**row) for row in await connection.fetch(_ALL, timeout=TIMEOUT_S)]

    async def save(self, name: str, provider: str, document: str, *, actor: str) -> SavedMapping:
        """Save a mapping in place of the one of its name. Raises Conflict when there are too many."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            if await connection.fetchval(_COUNT_OTHERS, name, timeout=TIMEOUT_S) >= MAPPINGS_MAX:
                raise Conflict(f"{MAPPINGS_MAX} mappings are saved already: delete some of them first")
            before = await connection.fetchrow(_ONE, name, timeout=TIMEOUT_S)
            [row] = await connection.fetch(_SAVE, name, provider, document, actor, timeout=TIMEOUT_S)
            await record_change(connection, _written_down("mapping.save", name, before, row, by=actor))
            return SavedMapping(**row)

    async def delete(self, name: str, *, by: str) -> None:
        """Forget a mapping; what was imported by it stays as it is. Raises NotFound."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            before = await connection.fetchrow(_DELETE, name, timeout=TIMEOUT_S)
            if before is None:
                raise NotFound(f"no mapping {name!r} is saved: `voicegw reconcile mapping list` shows what is")
            await record_change(connection, _written_down("mapping.delete", name, before, None, by=by))


def _written_down(
    action: str, name: str, before: asyncpg.Record | None, after: asyncpg.Record | None, *, by: str
) -> Change:
    """What the audit log keeps of a mapping."""
    documents = [
        None if row is None else {"provider": row["provider"], "document": row["document"]} for row in (before, after)
    ]
    return Change(
        actor=by, action=action, resource=f"reconciliations/mappings/{name}", before=documents[0], after=documents[1]
    )
