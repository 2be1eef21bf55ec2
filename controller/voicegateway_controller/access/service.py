"""Verify tokens, quickly and from memory where that is safe; create and revoke them."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import store
from voicegateway_controller.access.rules import Access, Role, hash_secret, is_same_secret, new_token, parse_token
from voicegateway_controller.access.store import TokenRow
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import DatabaseUnavailable, Unauthenticated

FRESH_S: Final = 10.0
"""A revoked token works for at most this long on a replica that has just seen it."""
STALE_S: Final = 300.0
"""While Postgres is down nobody can revoke: a token seen this recently goes on working."""
CACHE_MAX: Final = 10_000
"""Entries, good and unknown ids together; the least recently used goes first."""
FIND_TIMEOUT_S: Final = 5.0
LIST_MAX: Final = 1_000


class Tokens:
    """Verifies tokens for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._cache: OrderedDict[str, tuple[float, TokenRow | None]] = OrderedDict()

    async def verify(self, text: str) -> Access:
        """Return what the token allows, or raise Unauthenticated without saying which part was wrong."""
        parsed = parse_token(text)
        if parsed is None:
            raise Unauthenticated("the token is not one of ours: send `Authorization: Bearer vgw_<id>_<secret>`")
        row = await self._row(parsed.id)
        if row is None or not is_same_secret(parsed.secret, row.secret_hash):
            raise Unauthenticated("the token is unknown: create one with `voicegw tokens create`")
        if row.revoked_at is not None:
            raise Unauthenticated("the token was revoked: create another with `voicegw tokens create`")
        if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
            raise Unauthenticated("the token has expired: create another with `voicegw tokens create`")
        projects = None if row.projects is None else frozenset(row.projects)
        return Access(token_id=row.id, role=Role(row.role), projects=projects, expires_at=row.expires_at)

    async def _row(self, token_id: str) -> TokenRow | None:
        now = self._monotonic()
        cached = self._cache.get(token_id)
        if cached is not None and now - cached[0] < FRESH_S:
            return cached[1]
        try:
            async with raw_connection(self._engine) as connection:
                row = await store.find(connection, token_id, timeout_s=FIND_TIMEOUT_S)
        except DatabaseUnavailable:
            if cached is not None and cached[1] is not None and now - cached[0] < STALE_S:
                return cached[1]
            raise
        self._cache[token_id] = (now, row)
        self._cache.move_to_end(token_id)
        while len(self._cache) > CACHE_MAX:
            self._cache.popitem(last=False)
        return row


async def create_token(
    engine: AsyncEngine,
    *,
    role: Role,
    name: str,
    projects: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Create a token and return its text: the only time anybody sees it. `projects=None` reaches all of them."""
    text, _ = new_token()
    await register_token(engine, text, role=role, name=name, projects=projects, expires_at=expires_at)
    return text


async def register_token(
    engine: AsyncEngine,
    text: str,
    *,
    role: Role,
    name: str,
    projects: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Store a token that `rules.new_token` made before there was a database; only its hash is kept."""
    parts = parse_token(text)
    if parts is None:
        raise ValueError("not a token of ours")
    async with raw_connection(engine) as connection:
        await store.insert(
            connection,
            token_id=parts.id,
            secret_hash=hash_secret(parts.secret),
            role=role.value,
            projects=None if projects is None else list(projects),
            name=name,
            expires_at=expires_at,
        )


async def list_tokens(engine: AsyncEngine) -> list[TokenRow]:
    """Return the tokens, the oldest first, at most LIST_MAX of them."""
    async with raw_connection(engine) as connection:
        return await store.rows(connection, limit=LIST_MAX)


async def revoke_token(engine: AsyncEngine, token_id: str) -> bool:
    """Revoke a token by its id (not its text); say whether there was one. Takes effect within FRESH_S."""
    async with raw_connection(engine) as connection:
        return await store.revoke(connection, token_id)
