"""Rate what is pending, in batches, each in one transaction."""

import asyncio
import time
import zlib
from dataclasses import dataclass
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import LedgerBroken
from voicegateway_controller.ledger import store
from voicegateway_controller.ledger.rules import Posting, SpanFacts, post
from voicegateway_controller.logs import get_logger
from voicegateway_shared.pricing import Catalog

LINGER_S: Final = 0.05
"""After a small batch, wait this long for the next one to fill: a transaction has a price of its own."""
SHARDS: Final = 16
"""Rows of ledger_progress; runners spread over them by name."""
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """What is committed and not rated yet."""

    spans: int
    lag_s: float


class Ledger:
    """Rates pending spans for one process; lives as long as it. Any number may work on one database."""

    def __init__(
        self, engine: AsyncEngine, catalog: Catalog, *, runner_name: str, batch_spans: int, concurrency: int
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._shard = zlib.crc32(runner_name.encode()) % SHARDS
        self._batch_spans = batch_spans
        self._concurrency = concurrency
        self._is_draining = False
        self._is_wanted = False

    async def drain(self, *, limit_s: float) -> int:
        """Rate until nothing is pending or `limit_s` has passed; return how many spans were.

        Only one drain runs in a process at a time. While one does, another call returns at once and makes the first
        look again before it ends: what was committed before either call is rated by then.
        """
        self._is_wanted = True
        if self._is_draining:
            return 0
        self._is_draining = True
        total = 0
        deadline = time.monotonic() + limit_s
        try:
            while self._is_wanted and time.monotonic() < deadline:
                self._is_wanted = False
                total += await self._drain_together(deadline)
        finally:
            self._is_draining = False
        return total

    async def _drain_together(self, deadline: float) -> int:
        loops = [asyncio.create_task(self._drain_alone(deadline)) for _ in range(self._concurrency)]
        try:
            return sum(await asyncio.gather(*loops))
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _drain_alone(self, deadline: float) -> int:
        total = 0
        limit = self._batch_spans
        while time.monotonic() < deadline:
            try:
                count = await self.rate_batch(limit)
            except _REFUSALS as error:
                # Something in this batch cannot be written. Halve it until the one span stands alone.
                metrics.LEDGER_BATCHES.labels("refused").inc()
                _log.error("ledger.batch_refused", spans=limit, error=str(error))
                count = await self.rate_batch(1, is_rating_trusted=False) if limit == 1 else 0
                limit = max(1, limit // 2)
                total += count
                continue
            total += count
            if count == 0:
                break
            limit = min(self._batch_spans, limit * 2)
            if count < limit // 4:
                await asyncio.sleep(LINGER_S)
        return total

    async def rate_batch(self, limit: int, *, is_rating_trusted: bool = True) -> int:
        """Rate up to `limit` spans in one transaction, wholly or not at all; return how many left the queue."""
        started = time.perf_counter()
        async with raw_connection(self._engine) as connection, connection.transaction():
            await connection.execute(store.PLAN_BY_INDEX)
            spans, lost = await store.take(connection, limit)
            if lost:
                _log.error("ledger.span_missing", count=lost)
            if not spans:
                return lost
            posting = await self._write(connection, spans, is_rating_trusted=is_rating_trusted)
        metrics.LEDGER_BATCH_SECONDS.observe(time.perf_counter() - started)
        _count(posting)
        return len(spans) + lost

    async def pending(self) -> Pending:
        """Return what is waiting; also sets the two gauges."""
        async with raw_connection(self._engine) as connection:
            row = await connection.fetchrow(store.PENDING)
        if row is None:
            raise LedgerBroken("the count of pending spans came back empty")
        metrics.LEDGER_PENDING.set(row["spans"])
        metrics.LEDGER_LAG_SECONDS.set(row["lag_s"])
        return Pending(spans=row["spans"], lag_s=row["lag_s"])

    async def _write(self, connection: Connection, spans: list[SpanFacts], *, is_rating_trusted: bool) -> Posting:
        """Write entries and rollups; a span that has entries already adds nothing a second time."""
        posting = post(spans, self._catalog, is_rating_trusted=is_rating_trusted)
        try:
            async with connection.transaction():
                await store.insert_entries(connection, posting.entries)
        except asyncpg.UniqueViolationError:
            known = await store.already_rated(connection, spans)
            _log.warning("ledger.already_rated", count=len(known))
            posting = post(
                [span for span in spans if span.request_id not in known],
                self._catalog,
                is_rating_trusted=is_rating_trusted,
            )
            if not posting.spans:
                return posting
            await store.insert_entries(connection, posting.entries)
        if posting.poisoned:
            reasons = [f"rating failed: {each.reason}"[:1000] for each in posting.poisoned]
            await connection.execute(store.QUARANTINE, reasons, [each.body for each in posting.poisoned])
        await store.add_to_rollups(connection, posting)
        await connection.execute(store.NOTE_PROGRESS, self._shard, posting.spans, len(posting.entries), posting.unrated)
        return posting


def _count(posting: Posting) -> None:
    metrics.LEDGER_BATCHES.labels("committed").inc()
    metrics.LEDGER_SPANS_RATED.inc(posting.spans)
    metrics.LEDGER_ENTRIES.inc(len(posting.entries))
    metrics.LEDGER_UNRATED.inc(posting.unrated)
    metrics.LEDGER_POISONED.inc(len(posting.poisoned))
    for each in posting.poisoned:
        _log.error("ledger.span_poisoned", request_id=each.request_id, reason=each.reason)
