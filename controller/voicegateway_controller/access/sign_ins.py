"""Sign-ins: begun with a token or by a person, verified from their cookie, ended at once when they must be."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import sign_in_store as store
from voicegateway_controller.access.errors import UnknownToken
from voicegateway_controller.access.people import Person
from voicegateway_controller.access.remembered import Remembered
from voicegateway_controller.access.rules import (
    READERS,
    Access,
    Role,
    hash_secret,
    is_same_secret,
    new_sign_in,
    parse_sign_in,
)
from voicegateway_controller.access.service import FIND_TIMEOUT_S, TOUCH_EVERY, Tokens
from voicegateway_controller.access.sign_in_store import SignInRow
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import DatabaseUnavailable, Forbidden, NotFound, Unauthenticated
from voicegateway_controller.logs import get_logger

SIGN_INS_MAX: Final = 50
"""In force at the same time for one token or person; the oldest are ended."""
OLD_PER_SIGN_IN: Final = 100
"""Rows of long ago that each new sign-in clears away: more than come, so that none pile up."""
_NO_HASH: Final = b"\x00" * 32

_log = get_logger(__name__)


class SignIns:
    """Begins, verifies and ends sign-ins for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(
        self,
        engine: AsyncEngine,
        tokens: Tokens,
        *,
        idle: timedelta,
        longest: timedelta,
        issuer: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how long one lasts, unused and at most, and the provider whose people's are good."""
        self._engine = engine
        self._tokens = tokens
        self._idle = idle
        self._longest = longest
        self._issuer = issuer
        self._remembered = Remembered(self._find, monotonic=monotonic)
        self.forget = self._remembered.forget
        """Ask Postgres again next time: the sign-in with this id was changed."""

    async def begin_with_token(self, access: Access) -> tuple[str, Access]:
        """Sign in with a token that was verified; return the cookie's text and what it allows. Forbidden to workers."""
        if access.role not in READERS:
            raise Forbidden(f"a token of the role {access.role.value} is for machines: it signs nobody in")
        return await self._begin(access, source=(access.token_id, None, None))

    async def begin_with_person(self, person: Person) -> tuple[str, Access]:
        """Sign in a person whom the provider named; return the cookie's text, and what it allows."""
        access = Access(
            token_id=person.actor, role=person.role, projects=person.projects, expires_at=None, name=person.name
        )
        return await self._begin(access, source=(None, person.issuer, person.subject))

    async def verify(self, text: str) -> Access:
        """Return what a cookie allows; Unauthenticated when it, or the token it was begun with, is no good any more."""
        parsed = parse_sign_in(text)
        if parsed is None:
            raise UnknownToken("the sign-in's cookie is not one of ours: sign in again")
        row = await self._remembered.get(parsed.id)
        if not is_same_secret(parsed.secret, _NO_HASH if row is None else row.secret_hash) or row is None:
            raise UnknownToken("the sign-in is unknown: sign in again")
        access = await self._granted(row)
        await self._touch(row)
        return access

    def knows(self, text: str) -> bool:
        """Say whether this very cookie was good lately, without asking anybody."""
        parsed = parse_sign_in(text)
        row = None if parsed is None else self._remembered.peek(parsed.id)
        return row is not None and parsed is not None and is_same_secret(parsed.secret, row.secret_hash)

    async def end(self, access: Access, sign_in_id: str) -> None:
        """End a sign-in; refused here from now on, at other replicas within a second.

        People end their own; admins of all projects anybody's. NotFound for one that is not there, or not theirs.
        """
        missing = NotFound(f"there is no sign-in {sign_in_id!r} that is in force")
        async with raw_connection(self._engine) as connection, connection.transaction():
            row = await store.end(connection, sign_in_id, by=access.actor)
            if row is None or not (row.actor == access.actor or _sees_all(access)):
                # The transaction is rolled back: nothing was ended.
                raise missing
            change = Change(
                actor=access.actor, action="sign_in.end", resource=f"sign-ins/{sign_in_id}", before=_written_down(row)
            )
            await record_change(connection, change)
        self._remembered.forget(sign_in_id)
        _log.info("sign_in.ended", sign_in_id=sign_in_id, by=access.actor)

    async def page(
        self, access: Access, *, before: tuple[datetime, str] | None, actor: str, limit: int
    ) -> list[SignInRow]:
        """Return sign-ins in force, the newest first: one's own, or, for admins of all projects, everybody's."""
        wanted = actor if _sees_all(access) else access.actor
        if actor and wanted != actor:
            return []
        async with raw_connection(self._engine) as connection:
            return await store.page(connection, before=before, actor=wanted, idle=self._idle, limit=limit)

    async def _begin(self, access: Access, *, source: tuple[str | None, str | None, str | None]) -> tuple[str, Access]:
        text, parts = new_sign_in()
        expires_at = datetime.now(UTC) + self._longest
        if access.expires_at is not None:
            expires_at = min(expires_at, access.expires_at)
        projects = None if access.projects is None else sorted(access.projects)
        async with raw_connection(self._engine) as connection, connection.transaction():
            row = await store.insert(
                connection,
                sign_in_id=parts.id,
                secret_hash=hash_secret(parts.secret),
                source=source,
                person=(access.actor, access.name),
                granted=(access.role.value, projects),
                expires_at=expires_at,
            )
            ended = await store.end_oldest(connection, access.actor, keep=SIGN_INS_MAX)
            await store.delete_old(connection, limit=OLD_PER_SIGN_IN)
            change = Change(
                actor=access.actor,
                action="sign_in.begin",
                resource=f"sign-ins/{parts.id}",
                after={**_written_down(row), "ended": ended},
            )
            await record_change(connection, change)
        for sign_in_id in ended:
            self._remembered.forget(sign_in_id)
        _log.info("sign_in.begun", sign_in_id=parts.id, by=access.actor)
        return text, replace(access, expires_at=expires_at, sign_in_id=parts.id)

    async def _granted(self, row: SignInRow) -> Access:
        now = datetime.now(UTC)
        if row.ended_at is not None:
            raise Unauthenticated("the sign-in was ended: sign in again")
        if row.expires_at <= now or row.last_seen_at + self._idle <= now:
            raise Unauthenticated("the sign-in has expired: sign in again")
        if row.token_id is not None:
            # What the token allows now, not what it did when it signed in.
            access = await self._tokens.granted_by(row.token_id)
            return replace(access, expires_at=row.expires_at, sign_in_id=row.id)
        if row.issuer != self._issuer:
            raise Unauthenticated("the provider of this sign-in is not configured any more: sign in again")
        projects = None if row.projects is None else frozenset(row.projects)
        return Access(
            token_id=row.actor,
            role=Role(row.role),
            projects=projects,
            expires_at=row.expires_at,
            name=row.name,
            sign_in_id=row.id,
        )

    async def _find(self, sign_in_id: str) -> SignInRow | None:
        async with raw_connection(self._engine) as connection:
            return await store.find(connection, sign_in_id, timeout_s=FIND_TIMEOUT_S)

    async def _touch(self, row: SignInRow) -> None:
        now = datetime.now(UTC)
        if now - row.last_seen_at < TOUCH_EVERY:
            return
        self._remembered.amend(row.id, replace(row, last_seen_at=now))
        try:
            async with raw_connection(self._engine) as connection:
                await store.touch(connection, row.id, timeout_s=FIND_TIMEOUT_S)
        except DatabaseUnavailable as error:
            _log.warning("sign_in.use_not_noted", sign_in_id=row.id, error=str(error))


def _sees_all(access: Access) -> bool:
    return access.role is Role.ADMIN and access.projects is None


def _written_down(row: SignInRow) -> dict[str, object]:
    """What the audit log keeps of a sign-in."""
    return {
        "with": f"tokens/{row.token_id}" if row.token_id is not None else row.issuer,
        "subject": row.subject,
        "name": row.name,
        "role": row.role,
        "projects": row.projects,
        "expires_at": row.expires_at,
    }
