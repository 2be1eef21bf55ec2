"""The tokens' SQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicegateway_controller.db.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token as stored; the secret itself never is."""

    id: str
    secret_hash: bytes
    role: str
    projects: list[str] | None
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


_COLUMNS: Final = "id, secret_hash, role, projects, name, created_at, expires_at, revoked_at, last_used_at"

# Finding a token and noting its use is one statement; the note is taken at most once a minute.
FIND_AND_TOUCH: Final = f"""
WITH touched AS (
    UPDATE access_token SET last_used_at = now()
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
)
SELECT {_COLUMNS} FROM access_token WHERE id = $1
"""
INSERT: Final = """
INSERT INTO access_token (id, secret_hash, role, projects, name, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
LIST: Final = f"SELECT {_COLUMNS} FROM access_token ORDER BY created_at, id LIMIT $1"
REVOKE: Final = "UPDATE access_token SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id"


async def find(connection: Connection, token_id: str, *, timeout_s: float) -> TokenRow | None:
    """Return the token with this id, or None."""
    row = await connection.fetchrow(FIND_AND_TOUCH, token_id, timeout=timeout_s)
    return None if row is None else TokenRow(**dict(row.items()))


async def insert(
    connection: Connection,
    *,
    token_id: str,
    secret_hash: bytes,
    role: str,
    projects: list[str] | None,
    name: str,
    expires_at: datetime | None,
) -> None:
    """Store a new token."""
    await connection.execute(INSERT, token_id, secret_hash, role, projects, name, expires_at)


async def rows(connection: Connection, *, limit: int) -> list[TokenRow]:
    """Return the oldest tokens first."""
    return [TokenRow(**dict(row.items())) for row in await connection.fetch(LIST, limit)]


async def revoke(connection: Connection, token_id: str) -> bool:
    """Revoke for good; say whether there was such a token."""
    return await connection.fetchval(REVOKE, token_id) is not None
