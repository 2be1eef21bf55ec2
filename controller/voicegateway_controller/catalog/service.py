"""Prices: set, discounted, imported, verified, withdrawn; each change is a step of records, checked as a whole."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.catalog import schemas, store
from voicegateway_controller.catalog.applying import Applying
from voicegateway_controller.catalog.bringing import (
    file_batch,
    new_record,
    plan_batch,
    read_file,
    read_rows,
    standing,
    visible,
)
from voicegateway_controller.catalog.changes import Changing, Step, amount_of, is_same
from voicegateway_controller.catalog.live import LiveCatalog
from voicegateway_controller.catalog.snapshot import Snapshot
from voicegateway_controller.catalog.stating import stated_rows
from voicegateway_controller.catalog.store import NewRecord, StoredRecord
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.declared import refuse_odd_texts
from voicegateway_controller.errors import BadRequest, NotFound
from voicegateway_shared.pricing import Document, Price, Scope, write_row
from voicegateway_shared.pricing.managed import Provenance, read_row, source_of
from voicegateway_shared.pricing.price import CONTRACT_RANK

LINEAGE_MAX: Final = 64
"""Closings of one price that are followed back to where it was set."""


class Prices:
    """Changes managed prices; lives as long as the process."""

    def __init__(self, engine: AsyncEngine, live: LiveCatalog) -> None:
        self._engine = engine
        self._live = live
        self._applying = Applying(engine, live)
        self._reading = asyncio.Semaphore(1)

    async def set(self, asked: schemas.SetPrice, *, by: str) -> schemas.Applied:
        """Record a price; the one it follows is closed at its start.

        Raises BadRequest with the key that is wrong, Conflict where a person must decide.
        """
        scope, now = scope_of(asked), datetime.now(UTC)
        start = _start(asked, now)

        def plan(snapshot: Snapshot, changing: Changing) -> None:
            rows = stated_rows(
                snapshot.catalog,
                asked.price,
                provider=asked.provider,
                model=asked.model,
                modality=asked.modality,
                scope=scope,
                at=start,
            )
            provenance = Provenance(
                origin="price",
                source=source_of(url=asked.source_url, read_on=asked.verified_on or now.date()),
                effective_from=start,
                effective_to=asked.effective_to,
            )
            for row in rows:
                row.setdefault("confidence", "published")
                for price in self._read(snapshot, row, asked.provider, scope, provenance):
                    content = {**write_row(price), **({"aliases": row["aliases"]} if row.get("aliases") else {})}
                    before = standing(visible(snapshot, scope), price, start)
                    changing.put(
                        new_record(price, content, scope),
                        content,
                        is_replacing=asked.is_replacing,
                        before_amount=amount_of(write_row(before)) if before is not None else None,
                    )

        return await self._applying.apply(plan, reason=asked.reason, by=by, now=now, is_dry_run=asked.is_dry_run)

    async def discount(self, asked: schemas.SetDiscount, *, by: str) -> schemas.Applied:
        """Record a share of the list price. Raises what `set` raises."""
        named = {key: getattr(asked, key) for key in ("model", "modality", "meter") if getattr(asked, key)}
        content = {**named, **({"when": asked.when} if asked.when else {}), "multiplier": asked.multiplier}
        return await self._put("discount", asked, content, by=by, source_url=asked.source_url)

    async def plan(self, asked: schemas.SetPlan, *, by: str) -> schemas.Applied:
        """Record which of a vendor's plans requests are on. Raises what `set` raises."""
        return await self._put("plan", asked, {"plan": asked.plan}, by=by)

    async def credit_price(self, asked: schemas.SetCreditPrice, *, by: str) -> schemas.Applied:
        """Record what a plan's credits cost. Raises what `set` raises."""
        content = {"plan": asked.plan, "amount": asked.amount, "per": asked.per}
        return await self._put(
            "credit_price", asked, content, by=by, source_url=asked.source_url, verified_on=asked.verified_on
        )

    async def bring(self, asked: schemas.ImportPrices, *, by: str) -> schemas.Imported:
        """Import a price file or rows; whatever prices alike already is left alone. Raises what `set` raises."""
        scope, now = scope_of(asked), datetime.now(UTC)
        start = (asked.effective_from or now).replace(microsecond=0)
        if (asked.file is None) == (asked.rows is None):
            raise BadRequest("give either file (the text of a price file) or rows")
        told: list[str] = []
        document = await self._read_file(asked.file, asked.name) if asked.file is not None else None

        def plan(snapshot: Snapshot, changing: Changing) -> None:
            if document is not None:
                batch = file_batch(document, snapshot.catalog)
            else:
                batch = read_rows(
                    asked.rows or (),
                    provider=asked.provider,
                    scope=scope,
                    catalog=snapshot.catalog,
                    today=now.date(),
                )
            told.extend(batch.warnings)
            plan_batch(batch, snapshot, changing, scope=scope, start=start)

        applied = await self._applying.apply(plan, reason=asked.reason, by=by, now=now, is_dry_run=asked.is_dry_run)
        changes = [each for each in applied.changes if each.action != "unchanged"]
        rows = [each for each in changes if each.kind == "price" and each.action in ("added", "replaced")]
        changed = sum(1 for each in rows if each.before_amount is not None)
        return schemas.Imported(
            revision=applied.revision,
            is_dry_run=applied.is_dry_run,
            added=len(rows) - changed,
            changed=changed,
            unchanged=len(applied.changes) - len(changes),
            changes=changes,
            warnings=[*told, *applied.warnings],
        )

    async def verify(self, asked: schemas.Verify, *, by: str) -> schemas.Applied:
        """Record that prices were read at their source again, unchanged; NotFound names those that nobody knows."""
        now = datetime.now(UTC)
        day = asked.verified_on or now.date()
        if day > now.date():
            raise BadRequest(f"verified_on: {day} has not come yet")

        def plan(snapshot: Snapshot, changing: Changing) -> None:
            for price_id in dict.fromkeys(asked.price_ids):
                price = snapshot.catalog.price(price_id)
                if price is None:
                    raise NotFound(f"no price {price_id!r} in the catalogue; see GET /api/v1/prices")
                before = snapshot.verification(price)
                new = NewRecord(
                    kind="verification",
                    provider=price.provider,
                    layer="list" if price.rank < CONTRACT_RANK else price.layer,
                    scope=price.scope,
                    content="{}",
                    price_id=price_id,
                    source_url=asked.source_url or price.source.url,
                    verified_on=day,
                )
                is_known = before.on >= day
                changing.steps.append(Step(action="unchanged" if is_known else "verified", record=new, content={}))

        return await self._applying.apply(plan, reason=asked.reason, by=by, now=now, is_dry_run=False)

    async def withdraw(self, record: StoredRecord, *, reason: str, by: str, is_dry_run: bool) -> schemas.Applied:
        """Record that a record no longer holds; what it had closed or replaced holds again in its window."""
        now = datetime.now(UTC)
        async with raw_connection(self._engine) as connection:
            earlier, origin = await _lineage(connection, record)

        def plan(snapshot: Snapshot, changing: Changing) -> None:
            held = snapshot.records.get(record.id)
            if held is None or record.kind == "withdrawal":
                raise NotFound(f"record {record.id} is not in force: another one stands in for it, or withdrew it")
            changing.withdraw(held, origin=origin, earlier=earlier)

        return await self._applying.apply(plan, reason=reason, by=by, now=now, is_dry_run=is_dry_run)

    async def in_force(self, *, price_id: str) -> StoredRecord:
        """Return the record in force that states a price; NotFound when none does."""
        snapshot = await self._fresh()
        found = next(
            (each for each in snapshot.records.values() if each.price_id == price_id and each.kind == "price"), None
        )
        if found is not None:
            return found
        if snapshot.catalog.price(price_id) is not None:
            raise BadRequest(f"{price_id!r} is no record of its own: the package ships it, or a discount makes it")
        raise NotFound(f"no managed price {price_id!r}")

    async def record(self, record_id: int) -> StoredRecord:
        """Return a record by its number, in force or not; NotFound when there is none."""
        async with raw_connection(self._engine) as connection:
            found = (await store.records(connection, [record_id])).get(record_id)
        if found is None:
            raise NotFound(f"no price record {record_id}")
        return found

    async def _read_file(self, text: str, name: str) -> Document:
        # Beside the loop, one at a time, and before other changes have to wait: a megabyte takes a second.
        async with self._reading:
            return await asyncio.to_thread(read_file, text, name=name)

    async def _fresh(self) -> Snapshot:
        await self._live.refresh()
        return self._live.snapshot()

    async def _put(
        self,
        kind: store.Kind,
        asked: schemas.SetDiscount | schemas.SetPlan | schemas.SetCreditPrice,
        content: Mapping[str, Any],
        *,
        by: str,
        source_url: str = "",
        verified_on: date | None = None,
    ) -> schemas.Applied:
        scope, now = scope_of(asked), datetime.now(UTC)
        refuse_odd_texts(content, kind)
        new = NewRecord(
            kind=kind,
            provider=asked.provider,
            layer=scope.layer,
            scope=scope.of,
            content=msgspec.json.encode(content).decode(),
            effective_from=_start(asked, now),
            effective_to=asked.effective_to,
            source_url=source_url,
            verified_on=verified_on or now.date(),
        )

        def plan(snapshot: Snapshot, changing: Changing) -> None:
            changing.put(new, content, is_replacing=False)

        return await self._applying.apply(plan, reason=asked.reason, by=by, now=now, is_dry_run=asked.is_dry_run)

    def _read(
        self, snapshot: Snapshot, row: Mapping[str, Any], provider: str, scope: Scope, provenance: Provenance
    ) -> list[Price]:
        refuse_odd_texts(row, "price", text_chars_max=schemas.TEXT_CHARS_MAX)
        read = read_row(
            row,
            provider=provider,
            scope=scope,
            conditions=snapshot.catalog.conditions(provider),
            provenance=provenance,
        )
        if read.problems:
            raise BadRequest("\n".join(read.problems))
        return read.prices


def scope_of(asked: Any) -> Scope:
    """Return for whom a change is; BadRequest when it names two."""
    if asked.project and asked.account:
        raise BadRequest("project, account: a price is agreed for one of them; record one for each")
    refuse_odd_texts([asked.project, asked.account, asked.reason], "change", text_chars_max=schemas.TEXT_CHARS_MAX)
    if asked.project:
        return Scope(layer="project", of=asked.project)
    return Scope(layer="account", of=asked.account) if asked.account else Scope()


def _start(asked: Any, now: datetime) -> datetime:
    # Whole seconds: two changes within one are one price that was corrected.
    start: datetime = (asked.effective_from or now).astimezone(UTC).replace(microsecond=0)
    if asked.effective_to is not None and asked.effective_to <= start:
        raise BadRequest(f"effective_to: must be after {start.isoformat()}, where the price begins")
    return start


async def _lineage(connection: Connection, record: StoredRecord) -> tuple[dict[int, StoredRecord], StoredRecord]:
    """Return the records that came before, and the one in which this price was first set."""
    earlier: dict[int, StoredRecord] = {}
    origin = record
    for _ in range(LINEAGE_MAX):
        if origin.supersedes is None:
            break
        found = await store.records(connection, [origin.supersedes])
        earlier |= found
        before = found[origin.supersedes]
        if not is_same(before.content, origin.content):
            break
        origin = before
    siblings = await store.of_change(connection, origin.change)
    earlier |= await store.records(connection, [each.supersedes for each in siblings if each.supersedes is not None])
    return earlier, origin
