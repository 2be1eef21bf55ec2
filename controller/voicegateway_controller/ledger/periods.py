"""Months of the books: which are closed, and closing one. What is late for one is booked in the first open month."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger.store import CLOSE_LOCK
from voicegateway_controller.logs import get_logger
from voicegateway_controller.months import next_month

MONTHS_MAX: Final = 120
"""Months listed: ten years."""
CLOSE_TIMEOUT_S: Final = 300.0
"""Summing a month of some ten million entries takes seconds; writers wait meanwhile."""
LOCK_TIMEOUT_S: Final = 30.0
"""Longer than any batch of rating holds the months open."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One month of the books. Amounts and entries are those booked in it, wherever in time they belong."""

    month: date
    entries: int
    amount_usd: Decimal
    late_entries: int
    """Of those, entries of months that were closed already."""
    pending_spans: int
    closed_at: datetime | None
    closed_by: str
    reason: str


class Periods:
    """The months; lives as long as its process, and holds nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list(self) -> list[Period]:
        """Return the months that have entries or are closed, the newest first."""
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(load_sql(__package__, "periods"), MONTHS_MAX, timeout=CLOSE_TIMEOUT_S)
        return [_period(row) for row in rows]

    async def close(self, month: date, *, by: str, reason: str, now: datetime) -> Period:
        """Close a month for good; return it. Waits for writers, and they for it.

        Raises:
            Conflict: it is not over yet, closed already, one before it is open, or spans wait to be rated.
            DatabaseUnavailable: nothing was closed.
        """
        if month.day != 1:
            raise ValueError("a month is named by its first day")
        if next_month(month) > now.astimezone(UTC).date():
            raise Conflict(f"{month:%Y-%m} is not over yet (UTC): only a month that has ended can be closed")
        async with raw_connection(self._engine) as connection, connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S:.0f}s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", CLOSE_LOCK)
            await _refuse_closed(connection, month)
            await _refuse_gap(connection, month)
            await _refuse_pending(connection, month)
            row = await connection.fetchrow(
                load_sql(__package__, "close_month"), month, by, reason, timeout=CLOSE_TIMEOUT_S
            )
            if row is None:
                raise RuntimeError("an INSERT … RETURNING returned no row")
            change = Change(
                actor=by,
                action="month.close",
                resource=f"ledger/periods/{month:%Y-%m}",
                after={"month": f"{month:%Y-%m}", "entries": row["entries"], "amount_usd": str(row["amount_usd"])},
                reason=reason,
            )
            await record_change(connection, change)
        _log.info("ledger.month_closed", month=f"{month:%Y-%m}", by=by, amount_usd=str(row["amount_usd"]))
        return _period(row)


async def _refuse_closed(connection: Connection, month: date) -> None:
    closed = await connection.fetchval("SELECT max(month) FROM ledger_close")
    if closed is not None and month <= closed:
        raise Conflict(f"{month:%Y-%m} is closed already: the books are closed up to and with {closed:%Y-%m}")


async def _refuse_gap(connection: Connection, month: date) -> None:
    """Months close in order: else what is late for an open one would be booked in a closed one."""
    before = await connection.fetchval(load_sql(__package__, "open_before"), month, timeout=CLOSE_TIMEOUT_S)
    if before is not None:
        raise Conflict(f"{before:%Y-%m} is still open: close it before {month:%Y-%m}")


async def _refuse_pending(connection: Connection, month: date) -> None:
    # A suspect clock may name another day; what it is charged on is its arrival, which is now.
    waiting = await connection.fetchval("SELECT count(*) FROM usage_pending WHERE day < $1", next_month(month))
    if waiting:
        raise Conflict(
            f"{waiting} spans of {month:%Y-%m} or before wait to be rated: close it when the ledger has caught up"
        )


def _period(row: asyncpg.Record) -> Period:
    return Period(**dict(row))
