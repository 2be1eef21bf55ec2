"""Ceilings: how much of a window was ever released, in Postgres before Redis hears of it."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.budgets.windows import OpenWindow
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.logs import get_logger

TIMEOUT_S: Final = 1.0
"""A caller waits for the raise: a Postgres slower than this counts as away."""
AWAY_S: Final = 2.0
"""After Postgres did not answer, it is not asked again for so long, and raises go without it."""
CHUNK_PART: Final = 500
"""The ceiling is raised by 1/500 of the amount beyond what is asked for: all that a loss of memory can hold up."""
CEILING_MAX: Final = 2**53
"""What a double counts exactly, and the table's bound: $9.0 M. A rolling day's counts all that it ever released."""
OPEN_LOCK: Final = 0x5647_424F
"""First half of the advisory locks under which windows are opened. The letters say VGBO."""

ROW: Final = """
SELECT epoch, ceiling_nano, opened_at FROM budget_window WHERE budget_id = $1 AND window_id = $2
"""
OPEN: Final = """
INSERT INTO budget_window AS w (budget_id, window_id, starts_at, ends_at, epoch, ceiling_nano)
VALUES ($1, $2, $3, $4, 1, $5)
ON CONFLICT (budget_id, window_id) DO UPDATE SET epoch = w.epoch + 1
RETURNING epoch, ceiling_nano, opened_at
"""
# A Postgres restored from a backup knows less than Redis: the higher epoch and the higher ceiling are the newer ones.
RAISE: Final = """
INSERT INTO budget_window AS w (budget_id, window_id, starts_at, ends_at, epoch, ceiling_nano)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (budget_id, window_id) DO UPDATE SET
    epoch = excluded.epoch, ceiling_nano = greatest(w.ceiling_nano, excluded.ceiling_nano)
    WHERE w.epoch <= excluded.epoch
RETURNING ceiling_nano
"""
FORGET: Final = "DELETE FROM budget_window WHERE ends_at < $1"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window as Postgres has it."""

    epoch: int
    ceiling: int
    opened_at: datetime
    """When it was opened for the first time: holders count from then on."""


class Ceilings:
    """The windows' rows; lives as long as the engine it is given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._away_until_s = 0.0

    def postgres_answered(self) -> None:
        """Ask Postgres again from now on: somebody has just heard it."""
        self._away_until_s = 0.0

    @asynccontextmanager
    async def opening(self, window: OpenWindow) -> AsyncIterator[Connection]:
        """Lend a connection under whose lock no other process opens the window. Raises DatabaseUnavailable."""
        half = zlib.crc32(window.pool.encode()) - 2**31
        async with raw_connection(self._engine) as connection:
            await connection.execute("SELECT pg_advisory_lock($1, $2)", OPEN_LOCK, half, timeout=TIMEOUT_S)
            try:
                yield connection
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", OPEN_LOCK, half, timeout=TIMEOUT_S)

    async def row(self, connection: Connection, window: OpenWindow) -> WindowRow | None:
        """Return what is known of a window, None when it was never opened."""
        row = await connection.fetchrow(ROW, window.spec.id, window.window.id, timeout=TIMEOUT_S)
        if row is None:
            return None
        return WindowRow(epoch=row["epoch"], ceiling=row["ceiling_nano"], opened_at=row["opened_at"])

    async def open(self, connection: Connection, window: OpenWindow, *, ceiling: int) -> WindowRow:
        """Begin an epoch; the ceiling is for the first of all, later ones go on with what was released before."""
        row = await connection.fetchrow(OPEN, *_named(window), ceiling, timeout=TIMEOUT_S)
        if row is None:
            raise RuntimeError("an INSERT … RETURNING returned no row")
        return WindowRow(epoch=row["epoch"], ceiling=row["ceiling_nano"], opened_at=row["opened_at"])

    async def raise_to(self, window: OpenWindow, *, epoch: int, ceiling: int) -> int | None:
        """Commit a ceiling; return the one that holds, or None when the pool of that epoch is no longer the newest.

        Raises DatabaseUnavailable, at once while Postgres did not answer a moment ago.
        """
        if time.monotonic() < self._away_until_s:
            raise DatabaseUnavailable("Postgres did not answer a moment ago")
        try:
            async with asyncio.timeout(TIMEOUT_S), raw_connection(self._engine) as connection:
                held: int | None = await connection.fetchval(RAISE, *_named(window), epoch, ceiling)
        except (DatabaseUnavailable, TimeoutError) as error:
            self._away_until_s = time.monotonic() + AWAY_S
            if isinstance(error, DatabaseUnavailable):
                raise
            raise DatabaseUnavailable("Postgres did not answer in time") from error
        metrics.BUDGET_CEILING_RAISES.labels("backed").inc()
        return held

    async def forget(self, connection: Connection, *, ended_before: datetime) -> None:
        """Delete the rows of windows that ended long ago; the ledger keeps what they cost."""
        await connection.execute(FORGET, ended_before, timeout=TIMEOUT_S)


def chunk(amount: int) -> int:
    """Return by how much the ceiling of a budget is raised beyond what is asked for."""
    return max(1, amount // CHUNK_PART)


def _named(window: OpenWindow) -> tuple[str, str, datetime | None, datetime | None]:
    return window.spec.id, window.window.id, window.window.start, window.window.end
