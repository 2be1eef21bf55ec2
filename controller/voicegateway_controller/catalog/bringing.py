"""Rows that are brought in, as a price file or one by one: read, and held against those that hold already. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, datetime
from typing import Any, Final

import msgspec

from voicegateway_controller.catalog.changes import Changing, Step, amount_of, is_same
from voicegateway_controller.catalog.schemas import TEXT_CHARS_MAX
from voicegateway_controller.catalog.snapshot import Snapshot
from voicegateway_controller.catalog.store import NewRecord
from voicegateway_controller.declared import refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.pricing import Catalog, Document, Price, Scope, Source, read_document, write_row
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.managed import Provenance, read_row, source_of
from voicegateway_shared.pricing.price import CONTRACT_RANK

PROBLEMS_MAX: Final = 20
"""Mistakes told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """One row, read; `content` is what is recorded of it."""

    price: Price
    content: Mapping[str, Any]


@dataclass(slots=True)
class Batch:
    """Everything that one import brings."""

    provider: str
    rows: list[Brought] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    """Context keys, and words of them, that the catalogue does not have."""
    warnings: list[str] = field(default_factory=list)


def read_file(text: str, *, name: str) -> Document:
    """Read a whole price file; BadRequest lists its mistakes, each with line, row and key."""
    document = read_document(text, name=name)
    _refuse(document.problems)
    return document


def file_batch(document: Document, catalog: Catalog) -> Batch:
    """Return what a price file brings to a catalogue."""
    batch = Batch(document.provider, context=new_context(document.conditions, catalog.conditions(document.provider)))
    aliases = _new_aliases(document, catalog)
    for price in document.prices:
        batch.rows.append(Brought(price=price, content=_content(price, aliases.pop(price.model, ()))))
    return batch


def read_rows(
    rows: Sequence[Mapping[str, Any]], *, provider: str, scope: Scope, catalog: Catalog, today: date
) -> Batch:
    """Read rows of one provider; BadRequest lists their mistakes, each with its place and key."""
    if not provider:
        raise BadRequest("provider: is missing; say whose rows these are")
    batch = Batch(provider)
    problems: list[str] = []
    for index, row in enumerate(rows):
        where = f"rows[{index}]"
        try:
            refuse_odd_texts(row, where, text_chars_max=TEXT_CHARS_MAX)
            own = {key: value for key, value in row.items() if key not in ("effective_from", "effective_to", "source")}
            provenance = Provenance(
                origin=where,
                source=_source(row.get("source"), where=where, today=today),
                effective_from=instant_of(row.get("effective_from"), where=f"{where}.effective_from"),
                effective_to=instant_of(row.get("effective_to"), where=f"{where}.effective_to"),
            )
        except BadRequest as error:
            problems.append(str(error))
            continue
        own.setdefault("confidence", "published")
        read = read_row(
            own, provider=provider, scope=scope, conditions=catalog.conditions(provider), provenance=provenance
        )
        problems += read.problems
        for model, aliases in read.names:
            fresh = [alias for alias in aliases if catalog.name(provider, alias) != model]
            batch.rows += [Brought(price=price, content=_content(price, fresh)) for price in read.prices]
    _refuse(problems)
    return batch


def instant_of(value: object, *, where: str) -> datetime | None:
    """Read an instant as JSON has it; BadRequest when it is none in a zone."""
    if value is None or isinstance(value, datetime):
        return value
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not MINYEAR < instant.year < MAXYEAR:
        raise BadRequest(f"{where}: {value!r} must be an instant such as 2026-10-01T07:00:00Z")
    return instant


def new_context(brought: Mapping[str, Condition], known: Mapping[str, Condition]) -> dict[str, Any]:
    """Return the context keys, as a price file writes them, that are not known or say more than is known."""
    fresh: dict[str, Any] = {}
    for key, condition in brought.items():
        before = known.get(key)
        if before is not None and _says_no_more(condition, before):
            continue
        values: dict[str, list[str]] = {}
        for word, value in condition.synonyms.items():
            values.setdefault(value, []).append(word)
        otherwise = {"otherwise": condition.otherwise} if condition.otherwise is not None else {}
        fresh[key] = {"default": condition.default, "values": values, **otherwise}
    return fresh


def by_spot(prices: Iterable[Price]) -> dict[tuple[object, ...], list[Price]]:
    """Return prices by what they are for: two of one spot and instant stand in each other's place."""
    spots: dict[tuple[object, ...], list[Price]] = {}
    for price in prices:
        spots.setdefault(_spot(price), []).append(price)
    return spots


def _spot(price: Price) -> tuple[object, ...]:
    return (price.provider, price.model, price.modality, price.meter, tuple(sorted(price.when)))


def standing(prices: Iterable[Price], new: Price, at: datetime) -> Price | None:
    """Return the price that holds at an instant in the place of a new one, of the highest rank."""
    own = _spot(new)
    found = [
        price
        for price in prices
        if _spot(price) == own
        and (price.effective_from is None or price.effective_from <= at)
        and (price.effective_to is None or at < price.effective_to)
    ]
    return max(found, key=lambda price: price.rank, default=None)


def reaches(price: Price, new: NewRecord) -> bool:
    """Whether a price holds in the whole window of a new one."""
    starts = price.effective_from is None or (
        new.effective_from is not None and price.effective_from <= new.effective_from
    )
    return starts and (
        price.effective_to is None or (new.effective_to is not None and new.effective_to <= price.effective_to)
    )


def plan_batch(batch: Batch, snapshot: Snapshot, changing: Changing, *, scope: Scope, start: datetime) -> None:
    """Plan what an import changes. A row without a start, for what has a price already, holds from `start` on."""
    if batch.context:
        record = NewRecord(
            kind="context",
            provider=batch.provider,
            layer="list",
            scope="",
            content=msgspec.json.encode(batch.context).decode(),
        )
        changing.steps.append(Step(action="added", record=record, content=batch.context))
    around = by_spot(visible(snapshot, scope))
    for brought in batch.rows:
        price = brought.price
        beside = around.get(_spot(price), ())
        # A contract that asks what the list asks is one all the same: it holds when the list changes.
        rivals = [each for each in beside if (each.layer, each.scope) == (scope.layer, scope.of)]
        before = standing(rivals, price, price.effective_from or start)
        new = new_record(price, brought.content, scope)
        if price.effective_from is None and (before is not None or scope.rank):
            new = msgspec.structs.replace(new, effective_from=start)
        if before is not None and is_same(write_row(before), brought.content) and reaches(before, new):
            changing.steps.append(Step(action="unchanged", record=new, content=brought.content))
            continue
        before = before or standing(beside, price, price.effective_from or start)
        amount = amount_of(write_row(before)) if before is not None else None
        changing.put(new, brought.content, is_replacing=True, before_amount=amount)


def visible(snapshot: Snapshot, scope: Scope) -> list[Price]:
    """The prices that a new one of this scope stands before, or in the place of."""
    return [
        price
        for price in snapshot.catalog.prices
        if price.rank < CONTRACT_RANK or ((price.layer, price.scope) == (scope.layer, scope.of) and not price.discount)
    ]


def new_record(price: Price, content: Mapping[str, Any], scope: Scope) -> NewRecord:
    """Return the record that states a price."""
    return NewRecord(
        kind="price",
        provider=price.provider,
        layer=scope.layer,
        scope=scope.of,
        content=msgspec.json.encode(content).decode(),
        price_id=price.price_id,
        effective_from=price.effective_from,
        effective_to=price.effective_to,
        source_url=price.source.url,
        source_via=price.source.via,
        verified_on=price.source.read_on,
        confidence=price.confidence,
    )


def _says_no_more(condition: Condition, before: Condition) -> bool:
    is_alike = (before.default, before.otherwise) == (condition.default, condition.otherwise)
    return is_alike and all(before.synonyms.get(word) == value for word, value in condition.synonyms.items())


def _content(price: Price, aliases: Iterable[str]) -> dict[str, Any]:
    named = list(aliases)
    return {**write_row(price), **({"aliases": named} if named else {})}


def _new_aliases(document: Document, catalog: Catalog) -> dict[str, tuple[str, ...]]:
    aliases: dict[str, tuple[str, ...]] = {}
    for model, names in document.names:
        fresh = tuple(name for name in names if catalog.name(document.provider, name) != model)
        if fresh:
            aliases[model] = (*aliases.get(model, ()), *fresh)
    return aliases


def _source(value: object, *, where: str, today: date) -> Source:
    if value is None:
        return source_of(url="", read_on=today)
    if not isinstance(value, Mapping) or not isinstance(value.get("url"), str):
        raise BadRequest(f"{where}.source: must be {{url, read_on: YYYY-MM-DD, via}}")
    try:
        read_on = date.fromisoformat(str(value["read_on"])) if value.get("read_on") else today
    except ValueError:
        raise BadRequest(f"{where}.source.read_on: {value['read_on']!r} must be a day such as 2026-10-01") from None
    return source_of(url=value["url"], read_on=read_on, via=str(value.get("via") or ""))


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"\nand {len(problems) - PROBLEMS_MAX} more" if len(problems) > PROBLEMS_MAX else ""
        raise BadRequest("\n".join(problems[:PROBLEMS_MAX]) + more)
