"""Reconciliations as people read them: runs, cells, groups, what changed since the run before."""

import gzip
from datetime import date
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest, Conflict, NotFound
from voicegateway_controller.http.pages import Keyset
from voicegateway_controller.reconcile import schemas, store

GROUPS_MAX: Final = 10_000
CHANGES_MAX: Final = 1_000
_PAGES: Final = Keyset("reconciliations", int)
_COMPARE: Final = """
WITH before AS (SELECT * FROM reconciliation_cell WHERE number = $1),
     after AS (SELECT * FROM reconciliation_cell WHERE number = $2)
SELECT coalesce(b.day, a.day) AS day, key_id, model, meter,
       coalesce(b.vendor_usd, 0) AS vendor_before, coalesce(a.vendor_usd, 0) AS vendor_after,
       coalesce(b.ours_usd, 0) AS ours_before, coalesce(a.ours_usd, 0) AS ours_after
FROM (SELECT category, coalesce(day, '0001-01-01') AS at, key_id, model, meter, context, min(day) AS day,
             sum(vendor_usd) AS vendor_usd, sum(ours_usd) AS ours_usd FROM before GROUP BY 1, 2, 3, 4, 5, 6) AS b
FULL JOIN (SELECT category, coalesce(day, '0001-01-01') AS at, key_id, model, meter, context, min(day) AS day,
             sum(vendor_usd) AS vendor_usd, sum(ours_usd) AS ours_usd FROM after GROUP BY 1, 2, 3, 4, 5, 6) AS a
    USING (category, at, key_id, model, meter, context)
WHERE (b.vendor_usd, b.ours_usd) IS DISTINCT FROM (a.vendor_usd, a.ours_usd)
ORDER BY abs(coalesce(a.vendor_usd, 0) - coalesce(b.vendor_usd, 0)) DESC, model, meter, day LIMIT $3
"""


class ReconciliationsView:
    """Reads for one process; lives as long as it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def one(self, number: int) -> schemas.Run:
        """Return a run. Raises NotFound."""
        async with raw_connection(self._engine) as connection:
            row = await store.fetch_one(connection, number)
        if row is None:
            raise NotFound(f"there is no reconciliation {number}: see `voicegw reconcile list`")
        return _run(row)

    async def page(self, *, provider: str, month: date | None, cursor: str | None, limit: int) -> schemas.Runs:
        """Return runs, the newest first."""
        filters = {"provider": provider, "month": month}
        key = _PAGES.read(cursor, filters=filters)
        before = None if key is None else key[0]
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(store.PAGE, provider, month, before, limit + 1, timeout=store.TIMEOUT_S)
        page = _PAGES.cut(rows, limit=limit, key=lambda row: (row["number"],), filters=filters)
        return schemas.Runs(reconciliations=[_run(row) for row in page.rows], next=page.next)

    async def cells(
        self, number: int, *, category: str = "", with_equal: bool = False, limit: int, offset: int = 0
    ) -> list[schemas.CellRow]:
        """Return cells, the largest difference first; only those that have one unless told otherwise."""
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(
                store.CELLS, number, category, with_equal, limit, offset, timeout=store.TIMEOUT_S
            )
        return [_cell(row) for row in rows]

    async def groups(self, number: int, by: schemas.By) -> schemas.Groups:
        """Return the cells summed by day, model or key."""
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(store.GROUPED, number, by, GROUPS_MAX, timeout=store.TIMEOUT_S)
        return schemas.Groups(
            by=by,
            groups=[
                schemas.Group(
                    key=row["key"], vendor_usd=usd(row["vendor_usd"]), ours_usd=usd(row["ours_usd"]),
                    difference_usd=usd(row["vendor_usd"] - row["ours_usd"]), cells=row["cells"],
                )
                for row in rows
            ],
        )  # fmt: skip

    async def compare(self, number: int, other: int | None) -> schemas.Comparison:
        """Return what changed since another run, or the one before of the same month.

        Raises:
            NotFound: either is not there.
            Conflict: there is none before, or it is not done.
            BadRequest: they are not of the same provider and month.
        """
        after = await self.one(number)
        async with raw_connection(self._engine) as connection:
            if other is None:
                other = await connection.fetchval(store.BEFORE, after.provider, _month(after.month), number)
            if other is None:
                raise Conflict(f"{number} is the first reconciliation of {after.provider} in {after.month}")
            before = await self.one(other)
            if (before.provider, before.month) != (after.provider, after.month):
                raise BadRequest(f"{other} is of {before.provider} in {before.month}, {number} of {after.provider} in "
                                 f"{after.month}: compare runs of one month")  # fmt: skip
            if before.report is None or after.report is None:
                raise Conflict("only reconciliations that are done can be compared")
            rows = await connection.fetch(_COMPARE, other, number, CHANGES_MAX + 1, timeout=store.TIMEOUT_S)
        return schemas.Comparison(
            before=other,
            after=number,
            vendor_change_usd=usd(Decimal(after.report.vendor_usd) - Decimal(before.report.vendor_usd)),
            ours_change_usd=usd(Decimal(after.report.ours_usd) - Decimal(before.report.ours_usd)),
            parts=_part_changes(before.report, after.report),
            cells=[_cell_change(row) for row in rows[:CHANGES_MAX]],
            is_complete=len(rows) <= CHANGES_MAX,
        )

    async def documents(self, number: int) -> list[schemas.Document]:
        """Return what a run's statement was read from."""
        async with raw_connection(self._engine) as connection:
            rows = await connection.fetch(store.DOCUMENTS, number, timeout=store.TIMEOUT_S)
        return [schemas.Document(**dict(row)) for row in rows]

    async def document(self, number: int, position: int) -> tuple[str, bytes]:
        """Return a document's name and its bytes as received. Raises NotFound."""
        async with raw_connection(self._engine) as connection:
            row = await connection.fetchrow(store.DOCUMENT, number, position, timeout=store.TIMEOUT_S)
        if row is None:
            raise NotFound(f"reconciliation {number} has no document {position}")
        return row["name"], gzip.decompress(row["body"])


def usd(value: Decimal) -> str:
    """The shortest plain decimal of an amount."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def _run(row: asyncpg.Record) -> schemas.Run:
    accepted = None
    if row["correction_id"] is not None:
        accepted = schemas.Accepted(
            correction_id=str(row["correction_id"]), booked_usd=usd(row["booked_usd"]),
            accepted_at=row["accepted_at"], actor=row["accepted_by"],
        )  # fmt: skip
    return schemas.Run(
        number=row["number"],
        provider=row["provider"],
        month=f"{row['month']:%Y-%m}",
        source=row["source"],
        is_nightly=row["is_nightly"],
        actor=row["actor"],
        state=row["state"],
        step=row["step"],
        error=row["error"],
        error_code=row["error_code"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        report=None if row["vendor_usd"] is None else _report(row),
        accepted=accepted,
    )


def _report(row: asyncpg.Record) -> schemas.Report:
    return schemas.Report(
        vendor_usd=usd(row["vendor_usd"]),
        ours_usd=usd(row["ours_usd"]),
        difference_usd=usd(row["vendor_usd"] - row["ours_usd"]),
        drift_usd=usd(row["drift_usd"]),
        unexplained_usd=usd(row["unexplained_usd"]),
        threshold=row["threshold"],
        is_within=row["is_within"],
        is_derived=row["is_derived"],
        settled_until=row["settled_until"],
        catalog_version=row["catalog_version"],
        cells=row["cells"],
        parts=[schemas.PartRow(**part) for part in msgspec.json.decode(row["parts"])],
        notes=msgspec.json.decode(row["notes"]),
    )


def _cell(row: asyncpg.Record) -> schemas.CellRow:
    parts: list[dict[str, Any]] = msgspec.json.decode(row["parts"])
    return schemas.CellRow(
        position=row["position"],
        category=row["category"],
        day=row["day"],
        key_id=row["key_id"],
        model=row["model"],
        meter=row["meter"],
        context=msgspec.json.decode(row["words"]),
        project=row["project"],
        skus=row["skus"],
        vendor_quantity=None if row["vendor_quantity"] is None else f"{row['vendor_quantity']:f}",
        our_quantity=f"{row['our_quantity']:f}",
        vendor_requests=row["vendor_requests"],
        our_requests=row["our_requests"],
        vendor_usd=usd(row["vendor_usd"]),
        ours_usd=usd(row["ours_usd"]),
        difference_usd=usd(row["vendor_usd"] - row["ours_usd"]),
        is_derived=row["is_derived"],
        notes=row["notes"],
        parts=[schemas.PartRow(**{**part, "amount_usd": usd(Decimal(part["amount_usd"]))}) for part in parts],
    )


def _part_changes(before: schemas.Report, after: schemas.Report) -> list[schemas.PartChange]:
    old = {part.category: part.amount_usd for part in before.parts}
    new = {part.category: part.amount_usd for part in after.parts}
    return [
        schemas.PartChange(category=each, before_usd=old.get(each, "0"), after_usd=new.get(each, "0"))
        for each in dict.fromkeys([*old, *new])
        if old.get(each) != new.get(each)
    ]


def _cell_change(row: asyncpg.Record) -> schemas.CellChange:
    return schemas.CellChange(
        day=row["day"], key_id=row["key_id"], model=row["model"], meter=row["meter"],
        vendor_before_usd=usd(row["vendor_before"]), vendor_after_usd=usd(row["vendor_after"]),
        ours_before_usd=usd(row["ours_before"]), ours_after_usd=usd(row["ours_after"]),
    )  # fmt: skip


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")
