"""The SQL of requests that may be said again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.errors import DatabaseUnavailable

KEEP: Final = "interval '24 hours'"
_ATTEMPTS_MAX: Final = 5
_SWEPT_MAX: Final = 1_000
"""Rows that one sweep removes; the next comes within a minute."""

BEGIN: Final = """
INSERT INTO idempotency_key (digest, request) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING RETURNING true
"""
FIND: Final = f"""
SELECT request, begun_at, now() AS asked_at, ended_at, is_kept, status, headers, body
FROM idempotency_key WHERE digest = $1 AND begun_at > now() - {KEEP}
"""
FORGET_OLD: Final = f"DELETE FROM idempotency_key WHERE digest = $1 AND begun_at <= now() - {KEEP}"
END: Final = """
UPDATE idempotency_key SET ended_at = now(), is_kept = $2, status = $3, headers = $4, body = $5 WHERE digest = $1
"""
RELEASE: Final = "DELETE FROM idempotency_key WHERE digest = $1"
SWEEP: Final = f"""
DELETE FROM idempotency_key WHERE digest IN (
    SELECT digest FROM idempotency_key WHERE begun_at <= now() - {KEEP} ORDER BY begun_at LIMIT {_SWEPT_MAX}
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is known of a request that was said before."""

    request: bytes
    begun_at: datetime
    asked_at: datetime
    ended_at: datetime | None
    is_kept: bool
    status: int | None
    headers: str | None
    body: bytes | None


async def begin(connection: Connection, digest: bytes, request: bytes) -> Kept | None:
    """Note that a request begins and return None; or what is known of it, when it was said before.

    Raises DatabaseUnavailable when others begin and let go the same one in each moment between.
    """
    for _ in range(_ATTEMPTS_MAX):
        if await connection.fetchval(BEGIN, digest, request):
            return None
        row = await connection.fetchrow(FIND, digest)
        if row is not None:
            return Kept(**dict(row.items()))
        # It is over a day old, or it was let go in between: then this is the first one again.
        await connection.execute(FORGET_OLD, digest)
    raise DatabaseUnavailable("the same Idempotency-Key is begun and let go all the time: send it again in a moment")


async def end(
    connection: Connection, digest: bytes, *, is_kept: bool, status: int, headers: str | None, body: bytes | None
) -> None:
    """Note what came of it."""
    await connection.execute(END, digest, is_kept, status, headers, body)


async def release(connection: Connection, digest: bytes) -> None:
    """Forget a request that was not carried out."""
    await connection.execute(RELEASE, digest)


async def sweep(connection: Connection) -> None:
    """Forget what is older than a day."""
    await connection.execute(SWEEP)
