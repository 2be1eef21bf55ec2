"""Read the audit log: pages of it, all of it as a file, and whether it is what was written."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import store
from voicegateway_controller.audit.chain import Break, Chain
from voicegateway_controller.audit.store import Filters, RecordRow
from voicegateway_controller.db.engine import raw_connection

BATCH: Final = 500
"""Records read at once: of the longest documents, 256 MiB would be; of ordinary ones some hundred KiB."""
BATCH_FIRST: Final = 50
COLUMNS: Final = (
    "number", "at", "actor", "actor_name", "action", "resource", "project", "reason", "before", "after", "digest",
)  # fmt: skip
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would carry out: such texts get an apostrophe before them in CSV, and nowhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found."""

    checked: int
    """Records whose seal holds, from the first on."""
    number: int
    """The newest record's."""
    digest: str
    """Its seal: kept elsewhere, it proves later that nothing before it was rewritten."""
    broken: Break | None


class AuditLog:
    """Reads the audit log for one process; lives as long as it. Holds nothing that needs closing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def newest_first(self, filters: Filters, *, before: int | None, limit: int) -> list[RecordRow]:
        """Return records older than `before`, the newest first."""
        async with raw_connection(self._engine) as connection:
            return await store.newest_first(connection, filters, before=before, limit=limit)

    async def oldest_first(self, filters: Filters, *, after: int, limit: int) -> list[RecordRow]:
        """Return records newer than `after`, the oldest first: what to ask again and again to follow the log."""
        async with raw_connection(self._engine) as connection:
            return await store.oldest_first(connection, filters, after=after, until=2**63 - 1, limit=limit)

    async def head(self) -> tuple[int, str]:
        """Return the newest record's number and seal."""
        async with raw_connection(self._engine) as connection:
            number, digest = await store.head(connection)
        return number, digest.hex()

    async def export(self, filters: Filters, *, file_format: Literal["jsonl", "csv"]) -> AsyncIterator[bytes]:
        """Yield all records there are now, the oldest first. A JSON line holds all that its seal is made of."""
        until, _ = await self.head()
        if file_format == "csv":
            yield _csv_row(COLUMNS)
        after = 0
        limit = BATCH_FIRST
        while True:
            async with raw_connection(self._engine) as connection:
                rows = await store.oldest_first(connection, filters, after=after, until=until, limit=limit)
            for row in rows:
                yield _json_line(row) if file_format == "jsonl" else _csv_line(row)
            if len(rows) < limit:
                return
            after, limit = rows[-1].number, BATCH

    async def verify(self, *, head_number: int | None = None, head_digest: str = "") -> Verdict:
        """Check every seal from the first record on, and a head that was kept elsewhere, if one is given."""
        async with raw_connection(self._engine) as connection:
            until, newest = await store.head(connection)
        chain = Chain()
        while chain.broken is None:
            async with raw_connection(self._engine) as connection:
                rows = await store.sealed_after(connection, chain.number, until=until, limit=BATCH)
            for row in rows:
                if not chain.add(row):
                    break
                if row.number == head_number:
                    chain.expect(row.number, head_digest)
            if len(rows) < BATCH:
                break
        if head_number is not None:
            chain.reached(head_number)
        return Verdict(checked=chain.number, number=until, digest=newest.hex(), broken=chain.broken)


def _json_line(row: RecordRow) -> bytes:
    document = {
        "number": row.number,
        "at": row.at,
        "at_us": row.at_us,
        "actor": row.actor,
        "actor_name": row.actor_name,
        "action": row.action,
        "resource": row.resource,
        "project": row.project,
        "reason": row.reason,
        # As texts: the seal is made of the very bytes.
        "before": row.before,
        "after": row.after,
        "digest": row.digest.hex(),
    }
    return msgspec.json.encode(document) + b"\n"


def _csv_line(row: RecordRow) -> bytes:
    texts = (row.actor, row.actor_name, row.action, row.resource, row.project, row.reason, row.before, row.after)
    return _csv_row((row.number, row.at.isoformat(), *(_harmless(text or "") for text in texts), row.digest.hex()))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv_row(values: tuple[Any, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().encode()
