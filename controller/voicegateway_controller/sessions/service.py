"""End live sessions: one, a project's, or those that cost too much; never one that the caller may not touch."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import BadRequest, Forbidden, NotFound
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.logs import get_logger
from voicegateway_controller.sessions import schemas
from voicegateway_controller.sessions.directives import Directives
from voicegateway_controller.sessions.ending import Ending
from voicegateway_shared.money import NotAnAmount, format_usd, parse_usd
from voicegateway_shared.wire import SessionPresence

SESSIONS_MAX: Final = 2_000
"""Sessions that one order ends: some seconds of telling. Who means more orders again."""
TOGETHER: Final = 50
"""Told to Redis at once: as many as this process has connections."""
ENDINGS_SHOWN_MAX: Final = 1_000
TIMEOUT_S: Final = 15.0

_log = get_logger(__name__)


class SessionEnding:
    """Ends sessions for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine, presence: Presence, directives: Directives) -> None:
        self._engine = engine
        self._presence = presence
        self._directives = directives

    async def end_one(self, access: Access, session_id: str, asked: schemas.EndOne) -> schemas.Told:
        """Tell one live session to end. Raises NotFound, RedisUnavailable, DatabaseUnavailable, Overloaded."""
        live = [each for each in await self._live(access, project=None) if each.session_id == session_id]
        if not live:
            raise NotFound(f"no session {session_id!r} is live: `voicegw sessions list` shows those that are")
        return await self._end(access, live, asked, over=None)

    async def end_many(self, access: Access, asked: schemas.EndMany) -> schemas.Told:
        """Tell every live session that matches to end. Raises BadRequest, Forbidden and what `end_one` does."""
        if asked.project is None and asked.over is None:
            raise BadRequest("which sessions: give `project`, `over` (USD) or both")
        if asked.project is not None and not access.allows(asked.project):
            raise Forbidden(f"the token does not reach project {asked.project!r}")
        over = None if asked.over is None else _amount(asked.over)
        return await self._end(access, await self._live(access, project=asked.project), asked, over=over)

    async def endings(self, access: Access) -> schemas.Endings:
        """Return what became of the sessions that were told to end within the last hour. Raises RedisUnavailable."""
        found = [each for each in await self._directives.endings() if access.allows(each.project)]
        return schemas.Endings(endings=[_shown(each) for each in found[:ENDINGS_SHOWN_MAX]])

    async def _live(self, access: Access, *, project: str | None) -> list[SessionPresence]:
        running = {
            (session.session_id, session.project): session
            for holder in await self._presence.holders()
            for session in holder.sessions or ()
            if access.allows(session.project) and project in (None, session.project)
        }
        return list(running.values())

    async def _end(
        self, access: Access, live: list[SessionPresence], asked: schemas.EndOne, *, over: Decimal | None
    ) -> schemas.Told:
        matching = await self._with_amounts(live, over=over)
        taken = matching[:SESSIONS_MAX]
        if not asked.dry_run:
            _log.info(
                "sessions.end_ordered", by=access.token_id, sessions=len(taken), reason=asked.reason,
                over=None if over is None else str(over),
            )  # fmt: skip
            await self._record(access, taken, asked, over=over)
            for start in range(0, len(taken), TOGETHER):
                told = await asyncio.gather(
                    *(
                        self._directives.end(
                            each.session_id, asked.sentence, asked.reason, access.token_id, each.project
                        )
                        for each in taken[start : start + TOGETHER]
                    )
                )
                for each, directive in zip(taken[start : start + TOGETHER], told, strict=True):
                    each.directive = directive.id
        return schemas.Told(is_dry_run=asked.dry_run, sessions=taken, left_out=len(matching) - len(taken))

    async def _record(
        self, access: Access, taken: list[schemas.SessionToEnd], asked: schemas.EndOne, *, over: Decimal | None
    ) -> None:
        """Before anybody is told: an order that reached some of them must not be missing from the log."""
        if not taken:
            return
        projects = {each.project for each in taken}
        change = Change(
            actor=access.actor,
            action="sessions.end",
            resource=f"sessions/{taken[0].session_id}" if len(taken) == 1 else "sessions",
            project=projects.pop() if len(projects) == 1 else "",
            reason=asked.reason,
            after={
                "sessions": [each.session_id for each in taken],
                "sentence": asked.sentence,
                "over_usd": None if over is None else str(over),
            },
        )
        async with raw_connection(self._engine) as connection, connection.transaction():
            await record_change(connection, change)

    async def _with_amounts(self, live: list[SessionPresence], *, over: Decimal | None) -> list[schemas.SessionToEnd]:
        ids, projects = [each.session_id for each in live], [each.project for each in live]
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(load_sql(__package__, "amounts"), ids, projects, over, timeout=TIMEOUT_S)
        by_id = {(each.session_id, each.project): each for each in live}
        return [
            schemas.SessionToEnd(
                session_id=row["session_id"],
                project=row["project"],
                agent=by_id[row["session_id"], row["project"]].agent,
                room=by_id[row["session_id"], row["project"]].room,
                started_at=by_id[row["session_id"], row["project"]].started_at,
                amount_usd=row["amount_usd"],
                directive="",
            )
            for row in rows
        ]


def _amount(text: str) -> Decimal:
    try:
        amount = parse_usd(text)
    except NotAnAmount as error:
        raise BadRequest(f"over: {error}") from error
    if amount < 0:
        raise BadRequest(f"over: {text!r} is below zero")
    return Decimal(format_usd(amount))


def _shown(ending: Ending) -> schemas.EndingRow:
    return schemas.EndingRow(
        directive=ending.id,
        session_id=ending.session_id,
        project=ending.project,
        state=ending.state,
        outcome=ending.outcome,
        sentence=ending.sentence,
        reason=ending.reason,
        by=ending.by,
        told_at=datetime.fromtimestamp(ending.told_ms / 1000, UTC),
        obeyed_at=datetime.fromtimestamp(ending.done_ms / 1000, UTC) if ending.done_ms else None,
        attempts=ending.attempts,
        last_error=ending.last_error,
    )
