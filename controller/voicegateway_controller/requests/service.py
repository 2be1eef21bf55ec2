"""Find requests for a caller: page by page by filters, or one by its id; only in projects that the token reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import BadRequest, NotFound
from voicegateway_controller.requests import schemas

WINDOW_DEFAULT: Final = timedelta(hours=24)
WINDOW_MAX: Final = timedelta(days=93)
"""What one page may look through: filters that hardly anything matches read all of it."""
SLACK: Final = timedelta(minutes=10)
"""Spans that workers' clocks put a little outside their session, and those that are not rated yet."""
TIMEOUT_S: Final = 15.0
ID_DAYS: Final = 8
"""A request ends within a week of its start, which its id tells; else nearly all days are looked through."""
DAYS_BACK: Final = 800
"""How far: one look into an index for each day."""
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199
_UUID7: Final = 7
_DAY: Final = timedelta(days=1)
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

Key = tuple[date, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests are asked for; what is empty may be anything."""

    project: str | None = None
    provider: str = ""
    model: str = ""
    modality: str = ""
    session: str = ""
    outcome: str = ""
    agent: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows of a page and the one after it; and the span of time that was looked through."""

    rows: list[asyncpg.Record]
    since: datetime
    until: datetime


class Requests:
    """Finds requests, for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, access: Access, wanted: Wanted, *, after: Key | None, limit: int, now: datetime) -> Found:
        """Return up to `limit` requests behind a key, the newest first. Raises BadRequest, Forbidden."""
        projects = reachable(access, wanted.project)
        async with raw_connection(self._engine) as connection:
            since, until = await self._window(connection, wanted, projects, now)
            rows = await connection.fetch(
                load_sql(__package__ or "", "page"), since, until, *(after or (None, None)), projects,
                wanted.provider, wanted.model, wanted.modality, wanted.session, wanted.outcome, wanted.agent, limit,
                timeout=TIMEOUT_S,
            )  # fmt: skip
        return Found(rows=rows, since=since, until=until)

    async def one(self, access: Access, request_id: UUID, *, now: datetime) -> schemas.RequestDetail:
        """Return one request with its span and its entries. Raises NotFound: unknown, or out of the caller's reach."""
        projects = reachable(access, None)
        async with raw_connection(self._engine) as connection:
            span = None
            for days in _days_of(request_id, today=now.date()):
                span = await connection.fetchrow(
                    load_sql(__package__ or "", "one"), days, request_id, projects, timeout=TIMEOUT_S
                )
                if span is not None:
                    break
            if span is None:
                raise NotFound(f"there is no request {request_id}: `voicegw requests` lists the last ones")
            entries = await connection.fetch(
                load_sql(__package__ or "", "entries"), span["day"], request_id, timeout=TIMEOUT_S
            )
        return _detail(span, entries)

    async def _window(
        self, connection: Connection, wanted: Wanted, projects: list[str] | None, now: datetime
    ) -> tuple[datetime, datetime]:
        """Return the span of time to look through: as asked, or a session's own, or the last day."""
        since, until = wanted.since, wanted.until
        if wanted.session and since is None and until is None:
            row = await connection.fetchrow(
                load_sql(__package__ or "", "session_span"), wanted.session, projects, timeout=TIMEOUT_S
            )
            if row is not None and row["since"] is not None:
                return max(row["since"] - SLACK, row["until"] - WINDOW_MAX), row["until"] + SLACK
        for name, instant in (("since", since), ("until", until)):
            if instant is not None and not FIRST_YEAR <= instant.year <= LAST_YEAR:
                raise BadRequest(f"{name}: {instant.isoformat()} is no time that requests can be of")
        since = since or (until or now) - WINDOW_DEFAULT
        # Clocks of workers may be ahead.
        until = until or max(now, since) + _DAY
        if since >= until:
            raise BadRequest("since: must be before until")
        if until - since > WINDOW_MAX + _DAY:
            raise BadRequest(
                f"since: at most {WINDOW_MAX.days} days are looked through at once; ask for each by itself"
            )
        return since, until


def row_of(record: asyncpg.Record) -> schemas.RequestRow:
    """Return one request as a list shows it."""
    return schemas.RequestRow(**_common(record, record["amount_usd"], record["unrated"], record["corrected"]))


def key_of(record: asyncpg.Record) -> Key:
    """Return where a request stands in the list."""
    return record["day"], record["request_id"]


def _common(record: asyncpg.Record, amount: str | None, unrated: Any, corrected: Any) -> dict[str, Any]:
    names = (
        "project", "session_id", "agent", "modality", "provider", "model", "outcome", "started_at", "ended_at",
        "duration_ms", "ttfb_ms", "attempts", "error_type", "status_code",
    )  # fmt: skip
    return {
        "request_id": str(record["request_id"]),
        **{name: record[name] for name in names},
        "amount_usd": amount,
        "is_estimated": record["estimated"],
        "is_unrated": bool(unrated),
        "is_corrected": bool(corrected),
    }


def _detail(span: asyncpg.Record, entries: Sequence[asyncpg.Record]) -> schemas.RequestDetail:
    newest: dict[str, int] = {}
    for each in entries:
        if each["kind"] in ("usage", "rerate"):
            newest[each["meter"]] = max(newest.get(each["meter"], 0), each["revision"])
    amount = sum((each["amount"] for each in entries), start=0)
    unrated = any(
        each["unrated_reason"] is not None
        and each["kind"] in ("usage", "rerate")
        and each["revision"] == newest[each["meter"]]
        for each in entries
    )
    corrected = any(each["kind"] != "usage" for each in entries)
    shown = _common(span, _plain(amount) if entries else None, unrated, corrected)
    texts = (
        "trace_id", "span_id", "incarnation", "room", "job_id", "speech_id", "key_id", "response_model", "response_id",
        "language", "voice", "mode", "service_tier", "arrived_at",
    )  # fmt: skip
    return schemas.RequestDetail(
        **shown,
        span=schemas.SpanDetail(
            **{name: span[name] for name in texts},
            is_clock_suspect=span["clock_suspect"],
            usage=_decode(span["usage"]),
            reported=_decode(span["reported"] or "{}"),
            attributes=_decode(span["attributes"] or "{}"),
        ),
        entries=[
            schemas.EntryRow(**{name: value for name, value in each.items() if name != "amount"}) for each in entries
        ],
    )


def _plain(amount: Any) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _days_of(request_id: UUID, *, today: date) -> list[list[date]]:
    """Return days on which the request may have ended, the likely ones first."""
    likely: list[date] = []
    if request_id.version == _UUID7:
        # Its first 48 bits are milliseconds since 1970; made up ones may be of any year.
        started = datetime.fromtimestamp(min(request_id.int >> 80, 2**41) / 1000, UTC).date()
        likely = [started + _DAY * each for each in range(-1, ID_DAYS)]
    return [likely, [today + _DAY - _DAY * each for each in range(DAYS_BACK)]]
