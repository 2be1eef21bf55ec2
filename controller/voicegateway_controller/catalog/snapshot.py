"""Records read into a catalogue: all of them, or an error that names the one that cannot be read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from voicegateway_controller.catalog.store import NewRecord, StoredRecord
from voicegateway_shared.pricing import Catalog, CatalogError, Derivation, Document, Managed, PlanWindow, Scope
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.managed import (
    Provenance,
    read_context,
    read_derivation,
    read_plan,
    read_row,
    source_of,
)
from voicegateway_shared.pricing.price import Price

_ORIGIN: Final = "price record "
Memory = dict[tuple[int, tuple[int, ...]], Document]
"""Rows that were read, by their record and the records of the context keys that they were read with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Who read a price at its source again, and when."""

    on: date
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The prices of one revision: the catalogue and the records it was read from."""

    revision: int
    catalog: Catalog
    records: Mapping[int, StoredRecord]
    verified: Mapping[str, Verification]

    def record_of(self, price: Price) -> StoredRecord | None:
        """Return the record that states a price; None for what the package ships."""
        return self.records.get(int(price.origin.removeprefix(_ORIGIN))) if is_managed(price) else None

    def verification(self, price: Price) -> Verification:
        """Return who read a price at its source last."""
        record = self.record_of(price)
        first = Verification(on=price.source.read_on, by=record.recorded_by if record is not None else "")
        again = self.verified.get(price.price_id)
        return again if again is not None and again.on >= first.on else first


def is_managed(price: Price) -> bool:
    """Say whether a record states the price, and not the package."""
    return price.origin.startswith(_ORIGIN)


def read_snapshot(
    base: Catalog, records: Sequence[StoredRecord], *, revision: int, memory: Memory | None = None
) -> Snapshot:
    """Return the catalogue of `base` with these records.

    `memory` has rows that were read before, for records never change; rows that are read now are added to it.

    Raises:
        CatalogError: a record cannot be read, or two contradict each other; the message says which and why.
    """
    return Snapshot(
        revision=revision,
        catalog=base.with_managed(_managed(base, records, revision, {} if memory is None else memory))
        if any(map(_is_price, records))
        else base,
        records={record.id: record for record in records},
        verified=_verified(records),
    )


def scope_of(record: StoredRecord | NewRecord) -> Scope:
    """Return for whom a record is."""
    return Scope(layer=record.layer, of=record.scope)


def _is_price(record: StoredRecord) -> bool:
    return record.kind != "verification"


def _verified(records: Iterable[StoredRecord]) -> dict[str, Verification]:
    verified: dict[str, Verification] = {}
    for record in records:
        if record.kind == "verification" and record.price_id is not None and record.verified_on is not None:
            before = verified.get(record.price_id)
            if before is None or before.on <= record.verified_on:
                verified[record.price_id] = Verification(on=record.verified_on, by=record.recorded_by)
    return verified


def _managed(base: Catalog, records: Sequence[StoredRecord], revision: int, memory: Memory) -> Managed:
    documents: list[Document] = []
    derivations: list[Derivation] = []
    plans: list[PlanWindow] = []
    conditions: dict[str, dict[str, Condition]] = {}
    contexts: dict[str, tuple[int, ...]] = {}
    for record in sorted(records, key=lambda each: each.kind != "context"):
        known = conditions.get(record.provider)
        if known is None:
            known = conditions[record.provider] = dict(base.conditions(record.provider))
        origin = f"{_ORIGIN}{record.id}"
        if record.kind == "context":
            read = read_context(record.content, provider=record.provider, known=known, origin=origin)
            known.update(read.conditions)
            contexts[record.provider] = (*contexts.get(record.provider, ()), record.id)
            documents.append(read)
        elif record.kind == "price":
            key = (record.id, contexts.get(record.provider, ()))
            document = memory.get(key)
            if document is None:
                document = read_row(
                    record.content,
                    provider=record.provider,
                    scope=scope_of(record),
                    conditions=known,
                    provenance=_provenance(record, origin),
                )
                # A record beyond the revision is one that is only planned.
                if record.id <= revision and not document.problems:
                    memory[key] = document
            documents.append(document)
        elif record.kind == "plan":
            plans.append(
                read_plan(
                    record.content,
                    provider=record.provider,
                    scope=scope_of(record),
                    conditions=known,
                    provenance=_provenance(record, origin),
                )
            )
        elif record.kind in ("discount", "credit_price"):
            derivations.append(
                read_derivation(
                    record.content,
                    provider=record.provider,
                    scope=scope_of(record),
                    conditions=known,
                    provenance=_provenance(record, origin),
                )
            )
    problems = [f"{each.name}: {problem}" for each in documents for problem in each.problems]
    if problems:
        raise CatalogError(problems)
    return Managed(documents=tuple(documents), derivations=tuple(derivations), plans=tuple(plans))


def _provenance(record: StoredRecord, origin: str) -> Provenance:
    return Provenance(
        origin=origin,
        source=source_of(
            url=record.source_url, read_on=record.verified_on or record.recorded_at.date(), via=record.source_via
        ),
        effective_from=record.effective_from,
        effective_to=record.effective_to,
        recorded_at=record.recorded_at,
    )
