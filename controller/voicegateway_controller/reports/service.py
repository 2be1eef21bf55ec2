"""Run a report for a caller: only the projects the token reaches, never more rows than a page may hold."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import OPERATORS, Access, reachable
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.fleet import Fleet
from voicegateway_controller.http.pages import Keyset
from voicegateway_controller.ledger import bucket_middle_ms
from voicegateway_controller.logs import get_logger
from voicegateway_controller.reports import schemas
from voicegateway_shared.wire import SyncRequest

ROWS_MAX: Final = 5_000
"""Rows of one report: a year of days, a month of hours per provider; beyond that people want an export."""
SESSIONS_LIVE_MAX: Final = 1_000
"""Live sessions listed; all of them are counted."""
MINUTES_MAX: Final = 60
"""Minutes are summed from entries, so only recent ones."""
TIMEOUT_S: Final = 15.0
"""A report that takes longer is refused rather than left running beside the ledger."""
_SESSIONS: Final = Keyset("sessions", datetime, str, str)
_HOUR: Final = timedelta(hours=1)
_decode_usage: Final = msgspec.json.Decoder(dict[str, int]).decode
_log = get_logger(__name__)


class Reports:
    """The read models for one process; lives as long as it."""

    def __init__(self, engine: AsyncEngine, fleet: Fleet) -> None:
        self._engine = engine
        self._fleet = fleet

    async def costs(
        self,
        access: Access,
        *,
        by: schemas.CostsBy,
        since: datetime | None,
        until: datetime | None,
        project: str | None,
        now: datetime,
    ) -> schemas.Costs:
        """Return what was spent in the full hours between two instants; by default today, UTC."""
        start = _floor_hour(since or now.replace(hour=0))
        end = _ceil_hour(until or now)
        projects = reachable(access, project)
        if by == "session":
            rows = await self._fetch("costs_by_session", start, end, projects, ROWS_MAX)
        else:
            rows = await self._fetch("costs", by, start, end, projects, ROWS_MAX)
        counted = await self._fetch("session_count", start, end, projects)
        names = ("amount_usd", "requests", "estimated_requests", "unrated_requests")
        total = {name: rows[0][f"total_{name}"] for name in names} if rows else {"amount_usd": "0"}
        return schemas.Costs(
            as_of=now,
            since=start,
            until=end,
            by=by,
            total=schemas.Total(**{**dict.fromkeys(names[1:], 0), **total}, sessions=counted[0]["sessions"]),
            rows=[
                schemas.CostsRow(
                    key=row["key"], usage=_decode_usage(row["usage"]), **{name: row[name] for name in names}
                )
                for row in rows
            ],
        )

    async def spend(
        self,
        access: Access,
        *,
        by: schemas.SpendBy,
        bucket: schemas.Bucket,
        since: datetime | None,
        until: datetime | None,
        project: str | None,
        now: datetime,
    ) -> schemas.Spend:
        """Return spend over time: hours from the rollup, minutes (the last MINUTES_MAX of them) from entries."""
        projects = reachable(access, project)
        if bucket == "hour":
            start, end = _floor_hour(since or now - timedelta(hours=24)), _ceil_hour(until or now)
            rows = await self._fetch("spend_by_hour", by, start, end, projects, ROWS_MAX)
        else:
            earliest = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES_MAX - 1)
            start = max(since or earliest, earliest)
            rows = await self._fetch("spend_by_minute", by, start, until or now, projects, ROWS_MAX)
        return schemas.Spend(bucket=bucket, by=by, points=[schemas.SpendPoint(**dict(row)) for row in rows])

    async def latency(
        self, access: Access, *, since: datetime | None, project: str | None, now: datetime
    ) -> schemas.Latency:
        """Return percentiles of time to first byte by model; by default of the last 24 hours."""
        start = _floor_hour(since or now - timedelta(hours=24))
        rows = await self._fetch("latency", start, reachable(access, project), ROWS_MAX)
        return schemas.Latency(
            rows=[
                schemas.LatencyRow(
                    provider=row["provider"],
                    model=row["model"],
                    modality=row["modality"],
                    requests=row["requests"],
                    ttfb_p50_ms=bucket_middle_ms(row["p50_bucket"]),
                    ttfb_p95_ms=bucket_middle_ms(row["p95_bucket"]),
                )
                for row in rows
            ]
        )

    async def sessions(
        self, access: Access, *, cursor: str | None, limit: int, project: str | None
    ) -> schemas.Sessions:
        """Return the calls that started last. While Redis is away none of them is known to be live."""
        filters = {"project": project}
        key = _SESSIONS.read(cursor, filters=filters) or (None, None, None)
        rows = await self._fetch("sessions", reachable(access, project), limit + 1, *key)
        page = _SESSIONS.cut(
            rows,
            limit=limit,
            key=lambda row: (row["started_at"], row["session_id"], row["project"]),
            filters=filters,
        )
        try:
            live = set(await self._fleet.live_sessions(allows=access.allows))
        except RedisUnavailable as error:
            _log.warning("sessions.liveness_unknown", error=str(error))
            live = set()
        return schemas.Sessions(
            rows=[
                schemas.SessionRow(live=(row["session_id"], row["project"]) in live, **dict(row)) for row in page.rows
            ],
            next=page.next,
        )

    async def live(self, access: Access) -> schemas.Live:
        """Return what is running now. Raises RedisUnavailable: nobody can know without it."""
        holders = await self._fleet.holders()
        running = {
            (session.session_id, session.project): session
            for holder in holders
            for session in holder.sessions or ()
            if access.allows(session.project)
        }
        shown = sorted(running.values(), key=lambda session: session.started_at, reverse=True)[:SESSIONS_LIVE_MAX]
        rows = await self._fetch(
            "session_amounts", [each.session_id for each in shown], [each.project for each in shown]
        )
        amounts = {(row["session_id"], row["project"]): row["amount_usd"] for row in rows}
        return schemas.Live(
            calls=len(running),
            workers=sum(access.projects is None or _carries(each, access) for each in holders),
            sessions=[
                schemas.LiveSession(
                    session_id=each.session_id,
                    project=each.project,
                    agent=each.agent,
                    room=each.room,
                    started_at=each.started_at,
                    amount_usd=amounts.get((each.session_id, each.project), "0"),
                )
                for each in shown
            ],
            may_end=access.role in OPERATORS,
        )

    async def ledger_status(self) -> schemas.LedgerStatus:
        """Return how far the ledger is behind the inbox."""
        rows = await self._fetch("ledger_status")
        return schemas.LedgerStatus(**dict(rows[0]))

    async def _fetch(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        async with raw_connection(self._engine) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                load_sql(__package__, name), *arguments, timeout=TIMEOUT_S
            )
        return rows


def _carries(holder: SyncRequest, access: Access) -> bool:
    """Say whether a process carries a call that somebody reaches: how many there are beside them is not theirs."""
    return any(access.allows(session.project) for session in holder.sessions or ())


def _floor_hour(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _ceil_hour(instant: datetime) -> datetime:
    floor = _floor_hour(instant)
    return floor if floor == instant else floor + _HOUR
