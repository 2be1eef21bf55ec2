"""Verify tokens, quickly and from memory where that is safe; create and revoke them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import store
from voicegateway_controller.access.errors import UnknownToken
from voicegateway_controller.access.remembered import Remembered
from voicegateway_controller.access.rules import Access, Role, hash_secret, is_same_secret, new_token, parse_token
from voicegateway_controller.access.store import TokenRow
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import BadRequest, Conflict, DatabaseUnavailable, NotFound, Unauthenticated
from voicegateway_controller.logs import get_logger

FIND_TIMEOUT_S: Final = 5.0
LIST_MAX: Final = 1_000
LIFE_MAX: Final = timedelta(days=100 * 365)
"""A token that is to live longer has no end."""
TOUCH_EVERY: Final = timedelta(minutes=1)
_NO_HASH: Final = b"\x00" * 32
"""Compared with where there is no such token, so that both take the same time."""

_log = get_logger(__name__)


class Tokens:
    """Verifies tokens for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._remembered = Remembered(self._find, monotonic=monotonic)
        self.forget = self._remembered.forget
        """Ask Postgres again next time: the token with this id was changed."""

    async def verify(self, text: str) -> Access:
        """Return what the token allows, or raise Unauthenticated without saying which part was wrong."""
        parsed = parse_token(text)
        if parsed is None:
            raise UnknownToken("the token is not one of ours: send `Authorization: Bearer vgw_<id>_<secret>`")
        row = await self._remembered.get(parsed.id)
        if not is_same_secret(parsed.secret, _NO_HASH if row is None else row.secret_hash) or row is None:
            raise UnknownToken("the token is unknown: create one with `voicegw tokens create`")
        access = granted(row, now=datetime.now(UTC))
        await self._touch(row)
        return access

    async def granted_by(self, token_id: str) -> Access:
        """Return what a token allows whose bearer was known before, as a session's; Unauthenticated as `verify`."""
        row = await self._remembered.get(token_id)
        if row is None:
            raise Unauthenticated("the token is not there any more")
        access = granted(row, now=datetime.now(UTC))
        await self._touch(row)
        return access

    def knows(self, text: str) -> bool:
        """Say whether this very token was good lately, without asking anybody."""
        parsed = parse_token(text)
        row = None if parsed is None else self._remembered.peek(parsed.id)
        return row is not None and parsed is not None and is_same_secret(parsed.secret, row.secret_hash)

    async def _find(self, token_id: str) -> TokenRow | None:
        async with raw_connection(self._engine) as connection:
            return await store.find(connection, token_id, timeout_s=FIND_TIMEOUT_S)

    async def _touch(self, row: TokenRow) -> None:
        """Only for who knew the secret: a guess is no use. Once a minute; a use that cannot be noted is still one."""
        now = datetime.now(UTC)
        if row.last_used_at is not None and now - row.last_used_at < TOUCH_EVERY:
            return
        # Before the await: of many requests at once, one takes the note.
        self._remembered.amend(row.id, replace(row, last_used_at=now))
        try:
            async with raw_connection(self._engine) as connection:
                await store.touch(connection, row.id, timeout_s=FIND_TIMEOUT_S)
        except DatabaseUnavailable as error:
            _log.warning("token.use_not_noted", token_id=row.id, error=str(error))


def granted(row: TokenRow, *, now: datetime) -> Access:
    """Return what a token allows whose secret was shown. Raises Unauthenticated when it was revoked or has expired."""
    if row.revoked_at is not None:
        raise Unauthenticated("the token was revoked: create another with `voicegw tokens create`")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated("the token has expired: create another with `voicegw tokens create`")
    projects = None if row.projects is None else frozenset(row.projects)
    return Access(token_id=row.id, role=Role(row.role), projects=projects, expires_at=row.expires_at, name=row.name)


async def create_token(
    engine: AsyncEngine,
    *,
    role: Role,
    name: str,
    projects: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    by: str | None = None,
) -> str:
    """Create a token and return its text: the only time anybody sees it. `projects=None` reaches all of them.

    `by` is who is written down in the audit log; None only for what a program makes for itself.
    """
    text, _ = new_token()
    await register_token(engine, text, role=role, name=name, projects=projects, expires_at=expires_at, by=by)
    return text


async def register_token(
    engine: AsyncEngine,
    text: str,
    *,
    role: Role,
    name: str,
    projects: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    by: str | None = None,
) -> TokenRow:
    """Store a token that `rules.new_token` made; only its hash is kept. `by` as in `create_token`."""
    async with raw_connection(engine) as connection, connection.transaction():
        return await insert_token(
            connection, text, role=role, name=name, projects=projects, expires_at=expires_at, by=by
        )


async def insert_token(
    connection: Connection,
    text: str,
    *,
    role: Role,
    name: str,
    projects: Sequence[str] | None,
    expires_at: datetime | None,
    by: str | None,
) -> TokenRow:
    """Do what `register_token` does, in the caller's transaction."""
    parts = parse_token(text)
    if parts is None:
        raise ValueError("not a token of ours")
    row = await store.insert(
        connection,
        token_id=parts.id,
        secret_hash=hash_secret(parts.secret),
        role=role.value,
        projects=None if projects is None else sorted(set(projects)),
        name=name,
        expires_at=expires_at,
        created_by=by or "",
    )
    if by is not None:
        await record_change(
            connection, Change(actor=by, action="token.create", resource=f"tokens/{row.id}", after=_written_down(row))
        )
    return row


async def list_tokens(engine: AsyncEngine) -> list[TokenRow]:
    """Return the tokens, the oldest first, at most LIST_MAX of them."""
    async with raw_connection(engine) as connection:
        return await store.rows(connection, limit=LIST_MAX)


async def revoke_token(
    engine: AsyncEngine, token_id: str, *, by: str = "database", reason: str = "", even_last: bool = True
) -> TokenRow | None:
    """Revoke a token by its id (not its text); return it, None where there is none. Heard of everywhere in a second.

    Raises Conflict for the last admin's token, unless `even_last`: nobody could make another through the API.
    """
    async with raw_connection(engine) as connection, connection.transaction():
        before = await store.find_locked(connection, token_id)
        if before is None or before.revoked_at is not None:
            return before
        is_admin = before.role == Role.ADMIN and before.projects is None
        if is_admin and not even_last and not await store.is_other_admin(connection, token_id):
            raise Conflict(
                f"{token_id} is the last token of an admin of all projects: create another first, "
                "or say force=true (`--force`) and make one with `voicegw tokens create --database`"
            )
        after = await store.revoke(connection, token_id, by=by)
        if after is not None:
            change = Change(
                actor=by,
                action="token.revoke",
                resource=f"tokens/{token_id}",
                before=_written_down(before),
                after=_written_down(after),
                reason=reason,
            )
            await record_change(connection, change)
        return after


class TokenDesk:
    """Gives out and takes back tokens, for those who may; lives as long as its process."""

    def __init__(self, engine: AsyncEngine, tokens: Tokens) -> None:
        self._engine = engine
        self._tokens = tokens

    async def create(
        self, access: Access, *, role: Role, name: str, projects: Sequence[str] | None, expires_at: datetime | None
    ) -> tuple[str, TokenRow]:
        """Return a new token's text, the only time anybody sees it, and what is stored of it."""
        if projects is not None and not projects:
            raise BadRequest("projects: an empty list reaches nothing; leave it out for all projects")
        now = datetime.now(UTC)
        if expires_at is not None and not now < expires_at <= now + LIFE_MAX:
            raise BadRequest(
                f"expires_at: must be between now and {LIFE_MAX.days // 365} years from now; or leave it out"
            )
        text, _ = new_token()
        row = await register_token(
            self._engine, text, role=role, name=name, projects=projects, expires_at=expires_at, by=access.actor
        )
        _log.info("token.created", token_id=row.id, role=row.role, by=access.actor)
        return text, row

    async def page(
        self, *, before: tuple[datetime, str] | None, role: str, project: str, state: str, limit: int
    ) -> list[TokenRow]:
        """Return tokens, the newest first."""
        async with raw_connection(self._engine) as connection:
            return await store.page(connection, before=before, role=role, project=project, state=state, limit=limit)

    async def find(self, token_id: str) -> TokenRow:
        """Return one token; NotFound where there is none."""
        async with raw_connection(self._engine) as connection:
            row = await store.find(connection, token_id, timeout_s=FIND_TIMEOUT_S)
        if row is None:
            raise NotFound(f"there is no token {token_id!r}; it is named by the id between its underscores")
        return row

    async def revoke(self, access: Access, token_id: str, *, reason: str, is_forced: bool) -> TokenRow:
        """Revoke a token: refused here from now on, at other replicas within a second. NotFound where there is none."""
        row = await revoke_token(self._engine, token_id, by=access.actor, reason=reason, even_last=is_forced)
        if row is None:
            raise NotFound(f"there is no token {token_id!r}; it is named by the id between its underscores")
        self._tokens.forget(token_id)
        _log.info("token.revoked", token_id=token_id, by=access.actor)
        return row


def _written_down(row: TokenRow) -> dict[str, Any]:
    """What the audit log keeps of a token."""
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "projects": row.projects,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
