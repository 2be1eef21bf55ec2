"""The runner's part of re-rating: batch after batch, each in one transaction with the run's cursor."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.ledger.books import Correction, book, record_correction
from voicegateway_controller.ledger.rerating import store
from voicegateway_controller.ledger.rerating.rules import Corrections, correct
from voicegateway_controller.ledger.rerating.selection import following, last_of
from voicegateway_controller.ledger.rerating.store import Run, Scan
from voicegateway_controller.ledger.store import PLAN_BY_INDEX
from voicegateway_controller.logs import get_logger
from voicegateway_shared.pricing import Catalog

INTERVAL_S: Final = 1.0
"""How often a runner looks for a run."""
STEP_S: Final = 20.0
"""How long one step works before its loop looks around."""
BATCH_REQUESTS: Final = 2_000
SCAN_ENTRIES: Final = 20_000
"""Entries looked at for a batch: a run about few of many goes through the others in bounded bites."""
PAUSE_S: Final = 0.01
"""Between batches: whoever rates what is new comes first."""
BACKLOG_SPANS: Final = 10_000
GIVE_WAY_S: Final = 1.0
"""With more spans than that waiting to be rated, one batch in this time."""
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

NIL: Final = UUID(int=0)

CatalogAsOf = Callable[[datetime], Awaitable[Catalog]]
"""Returns the prices as they were known at an instant."""

_log = get_logger(__name__)


class Rerater:
    """Works on the oldest unfinished run; lives as long as its process. Of any number in a fleet one works at a time.

    A run goes on where it was whenever this is killed: entries, sums and cursor commit together.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        catalog_as_of: CatalogAsOf,
        *,
        batch_requests: int = BATCH_REQUESTS,
        scan_entries: int = SCAN_ENTRIES,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._engine = engine
        self._catalog_as_of = catalog_as_of
        self._batch_requests = self._limit = batch_requests
        self._scan_entries = scan_entries
        self._pause_s = pause_s

    async def step(self) -> None:
        """Work until no run is left, or STEP_S has passed. Raises DatabaseUnavailable; then it may be called again."""
        deadline = time.monotonic() + STEP_S
        while time.monotonic() < deadline:
            if not await self.work_batch():
                return
            await asyncio.sleep(GIVE_WAY_S if await self._is_backlogged() else self._pause_s)

    async def work_batch(self) -> bool:
        """Re-rate the next requests of the oldest run, wholly or not at all; return whether there may be more to do."""
        try:
            worked = await self._batch()
        except _REFUSALS as error:
            if self._limit == 1:
                raise
            # Something in this batch cannot be written. Halve it until that request stands alone.
            _log.error("rerating.batch_refused", requests=self._limit, error=str(error))
            self._limit = max(1, self._limit // 2)
            return True
        self._limit = min(self._batch_requests, self._limit * 2)
        return worked

    async def _batch(self) -> bool:
        async with raw_connection(self._engine) as connection:
            seen = await connection.fetchrow(store.NEXT_RUN)
        if seen is None:
            return False
        # Before the transaction: who reads prices needs a connection, too.
        catalog = await self._catalog_as_of(seen["as_of"])
        async with raw_connection(self._engine) as connection, connection.transaction():
            if not await connection.fetchval(store.TRY_LOCK, store.WORK_LOCK):
                return False
            row = await connection.fetchrow(store.LOCK_NEXT_RUN)
            if row is None or row["number"] != seen["number"]:
                return row is not None
            run = Run(**row)
            await connection.execute(PLAN_BY_INDEX)
            found = await store.scan(
                connection,
                run,
                last_of(run.stretches, run.cursor_day),
                entries_max=self._scan_entries,
                requests_max=self._limit,
            )
            corrections = await self._correct(connection, run, found, catalog)
            try:
                async with connection.transaction():
                    await self._write(connection, run, found, corrections, catalog.version)
            except _REFUSALS as error:
                if len(found.days) != 1:
                    raise
                _log.error("rerating.request_refused", request_id=str(found.request_ids[0]), error=str(error))
                alone = Corrections(verdicts={"failed": 1})
                await self._write(connection, run, found, alone, catalog.version)
        metrics.RERATED_REQUESTS.inc(len(found.days))
        return True

    async def _correct(self, connection: Connection, run: Run, found: Scan, catalog: Catalog) -> Corrections:
        if not found.days:
            return Corrections()
        requests = await store.booked(connection, found)
        if run.only_unrated:
            # Without a price once is not without a price now: a re-rating may have found one since.
            requests = [each for each in requests if each.is_unrated]
        spans = await store.spans(connection, found)
        return correct(requests, spans, catalog, may_lose_price=run.allow_unrated)

    async def _write(
        self, connection: Connection, run: Run, found: Scan, corrections: Corrections, version: str
    ) -> None:
        """Move the run's cursor, and book last: rollups and chains stay locked until the end."""
        day, request_id, is_done = found.day, found.request_id, False
        if found.is_stretch_over:
            start = following(run.stretches, run.cursor_day)
            is_done = start is None
            if start is not None:
                day, request_id = start, NIL
        await store.add_changes(connection, run, corrections)
        await store.advance(
            connection, run, corrections, day=day, request_id=request_id, is_done=is_done, version=version
        )
        if is_done:
            _log.info("rerating.done", number=run.number, is_dry_run=run.is_dry_run)
        if run.is_dry_run or not corrections.posting.entries:
            return
        await record_correction(connection, _why(run))
        await book(connection, corrections.posting, kind="rerate", revision=run.number, correction_id=run.correction_id)

    async def _is_backlogged(self) -> bool:
        async with raw_connection(self._engine) as connection:
            return bool(await connection.fetchval(store.BACKLOG, BACKLOG_SPANS))


def _why(run: Run) -> Correction:
    asked = {
        "provider": run.provider,
        "model": run.model,
        "project": run.project,
        "since": run.since,
        "until": run.until,
        "only_unrated": run.only_unrated,
        "allow_unrated": run.allow_unrated,
        "as_of": run.as_of,
    }
    return Correction(
        id=run.correction_id,
        kind="rerate",
        reason=run.reason,
        actor=run.actor,
        evidence={"rerating": run.number, **{name: value for name, value in asked.items() if value}},
    )
