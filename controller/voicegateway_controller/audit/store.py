"""The audit log's SQL; who writes is `record.py`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicegateway_controller.audit.record import NO_DIGEST
from voicegateway_controller.db.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One record as stored."""

    number: int
    at: datetime
    at_us: int
    actor: str
    actor_name: str
    action: str
    resource: str
    project: str
    reason: str
    before: str | None
    after: str | None
    digest: bytes

    @property
    def fields(self) -> tuple[object, ...]:
        """What its digest is made of, in that order."""
        return (
            self.number,
            self.at_us,
            self.actor,
            self.action,
            self.resource,
            self.project,
            self.reason,
            self.before,
            self.after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which records are asked for; empty asks for all."""

    actor: str = ""
    action: str = ""
    """The whole of it, or `limits.` for all of a noun's."""
    resource: str = ""
    """The whole of it, or `tokens/` for all of a kind's."""
    project: str = ""
    since: datetime | None = None
    until: datetime | None = None
    number: int | None = None


_COLUMNS: Final = """
number, at, (extract(epoch FROM at) * 1000000)::bigint AS at_us, actor, action, resource, project, reason,
before, after, digest
"""
# A token's name is what people know it by; people are named as they are.
_NAMED: Final = """
coalesce((SELECT name FROM access_token WHERE access_token.id = actor), actor) AS actor_name
"""
_WHERE: Final = """
($1 = '' OR actor = $1)
AND ($2 = '' OR CASE WHEN right($2, 1) = '.' THEN starts_with(action, $2) ELSE action = $2 END)
AND ($3 = '' OR CASE WHEN right($3, 1) = '/' THEN starts_with(resource, $3) ELSE resource = $3 END)
AND ($4 = '' OR project = $4)
AND ($5::timestamptz IS NULL OR at >= $5)
AND ($6::timestamptz IS NULL OR at < $6)
AND ($7::bigint IS NULL OR number = $7)
"""
NEWEST_FIRST: Final = f"""
SELECT {_COLUMNS}, {_NAMED} FROM audit_record WHERE {_WHERE} AND ($8::bigint IS NULL OR number < $8)
ORDER BY number DESC LIMIT $9
"""
OLDEST_FIRST: Final = f"""
SELECT {_COLUMNS}, {_NAMED} FROM audit_record WHERE {_WHERE} AND number > $8::bigint AND number <= $9::bigint
ORDER BY number LIMIT $10
"""
SEALED: Final = f"""
SELECT {_COLUMNS}, actor AS actor_name FROM audit_record WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3
"""
HEAD: Final = "SELECT number, digest FROM audit_record ORDER BY number DESC LIMIT 1"


async def newest_first(connection: Connection, filters: Filters, *, before: int | None, limit: int) -> list[RecordRow]:
    """Return records older than `before`, the newest first."""
    found = await connection.fetch(NEWEST_FIRST, *_values(filters), before, limit)
    return [RecordRow(**dict(row.items())) for row in found]


async def oldest_first(
    connection: Connection, filters: Filters, *, after: int, until: int, limit: int
) -> list[RecordRow]:
    """Return records of numbers above `after` up to `until`, the oldest first."""
    found = await connection.fetch(OLDEST_FIRST, *_values(filters), after, until, limit)
    return [RecordRow(**dict(row.items())) for row in found]


async def sealed_after(connection: Connection, number: int, *, until: int, limit: int) -> list[RecordRow]:
    """Return records as they were sealed, of numbers above `number` up to `until`, in their order."""
    return [RecordRow(**dict(row.items())) for row in await connection.fetch(SEALED, number, until, limit)]


async def head(connection: Connection) -> tuple[int, bytes]:
    """Return the newest record's number and digest; 0 and nothing's digest where there is none."""
    row = await connection.fetchrow(HEAD)
    return (0, NO_DIGEST) if row is None else (row["number"], row["digest"])


def _values(filters: Filters) -> tuple[object, ...]:
    return (
        filters.actor,
        filters.action,
        filters.resource,
        filters.project,
        filters.since,
        filters.until,
        filters.number,
    )
