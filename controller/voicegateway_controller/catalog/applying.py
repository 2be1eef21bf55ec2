"""A change of prices, done: planned and checked as a whole under a lock, then recorded in one transaction."""

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.catalog import schemas, store
from voicegateway_controller.catalog.cautions import cautions
from voicegateway_controller.catalog.changes import Changing, Step
from voicegateway_controller.catalog.live import LiveCatalog
from voicegateway_controller.catalog.snapshot import Snapshot, read_snapshot
from voicegateway_controller.catalog.stating import unpriced_parts
from voicegateway_controller.catalog.store import StoredRecord
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest, ControllerError
from voicegateway_controller.logs import get_logger
from voicegateway_shared.pricing import CatalogError

PROBLEMS_MAX: Final = 20
"""Mistakes told at once."""
Plan = Callable[[Snapshot, Changing], None]
_RECORD: Final = re.compile(r"price record ([0-9]+)")
_NOBODY: Final = UUID(int=0)
_log = get_logger(__name__)


class Applying:
    """Records changes; lives as long as the process."""

    def __init__(self, engine: AsyncEngine, live: LiveCatalog) -> None:
        self._engine = engine
        self._live = live

    async def apply(self, plan: Plan, *, reason: str, by: str, now: datetime, is_dry_run: bool) -> schemas.Applied:
        """Plan, check what would hold then, and record it; nothing is recorded when any of it is wrong.

        Raises what the plan raises, BadRequest when the prices would contradict each other, DatabaseUnavailable.
        """
        async with raw_connection(self._engine) as connection, connection.transaction():
            await store.lock(connection)
            records = await store.in_force(connection)
            revision = await store.newest_revision(connection)
            before = await self._before(records, revision)
            changing = Changing(list(records))
            # An import of thousands of rows is planned for longer than other requests may wait.
            await asyncio.to_thread(plan, before, changing)
            fresh = [step for step in changing.steps if step.action != "unchanged"]
            after = await self._after(records, fresh, revision, now) if fresh else before
            fresh = _identified(fresh, after, revision + 1)
            warnings = cautions(fresh, before, after, now=now)
            ids: list[int] = []
            if fresh and not is_dry_run:
                new = [step.record for step in fresh]
                ids = await store.append(connection, new, by=by, reason=reason, change=uuid4())
                await record_change(connection, _written_down(fresh, records, ids, by=by, reason=reason))
        if ids:
            await self._read_back(ids, by)
        numbers = iter(ids)
        unchanged = [step for step in changing.steps if step.action == "unchanged"]
        return schemas.Applied(
            revision=ids[-1] if ids else revision,
            is_changed=bool(fresh),
            is_dry_run=is_dry_run,
            changes=[
                *(_told(step, next(numbers, None)) for step in fresh),
                *(_told(step, None) for step in unchanged),
            ],
            warnings=warnings,
        )

    async def _before(self, records: Sequence[StoredRecord], revision: int) -> Snapshot:
        try:
            return await asyncio.to_thread(
                read_snapshot, self._live.base, records, revision=revision, memory=self._live.memory
            )
        except CatalogError:
            # What cannot be read can still be withdrawn.
            return Snapshot(
                revision=revision,
                catalog=self._live.base,
                records={each.id: each for each in records},
                verified={},
            )

    async def _after(
        self, records: Sequence[StoredRecord], steps: Sequence[Step], revision: int, now: datetime
    ) -> Snapshot:
        gone = {step.record.supersedes for step in steps}
        made = [
            _simulated(step, revision + 1 + index, now)
            for index, step in enumerate(steps)
            if step.record.kind != "withdrawal"
        ]
        held = [*(each for each in records if each.id not in gone), *made]
        if len(held) > store.RECORDS_MAX:
            raise BadRequest(f"{len(held)} managed prices would hold at once; at most {store.RECORDS_MAX} can")
        ours = {each.id for each in made}
        try:
            after = await asyncio.to_thread(
                read_snapshot, self._live.base, held, revision=revision, memory=self._live.memory
            )
        except CatalogError as error:
            raise BadRequest(_in_words("\n".join(error.problems[:PROBLEMS_MAX]), ours)) from error
        prices = [price for price in after.catalog.prices if (own := after.record_of(price)) and own.id in ours]
        if problems := unpriced_parts(after.catalog, [price for price in prices if price.discount is None]):
            raise BadRequest("\n".join(problems[:PROBLEMS_MAX]))
        return after

    async def _read_back(self, ids: Sequence[int], by: str) -> None:
        _log.info("prices.recorded", revision=ids[-1], records=len(ids), by=by)
        try:
            await self._live.refresh()
        except ControllerError as error:
            # It is committed; the next poll learns it.
            _log.warning("prices.not_read_back", error=str(error))


def _written_down(
    steps: Sequence[Step], records: Sequence[StoredRecord], ids: Sequence[int], *, by: str, reason: str
) -> Change:
    """What the audit log keeps of a change: each record that holds no more, and each that holds now."""
    held = {each.id: each for each in records}
    gone = [held[number] for step in steps if (number := step.record.supersedes) is not None and number in held]
    providers = {step.record.provider for step in steps}
    projects = {step.record.scope if step.record.layer == "project" else "" for step in steps}
    return Change(
        actor=by,
        action="prices.change",
        resource=f"prices/{providers.pop()}" if len(providers) == 1 else "prices",
        project=projects.pop() if len(projects) == 1 else "",
        reason=reason,
        before=[
            {
                "id": each.id,
                "price_id": each.price_id,
                "content": each.content,
                "effective_from": each.effective_from,
                "effective_to": each.effective_to,
            }
            for each in gone
        ]
        or None,
        after=[
            {
                "id": number,
                "action": step.action,
                "kind": step.record.kind,
                "layer": step.record.layer,
                "scope": step.record.scope,
                "price_id": step.record.price_id,
                "content": step.content,
                "effective_from": step.record.effective_from,
                "effective_to": step.record.effective_to,
            }
            for number, step in zip(ids, steps, strict=True)
        ],
    )


def _identified(steps: Sequence[Step], after: Snapshot, first: int) -> list[Step]:
    """The steps with the ids of their prices: a piece that begins later has another, and so has a contract."""
    ids = {own.id: price.price_id for price in after.catalog.prices if (own := after.record_of(price))}
    named: list[Step] = []
    for index, step in enumerate(steps):
        record = step.record
        if record.kind == "price":
            record = msgspec.structs.replace(record, price_id=ids[first + index])
        named.append(Step(action=step.action, record=record, content=step.content, before_amount=step.before_amount))
    return named


def _simulated(step: Step, record_id: int, now: datetime) -> StoredRecord:
    record = step.record
    return StoredRecord(
        id=record_id,
        kind=record.kind,
        provider=record.provider,
        layer=record.layer,
        scope=record.scope,
        content=step.content,
        price_id=record.price_id,
        effective_from=record.effective_from,
        effective_to=record.effective_to,
        recorded_at=now,
        recorded_by="-",
        reason="-",
        source_url=record.source_url,
        source_via=record.source_via,
        verified_on=record.verified_on,
        confidence=record.confidence,
        change=_NOBODY,
        supersedes=record.supersedes,
    )


def _in_words(text: str, ours: Collection[int]) -> str:
    """The problems, in which records that do not exist yet are called by what they are."""
    return _RECORD.sub(lambda match: "the new price" if int(match[1]) in ours else f"record {match[1]}", text)


def _told(step: Step, record_id: int | None) -> schemas.Changed:
    record = step.record
    kind = record.kind if record.kind != "withdrawal" else "price"
    return schemas.Changed(
        action=step.action,
        record_id=record_id,
        kind=kind,
        provider=record.provider,
        price_id=record.price_id,
        content=dict(step.content),
        effective_from=record.effective_from,
        effective_to=record.effective_to,
        before_amount=step.before_amount,
    )
