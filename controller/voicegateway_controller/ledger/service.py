"""Rate what is pending, in batches, each in one transaction."""

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.catalog import PriceBook, record_catalog
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import LedgerBroken
from voicegateway_controller.ledger import store
from voicegateway_controller.ledger.books import book
from voicegateway_controller.ledger.rules import Posting, SpanFacts, post
from voicegateway_controller.logs import get_logger
from voicegateway_controller.validation.store import keep_validation
from voicegateway_controller.validation.summing import validate
from voicegateway_shared.pricing import Catalog

LINGER_S: Final = 0.1
"""After a small batch, wait this long for the next one to fill: a transaction has a price of its own."""
REASON_CHARS_MAX: Final = 1_000
SHARDS: Final = 16
"""Rows of ledger_progress; runners spread over them by name."""
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

Tell = Callable[[list[SpanFacts], Posting], None]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """What is committed and not rated yet."""

    spans: int
    lag_s: float


class Ledger:
    """Rates pending spans for one process; lives as long as it. Any number may work on one database."""

    def __init__(
        self,
        engine: AsyncEngine,
        prices: PriceBook,
        *,
        runner_name: str,
        batch_spans: int,
        concurrency: int,
        tell: Tell | None = None,
    ) -> None:
        """`tell` is told of each batch once it is committed; it returns at once and never fails."""
        self._engine = engine
        self._prices = prices
        self._kept_version = ""
        self._shard = zlib.crc32(runner_name.encode()) % SHARDS
        self._batch_spans = batch_spans
        self._concurrency = concurrency
        self._tell = tell
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
        """Rate batch after batch; while they are full, helpers do the same beside it."""
        helpers: list[asyncio.Task[int]] = []
        total = 0
        limit = self._batch_spans
        try:
            while time.monotonic() < deadline:
                try:
                    # A batch of one cannot be halved, so it is careful from the start.
                    count = await self.rate_batch(limit, is_careful=limit < self._batch_spans or limit == 1)
                except _REFUSALS as error:
                    # Something in this batch cannot be written. Halve it until that span stands alone.
                    metrics.LEDGER_BATCHES.labels("refused").inc()
                    _log.error("ledger.batch_refused", spans=limit, error=str(error))
                    if limit == 1:
                        await asyncio.sleep(LINGER_S)
                    limit = max(1, limit // 2)
                    continue
                total += count
                if count == 0:
                    break
                limit = min(self._batch_spans, limit * 2)
                if count == self._batch_spans and all(helper.done() for helper in helpers):
                    total += sum(helper.result() for helper in helpers)
                    helpers = [asyncio.create_task(self._help(deadline)) for _ in range(self._concurrency - 1)]
                elif count < self._batch_spans // 2:
                    await asyncio.sleep(LINGER_S)
            return total + sum(await asyncio.gather(*helpers))
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _help(self, deadline: float) -> int:
        """Rate while there is more than one batch to rate; whatever is odd is left to the one who is helped."""
        total = 0
        count = self._batch_spans
        while count == self._batch_spans and time.monotonic() < deadline:
            try:
                count = await self.rate_batch(self._batch_spans)
            except _REFUSALS:
                metrics.LEDGER_BATCHES.labels("refused").inc()
                break
            total += count
        return total

    async def rate_batch(self, limit: int, *, is_careful: bool = False) -> int:
        """Rate up to `limit` spans in one transaction, wholly or not at all; return how many left the queue.

        A careful batch first looks for spans that have entries already, and sets a lone span aside when Postgres
        refuses it. Without care both raise one of asyncpg's errors and change nothing.
        """
        started = time.perf_counter()
        # One catalogue for the whole batch, whatever is set meanwhile; its prices are kept before entries name them.
        catalog = self._prices.current()
        if catalog.version != self._kept_version:
            await record_catalog(self._engine, catalog)
            self._kept_version = catalog.version
        async with raw_connection(self._engine) as connection, connection.transaction():
            await connection.execute(store.PLAN_BY_INDEX)
            spans, lost = await store.take(connection, limit)
            taken = len(spans) + lost
            if lost:
                _log.error("ledger.span_missing", count=lost)
            if is_careful:
                spans = await self._without_known(connection, spans)
            if not spans:
                return taken
            if is_careful and len(spans) == 1:
                posting = await self._post_alone(connection, spans, catalog)
            else:
                posting = await self._post(connection, spans, catalog)
        metrics.LEDGER_BATCH_SECONDS.observe(time.perf_counter() - started)
        _count(posting)
        if self._tell is not None:
            self._tell(spans, posting)
        return taken

    async def pending(self) -> Pending:
        """Return what is waiting; also sets the two gauges."""
        async with raw_connection(self._engine) as connection:
            row = await connection.fetchrow(store.PENDING)
        if row is None:
            raise LedgerBroken("the count of pending spans came back empty")
        metrics.LEDGER_PENDING.set(row["spans"])
        metrics.LEDGER_LAG_SECONDS.set(row["lag_s"])
        return Pending(spans=row["spans"], lag_s=row["lag_s"])

    async def _post(
        self, connection: Connection, spans: list[SpanFacts], catalog: Catalog, *, is_rating_trusted: bool = True
    ) -> Posting:
        """Write the entries of these spans, none of which has any, and add them to the rollups."""
        posting = post(spans, catalog, is_rating_trusted=is_rating_trusted)
        if posting.poisoned:
            reasons = [f"rating failed: {each.reason}"[:REASON_CHARS_MAX] for each in posting.poisoned]
            await connection.execute(store.QUARANTINE, reasons, [each.body for each in posting.poisoned])
        await keep_validation(connection, validate(spans))
        await book(connection, posting)
        await connection.execute(store.NOTE_PROGRESS, self._shard, posting.spans, len(posting.entries), posting.unrated)
        return posting

    async def _post_alone(self, connection: Connection, spans: list[SpanFacts], catalog: Catalog) -> Posting:
        """Write one span, locked throughout; unrated when Postgres refuses what rating made of it.

        One whose very quantities are refused, because a sum of them is full, is kept as a request and no more.
        """
        try:
            async with connection.transaction():
                return await self._post(connection, spans, catalog)
        except _REFUSALS as error:
            _log.error("ledger.span_refused", request_id=spans[0].request_id, error=str(error))
        try:
            async with connection.transaction():
                return await self._post(connection, spans, catalog, is_rating_trusted=False)
        except _REFUSALS as error:
            _log.error("ledger.quantities_refused", request_id=spans[0].request_id, error=str(error))
        uncounted = [msgspec.structs.replace(span, usage="{}", reported=None) for span in spans]
        return await self._post(connection, uncounted, catalog, is_rating_trusted=False)

    async def _without_known(self, connection: Connection, spans: list[SpanFacts]) -> list[SpanFacts]:
        """Leave out spans that have entries: they came again after their inbox partition was dropped."""
        known = await store.already_rated(connection, spans)
        if known:
            _log.warning("ledger.already_rated", count=len(known))
        return [span for span in spans if span.request_id not in known]


def _count(posting: Posting) -> None:
    metrics.LEDGER_BATCHES.labels("committed").inc()
    metrics.LEDGER_SPANS_RATED.inc(posting.spans)
    metrics.LEDGER_ENTRIES.inc(len(posting.entries))
    metrics.LEDGER_UNRATED.inc(posting.unrated)
    metrics.LEDGER_POISONED.inc(len(posting.poisoned))
    for each in posting.poisoned:
        _log.error("ledger.span_poisoned", request_id=each.request_id, reason=each.reason)
