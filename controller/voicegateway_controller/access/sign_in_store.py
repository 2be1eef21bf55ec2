"""The sign-ins' SQL."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from voicegateway_controller.db.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRow:
    """One sign-in as stored; the cookie's secret itself never is."""

    id: str
    secret_hash: bytes = field(repr=False)
    token_id: str | None
    issuer: str | None
    subject: str | None
    actor: str
    name: str
    role: str
    projects: list[str] | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None


_COLUMNS: Final = """
id, secret_hash, token_id, issuer, subject, actor, name, role, projects,
created_at, last_seen_at, expires_at, ended_at, ended_by
"""
FIND: Final = f"SELECT {_COLUMNS} FROM sign_in WHERE id = $1"
INSERT: Final = f"""
INSERT INTO sign_in (id, secret_hash, token_id, issuer, subject, actor, name, role, projects, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}
"""
TOUCH: Final = """
UPDATE sign_in SET last_seen_at = clock_timestamp()
WHERE id = $1 AND last_seen_at < clock_timestamp() - interval '1 minute'
"""
END: Final = f"""
UPDATE sign_in SET ended_at = clock_timestamp(), ended_by = $2 WHERE id = $1 AND ended_at IS NULL RETURNING {_COLUMNS}
"""
# Who signs in again and again ends their own oldest.
END_OLDEST: Final = """
UPDATE sign_in SET ended_at = clock_timestamp(), ended_by = 'too many' WHERE id IN (
    SELECT id FROM sign_in WHERE actor = $1 AND ended_at IS NULL AND expires_at > clock_timestamp()
    ORDER BY created_at DESC, id DESC OFFSET $2 LIMIT 1000
) RETURNING id
"""
PAGE: Final = f"""
SELECT {_COLUMNS} FROM sign_in
WHERE ended_at IS NULL AND expires_at > clock_timestamp() AND last_seen_at > clock_timestamp() - $4::interval
  AND ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2))
  AND ($3 = '' OR actor = $3)
  AND (token_id IS NULL OR EXISTS (
      SELECT FROM access_token WHERE access_token.id = token_id AND revoked_at IS NULL
      AND (access_token.expires_at IS NULL OR access_token.expires_at > clock_timestamp())))
ORDER BY created_at DESC, id DESC LIMIT $5
"""
DELETE_OLD: Final = """
DELETE FROM sign_in WHERE id IN (
    SELECT id FROM sign_in WHERE expires_at < clock_timestamp() - interval '30 days' ORDER BY expires_at LIMIT $1
)
"""


async def find(connection: Connection, sign_in_id: str, *, timeout_s: float) -> SignInRow | None:
    """Return the sign-in with this id, or None."""
    row = await connection.fetchrow(FIND, sign_in_id, timeout=timeout_s)
    return None if row is None else SignInRow(**dict(row.items()))


async def insert(
    connection: Connection,
    *,
    sign_in_id: str,
    secret_hash: bytes,
    source: tuple[str | None, str | None, str | None],
    person: tuple[str, str],
    granted: tuple[str, list[str] | None],
    expires_at: datetime,
) -> SignInRow:
    """Store a sign-in: of token id, issuer, subject; as actor and name; with role and projects."""
    row = await connection.fetchrow(INSERT, sign_in_id, secret_hash, *source, *person, *granted, expires_at)
    if row is None:
        raise RuntimeError("an INSERT … RETURNING returned no row")
    return SignInRow(**dict(row.items()))


async def touch(connection: Connection, sign_in_id: str, *, timeout_s: float) -> None:
    """Note that a sign-in is in use."""
    await connection.execute(TOUCH, sign_in_id, timeout=timeout_s)


async def end(connection: Connection, sign_in_id: str, *, by: str) -> SignInRow | None:
    """End a sign-in for good; None where there is none, or it was ended before."""
    row = await connection.fetchrow(END, sign_in_id, by)
    return None if row is None else SignInRow(**dict(row.items()))


async def end_oldest(connection: Connection, actor: str, *, keep: int) -> list[str]:
    """End all sign-ins of somebody but the newest; return their ids."""
    return [row["id"] for row in await connection.fetch(END_OLDEST, actor, keep)]


async def page(
    connection: Connection, *, before: tuple[datetime, str] | None, actor: str, idle: timedelta, limit: int
) -> list[SignInRow]:
    """Return sign-ins that are in force, the newest first; those of `actor`, or all where it is empty."""
    at, sign_in_id = before or (None, "")
    found = await connection.fetch(PAGE, at, sign_in_id, actor, idle, limit)
    return [SignInRow(**dict(row.items())) for row in found]


async def delete_old(connection: Connection, *, limit: int) -> None:
    """Forget sign-ins that ended long ago; the audit log keeps them."""
    await connection.execute(DELETE_OLD, limit)
