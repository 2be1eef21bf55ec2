"""Take a batch of spans: decompress, decode, commit, hint. Bounded in memory, in flight and in time."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.access.rules import Access
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest, BodyTooLarge, Overloaded
from voicegateway_controller.logs import get_logger
from voicegateway_controller.queue import HintSender
from voicegateway_controller.settings import Settings
from voicegateway_controller.usage import store
from voicegateway_controller.usage.decode import Decoded, Refused, decode_into
from voicegateway_controller.usage.otlp import DecodeError, Request

BREATH_SPANS: Final = 256
"""Decoding holds the event loop for this many spans (about 4 ms), then lets others run."""
BREATH_BYTES: Final = 1 << 20
"""Decompression holds the event loop for this many bytes at a time."""
MEMBERS_MAX: Final = 64
"""Of one gzip body. Senders write one; what follows each is copied, so thousands of empty ones would cost seconds."""
BATCH_SPANS_MAX: Final = 50_000
"""One transaction's worth; an outbox sends 512 and a collector 8,192."""
RETRY_AFTER_S: Final = 1

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a batch."""

    committed: int
    duplicates: int
    refused: tuple[Refused, ...]
    foreign: int


class Intake:
    """The way into the inbox for one process; lives as long as it."""

    def __init__(self, engine: AsyncEngine, hints: HintSender, settings: Settings) -> None:
        self._engine = engine
        self._hints = hints
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.ingest_concurrency)
        self._held = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place among the batches of this process, or raise Overloaded; taken before a body is read."""
        if self._held >= self._settings.ingest_concurrency + self._settings.ingest_queue_max:
            raise Overloaded("too many batches at once: send this one again later", retry_after_s=RETRY_AFTER_S)
        self._held += 1
        metrics.INGEST_WAITING.set(max(0, self._held - self._settings.ingest_concurrency))
        try:
            yield
        finally:
            self._held -= 1
            metrics.INGEST_WAITING.set(max(0, self._held - self._settings.ingest_concurrency))

    async def take(self, body: bytes, *, is_gzip: bool, access: Access) -> Receipt:
        """Commit a batch and return what became of it; once this returns, the spans are durable.

        Raises BadRequest or BodyTooLarge for a body that can never be taken, DatabaseUnavailable when the
        sender should come again.
        """
        async with self._slots:
            started = time.perf_counter()
            raw = await self._decompressed(body) if is_gzip else self._checked(body)
            metrics.INGEST_BYTES.inc(len(raw))
            decoded = await self._decoded(raw, access)
            receipt = await self._commit(decoded, access)
            metrics.INGEST_SECONDS.observe(time.perf_counter() - started)
        _count(receipt)
        if receipt.committed:
            self._hints.hint()
        return receipt

    async def _commit(self, decoded: Decoded, access: Access) -> Receipt:
        columns = decoded.columns()
        timeout_s = self._settings.ingest_timeout_s
        committed = 0
        async with raw_connection(self._engine) as connection:
            if not decoded.refused:
                if decoded.rows:
                    committed = await store.insert_spans(connection, columns, timeout_s=timeout_s)
            else:
                async with connection.transaction():
                    if decoded.rows:
                        committed = await store.insert_spans(connection, columns, timeout_s=timeout_s)
                    await store.insert_quarantine(
                        connection, decoded.refused, token_id=access.token_id, timeout_s=timeout_s
                    )
        return Receipt(
            committed=committed,
            duplicates=len(decoded.rows) - committed,
            refused=tuple(decoded.refused),
            foreign=decoded.foreign,
        )

    async def _decoded(self, raw: bytes, access: Access) -> Decoded:
        try:
            message = Request.FromString(raw)
        except DecodeError as error:
            raise BadRequest("the body is not an ExportTraceServiceRequest in protobuf") from error
        decoded = Decoded()
        steps = decode_into(decoded, message, arrived_ns=time.time_ns(), allows=access.allows)
        for spans, _ in enumerate(steps, start=1):
            if spans % BREATH_SPANS == 0:
                if spans > BATCH_SPANS_MAX:
                    raise BodyTooLarge(f"more than {BATCH_SPANS_MAX} spans in one request: send smaller batches")
                await asyncio.sleep(0)
        return decoded

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._settings.ingest_raw_bytes_max:
            raise self._too_large()
        return body

    async def _decompressed(self, body: bytes) -> bytes:
        """Gunzip all members of a body: gzip allows to append one to another, and each may hold spans."""
        raw = bytearray()
        rest = body
        for _ in range(MEMBERS_MAX):
            rest = await self._gunzip_into(raw, rest)
            if not rest:
                return bytes(raw)
        raise BadRequest(f"the gzip body has more than {MEMBERS_MAX} members: send one")

    async def _gunzip_into(self, raw: bytearray, body: bytes) -> bytes:
        """Gunzip one member and return what follows it.

        Gives up as soon as the limit is passed: a bomb costs one limit's worth of memory.
        """
        limit = self._settings.ingest_raw_bytes_max
        gunzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            raw += gunzip.decompress(body, BREATH_BYTES)
            while gunzip.unconsumed_tail:
                if len(raw) > limit:
                    raise self._too_large()
                await asyncio.sleep(0)
                raw += gunzip.decompress(gunzip.unconsumed_tail, BREATH_BYTES)
        except zlib.error as error:
            raise BadRequest("the body says gzip but is not") from error
        if len(raw) > limit:
            raise self._too_large()
        if not gunzip.eof:
            raise BadRequest("the gzip body is cut short")
        return gunzip.unused_data

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"the body is larger than {self._settings.ingest_raw_bytes_max} bytes after decompression "
            "(VOICEGATEWAY_INGEST_RAW_BYTES_MAX): send smaller batches"
        )


def _count(receipt: Receipt) -> None:
    metrics.INGEST_SPANS.labels("committed").inc(receipt.committed)
    metrics.INGEST_SPANS.labels("duplicate").inc(receipt.duplicates)
    metrics.INGEST_SPANS.labels("quarantined").inc(len(receipt.refused))
    metrics.INGEST_SPANS.labels("foreign").inc(receipt.foreign)
    if receipt.refused:
        _log.warning("spans.quarantined", count=len(receipt.refused), reason=receipt.refused[0].reason)
