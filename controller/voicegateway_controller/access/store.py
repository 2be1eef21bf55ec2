"""The tokens' SQL."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from voicegateway_controller.db.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token as stored; the secret itself never is."""

    id: str
    secret_hash: bytes = field(repr=False)
    role: str
    projects: list[str] | None
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: str = ""
    revoked_by: str | None = None


REVOCATIONS_MAX: Final = 10_000
"""Told in one answer: more in a minute than anybody revokes; what is left out is heard of within FRESH_S."""

_COLUMNS: Final = """
id, secret_hash, role, projects, name, created_at, expires_at, revoked_at, last_used_at, created_by, revoked_by
"""
FIND: Final = f"SELECT {_COLUMNS} FROM access_token WHERE id = $1"
FIND_LOCKED: Final = f"{FIND} FOR UPDATE"
# Several replicas take the note at most once a minute between them.
TOUCH: Final = """
UPDATE access_token SET last_used_at = clock_timestamp()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
"""
INSERT: Final = f"""
INSERT INTO access_token (id, secret_hash, role, projects, name, expires_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}
"""
LIST: Final = f"SELECT {_COLUMNS} FROM access_token ORDER BY created_at, id LIMIT $1"
PAGE: Final = f"""
SELECT {_COLUMNS} FROM access_token
WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2))
  AND ($3 = '' OR role = $3)
  AND ($4 = '' OR projects IS NULL OR $4 = ANY (projects))
  AND ($5 = '' OR $5 = CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
                            WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'active' END)
ORDER BY created_at DESC, id DESC LIMIT $6
"""
REVOKE: Final = f"""
UPDATE access_token SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE id = $1 AND revoked_at IS NULL
RETURNING {_COLUMNS}
"""
OTHER_ADMINS: Final = """
SELECT id FROM access_token
WHERE role = 'admin' AND projects IS NULL AND revoked_at IS NULL AND id <> $1
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
ORDER BY id LIMIT 1 FOR UPDATE
"""
IS_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM access_token)"
LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
REVOKED_LATELY: Final = """
(SELECT id, false AS is_sign_in FROM access_token WHERE revoked_at > clock_timestamp() - $1 * interval '1 second'
 ORDER BY revoked_at DESC LIMIT $2)
UNION ALL
(SELECT id, true FROM sign_in WHERE ended_at > clock_timestamp() - $1 * interval '1 second'
 ORDER BY ended_at DESC LIMIT $2)
"""


async def find(connection: Connection, token_id: str, *, timeout_s: float) -> TokenRow | None:
    """Return the token with this id, or None."""
    row = await connection.fetchrow(FIND, token_id, timeout=timeout_s)
    return None if row is None else TokenRow(**dict(row.items()))


async def find_locked(connection: Connection, token_id: str) -> TokenRow | None:
    """Return the token, which nobody else changes until the transaction ends."""
    row = await connection.fetchrow(FIND_LOCKED, token_id)
    return None if row is None else TokenRow(**dict(row.items()))


async def touch(connection: Connection, token_id: str, *, timeout_s: float) -> None:
    """Note that a token was used."""
    await connection.execute(TOUCH, token_id, timeout=timeout_s)


async def insert(
    connection: Connection,
    *,
    token_id: str,
    secret_hash: bytes,
    role: str,
    projects: list[str] | None,
    name: str,
    expires_at: datetime | None,
    created_by: str = "",
) -> TokenRow:
    """Store a new token."""
    row = await connection.fetchrow(INSERT, token_id, secret_hash, role, projects, name, expires_at, created_by)
    if row is None:
        raise RuntimeError("an INSERT … RETURNING returned no row")
    return TokenRow(**dict(row.items()))


async def rows(connection: Connection, *, limit: int) -> list[TokenRow]:
    """Return the oldest tokens first."""
    return [TokenRow(**dict(row.items())) for row in await connection.fetch(LIST, limit)]


async def page(
    connection: Connection, *, before: tuple[datetime, str] | None, role: str, project: str, state: str, limit: int
) -> list[TokenRow]:
    """Return tokens older than `before`, the newest first; empty texts ask for all."""
    at, token_id = before or (None, "")
    found = await connection.fetch(PAGE, at, token_id, role, project, state, limit)
    return [TokenRow(**dict(row.items())) for row in found]


async def revoke(connection: Connection, token_id: str, *, by: str) -> TokenRow | None:
    """Revoke for good; None where there is no such token, or it was revoked before."""
    row = await connection.fetchrow(REVOKE, token_id, by)
    return None if row is None else TokenRow(**dict(row.items()))


async def is_other_admin(connection: Connection, token_id: str) -> bool:
    """Say whether another token of an admin of all projects works, which stays until the transaction ends."""
    return await connection.fetchval(OTHER_ADMINS, token_id) is not None


async def is_empty(connection: Connection) -> bool:
    """Say whether there never was a token."""
    answer: bool = await connection.fetchval(IS_EMPTY)
    return answer


async def lock(connection: Connection, key: int) -> None:
    """Wait for a turn that lasts until the transaction ends."""
    await connection.execute(LOCK, key)


async def revoked_lately(connection: Connection, *, within_s: float, timeout_s: float) -> tuple[list[str], list[str]]:
    """Return the ids of tokens, and those of sign-ins, that were ended within so many seconds."""
    found = await connection.fetch(REVOKED_LATELY, within_s, REVOCATIONS_MAX, timeout=timeout_s)
    return [row["id"] for row in found if not row["is_sign_in"]], [row["id"] for row in found if row["is_sign_in"]]
