"""Re-rating's SQL: runs, their cursor, the requests before and after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.ledger.rerating.rules import Booked, Corrections, booked_requests
from voicegateway_controller.ledger.rerating.selection import Selection
from voicegateway_controller.ledger.rules import SpanFacts

NUMBER_LOCK: Final = 0x5647_5245_4E55
"""Advisory lock: runs get their numbers one after the other. The letters say VGRENU."""
WORK_LOCK: Final = 0x5647_5245_5241
"""Advisory lock: one process re-rates at a time. The letters say VGRERA."""
LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
NEXT_RUN: Final = "SELECT * FROM rerating WHERE state = 'running' ORDER BY number LIMIT 1"
LOCK_NEXT_RUN: Final = f"{NEXT_RUN} FOR UPDATE"
GET: Final = "SELECT * FROM rerating WHERE number = $1"
LIST: Final = "SELECT * FROM rerating ORDER BY number DESC LIMIT $1"
CANCEL: Final = """
UPDATE rerating SET state = 'cancelled', finished_at = clock_timestamp() WHERE number = $1 AND state = 'running'
RETURNING *
"""
# Once for each time that a catalogue comes: one that was seen before, and others after it, has come back.
SEE_CATALOG: Final = """
INSERT INTO rerating_catalog AS c (version) VALUES ($1)
ON CONFLICT (version) DO UPDATE SET seen_at = clock_timestamp()
WHERE c.seen_at < (SELECT max(seen_at) FROM rerating_catalog)
RETURNING version
"""
NOW: Final = "SELECT clock_timestamp()"
BACKLOG: Final = "SELECT EXISTS (SELECT FROM usage_pending OFFSET $1)"

STRAY_DAYS_MAX: Final = 1_000
"""Days of absurd clocks; of more the first ones are re-rated, and the others with a run without bounds."""
READ_TIMEOUT_S: Final = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as stored; see the table `rerating`."""

    number: int
    correction_id: UUID
    state: str
    is_dry_run: bool
    is_automatic: bool
    provider: str
    model: str
    project: str
    since: datetime | None
    until: datetime
    only_unrated: bool
    allow_unrated: bool
    as_of: datetime
    reason: str
    actor: str
    stretches: list[date]
    cursor_day: date
    cursor_request: UUID
    catalog_version: str
    expected: int
    seen: int
    changed: int
    entries: int
    without_span: int
    kept: int
    failed: int
    still_unrated: int
    before_usd: Decimal
    after_usd: Decimal
    created_at: datetime
    worked_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """What a run changed of one (day, provider, model, meter)."""

    day: date
    provider: str
    model: str
    meter: str
    requests: int
    before_usd: Decimal
    after_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedMonth:
    """What a run changed of a month whose invoice was accepted."""

    provider: str
    month: date
    reconciliation: int
    """The accepted one."""
    difference_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrated:
    """A model that has requests without a price."""

    provider: str
    model: str
    modality: str
    project: str
    since: datetime
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Some requests of a run, and where it stands after them."""

    days: list[date]
    request_ids: list[UUID]
    day: date
    request_id: UUID
    is_stretch_over: bool


async def now(connection: Connection) -> datetime:
    """Return the instant by Postgres's clock, which also says when a price was recorded: ours may be behind it."""
    instant: datetime = await connection.fetchval(NOW)
    return instant


async def create(
    connection: Connection,
    selection: Selection,
    *,
    correction_id: UUID,
    reason: str,
    actor: str,
    is_dry_run: bool,
    is_automatic: bool,
    until: datetime,
    as_of: datetime,
    held: list[date],
) -> Run:
    """Write down a run that begins at once. The caller's transaction gives it its number."""
    await connection.execute(LOCK, NUMBER_LOCK)
    narrowed = (selection.provider, selection.model, selection.project, selection.since, until, selection.only_unrated)
    expected: int = await connection.fetchval(_sql("expected"), *narrowed, timeout=READ_TIMEOUT_S)
    row = await connection.fetchrow(
        _sql("create"),
        correction_id,
        is_dry_run,
        is_automatic,
        *narrowed,
        selection.allow_unrated,
        as_of,
        reason,
        actor,
        held,
        held[0],
        expected,
    )
    if row is None:
        raise RuntimeError("an INSERT … RETURNING returned no row")
    return Run(**row)


async def stray_days(
    connection: Connection, since: datetime | None, until: datetime, first: date, last: date
) -> list[date]:
    """Return the days outside of bounds on which requests charged within a window ended."""
    rows = await connection.fetch(_sql("strays"), since, until, first, last, STRAY_DAYS_MAX, timeout=READ_TIMEOUT_S)
    return [row["day"] for row in rows]


async def scan(connection: Connection, run: Run, last: date, *, entries_max: int, requests_max: int) -> Scan:
    """Return the next requests that a run is about, as far as they stand among its next entries."""
    rows = await connection.fetch(
        _sql("scan"),
        run.cursor_day,
        run.cursor_request,
        last,
        entries_max,
        run.provider,
        run.model,
        run.project,
        run.since,
        run.until,
        run.only_unrated,
        run.is_automatic,
        timeout=READ_TIMEOUT_S,
    )
    is_over = sum(row["entries"] for row in rows) < entries_max
    # Of the last one some entries may lie behind the limit.
    walked = rows if is_over or len(rows) <= 1 else rows[:-1]
    days: list[date] = []
    request_ids: list[UUID] = []
    day, request_id = run.cursor_day, run.cursor_request
    for row in walked:
        if len(days) == requests_max:
            return Scan(days=days, request_ids=request_ids, day=day, request_id=request_id, is_stretch_over=False)
        day, request_id = row["day"], row["request_id"]
        if row["is_meant"]:
            days.append(day)
            request_ids.append(request_id)
    return Scan(days=days, request_ids=request_ids, day=day, request_id=request_id, is_stretch_over=is_over)


async def booked(connection: Connection, found: Scan) -> list[Booked]:
    """Return what the books have of the requests of a scan."""
    rows = await connection.fetch(_sql("booked"), found.days, found.request_ids, timeout=READ_TIMEOUT_S)
    return booked_requests(rows)


async def spans(connection: Connection, found: Scan) -> dict[str, SpanFacts]:
    """Return the spans that the inbox still has of them, by request id."""
    rows = await connection.fetch(_sql("spans"), found.days, found.request_ids, timeout=READ_TIMEOUT_S)
    return {row["request_id"]: SpanFacts(*row.values()) for row in rows}


async def add_changes(connection: Connection, run: Run, corrections: Corrections) -> None:
    """Add what a batch changes to what its run has changed."""
    items = sorted(corrections.changes.items())
    if not items:
        return
    keys: Sequence[Sequence[date | str]] = list(zip(*(key for key, _ in items), strict=True))
    await connection.execute(
        _sql("add_changes"),
        run.number,
        *keys,
        [change.requests for _, change in items],
        [f"{change.before_pico_usd}e-12" for _, change in items],
        [f"{change.after_pico_usd}e-12" for _, change in items],
    )


async def advance(
    connection: Connection,
    run: Run,
    corrections: Corrections,
    *,
    day: date,
    request_id: UUID,
    is_done: bool,
    version: str,
) -> None:
    """Move a run's cursor behind a batch, and count it."""
    counted = corrections.verdicts
    await connection.execute(
        _sql("advance"),
        run.number,
        day,
        request_id,
        is_done,
        version,
        sum(counted.values()),
        counted.get("changed", 0),
        len(corrections.posting.entries),
        counted.get("without_span", 0),
        counted.get("kept", 0),
        counted.get("failed", 0),
        corrections.still_unrated,
        f"{corrections.before_pico_usd}e-12",
        f"{corrections.after_pico_usd}e-12",
    )


async def changes(connection: Connection, number: int, rows_max: int) -> list[StoredChange]:
    """Return what a run changed, the largest differences first."""
    return [StoredChange(**row) for row in await connection.fetch(_sql("changes"), number, rows_max)]


async def moved_months(connection: Connection, number: int) -> list[MovedMonth]:
    """Return by how much a run moves the books of accepted months away from their invoices."""
    return [MovedMonth(**row) for row in await connection.fetch(_sql("moved_months"), number)]


async def accepted_within(
    connection: Connection, selection: Selection, until: datetime, rows_max: int
) -> list[tuple[str, date]]:
    """Return providers and months whose invoice was accepted, with requests that a run would be about."""
    rows = await connection.fetch(
        _sql("accepted_within"),
        selection.provider,
        selection.model,
        selection.project,
        selection.since,
        until,
        selection.only_unrated,
        rows_max,
        timeout=READ_TIMEOUT_S,
    )
    return [(row["provider"], row["month"]) for row in rows]


async def unrated(connection: Connection, rows_max: int) -> list[Unrated]:
    """Return the models that have requests without a price."""
    rows = await connection.fetch(_sql("unrated"), rows_max, timeout=READ_TIMEOUT_S)
    return [Unrated(**row) for row in rows]


def _sql(name: str) -> str:
    return load_sql(__package__, name)
