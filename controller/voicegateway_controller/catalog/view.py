"""Prices as people read them: which hold, in which layer, who wins over whom, how fresh they are. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from voicegateway_controller.catalog import schemas
from voicegateway_controller.catalog.snapshot import Snapshot, is_managed
from voicegateway_shared.pricing import Price
from voicegateway_shared.pricing.price import ANY_ACCOUNT
from voicegateway_shared.pricing.written import write_row

STALE_DAYS: Final = 60
"""Vendors change prices a few times a year; a price that nobody read for longer is told as stale."""
_ANY: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which prices are asked for; what is empty may be anything."""

    provider: str = _ANY
    model: str = _ANY
    modality: str = _ANY
    meter: str = _ANY
    layer: str = _ANY
    project: str = _ANY
    account: str = _ANY
    at: datetime | None = None
    """Only those that hold then; None: of all times."""
    is_stale: bool | None = None


def rows(snapshot: Snapshot, wanted: Wanted, *, allows: Callable[[str], bool], today: date) -> list[schemas.PriceRow]:
    """Return the prices asked for, in the order of provider, model, modality, meter, context and rank."""
    named = snapshot.catalog.name(wanted.provider, wanted.model) if wanted.provider and wanted.model else wanted.model
    seen = [price for price in snapshot.catalog.prices if _is_seen(price, wanted, allows)]
    found = [price for price in seen if _is_wanted(price, wanted, named)]
    rivals: dict[tuple[str, str, str], list[Price]] = {}
    for price in seen:
        if price.rank:
            rivals.setdefault((price.provider, price.model, price.modality), []).append(price)
    made = []
    for price in sorted(found, key=_order):
        above = rivals.get((price.provider, price.model, price.modality), ())
        row = row_of(price, snapshot, today=today, overridden_by=_winners(price, above))
        if wanted.is_stale is None or row.is_stale == wanted.is_stale:
            made.append(row)
    return made


def row_of(price: Price, snapshot: Snapshot, *, today: date, overridden_by: Sequence[str] = ()) -> schemas.PriceRow:
    """Return one price as people read it."""
    record, verification = snapshot.record_of(price), snapshot.verification(price)
    days = max((today - verification.on).days, 0)
    rate = price.credit_rate
    return schemas.PriceRow(
        price_id=price.price_id,
        provider=price.provider,
        model=price.model,
        modality=price.modality,
        meter=price.meter,
        layer=layer_of(price),
        scope=price.scope,
        amount=price.amount,
        currency="USD" if rate is None else "credits",
        per=str(write_row(price)["per"]),
        list_amount=price.list_amount,
        credit_price=None
        if rate is None
        else schemas.CreditPrice(plan=rate.plan, amount=rate.amount, credits=rate.credits),
        multiplier=price.multiplier,
        discount=price.discount,
        basis=_basis(price),
        tiers=None
        if price.tiers is None
        else schemas.TiersOf(
            kind=price.tiers.kind,
            basis=price.tiers.basis,
            steps=[schemas.Step(above=step.above, amount=step.amount) for step in price.tiers.steps],
        ),
        when=dict(price.when),
        effective_from=price.effective_from,
        effective_to=price.effective_to,
        recorded_at=price.recorded_at,
        record_id=record.id if record is not None else None,
        recorded_by=record.recorded_by if record is not None else "",
        reason=record.reason if record is not None else "",
        source=schemas.SourceOf(url=price.source.url, read_on=price.source.read_on, via=price.source.via),
        confidence=price.confidence,
        note=price.note,
        verified_on=verification.on,
        verified_by=verification.by,
        verified_days=days,
        is_stale=days > STALE_DAYS,
        overridden_by=list(overridden_by),
    )


def layer_of(price: Price) -> schemas.LayerName:
    """Name the layer of a price."""
    if price.layer == "list":
        return "managed" if is_managed(price) else "builtin"
    return price.layer


def reaches(price: Price, *, project: str, account: str) -> bool:
    """Whether a price is for everybody, or for this project, or this key."""
    if price.layer == "project":
        return price.scope == project
    return price.layer == "list" or price.scope in (ANY_ACCOUNT, account)


def _is_seen(price: Price, wanted: Wanted, allows: Callable[[str], bool]) -> bool:
    if price.layer == "project" and not allows(price.scope):
        return False
    if (wanted.project or wanted.account) and not reaches(price, project=wanted.project, account=wanted.account):
        return False
    at = wanted.at
    if at is None:
        return True
    has_begun = price.effective_from is None or price.effective_from <= at
    return has_begun and (price.effective_to is None or at < price.effective_to)


def _is_wanted(price: Price, wanted: Wanted, model: str) -> bool:
    return (
        price.provider == (wanted.provider or price.provider)
        and price.model in ((model, wanted.model) if model else (price.model,))
        and price.modality == (wanted.modality or price.modality)
        and wanted.meter in (_ANY, price.meter, *price.fallback)
        and layer_of(price) == (wanted.layer or layer_of(price))
    )


def _winners(price: Price, above: Iterable[Price]) -> list[str]:
    meters = {price.meter, *price.fallback}
    return [
        other.price_id
        for other in above
        if other.rank > price.rank
        and not meters.isdisjoint((other.meter, *other.fallback, *other.instead_of))
        and other.is_compatible(price)
        and _may_meet(price, other)
    ]


def _may_meet(price: Price, other: Price) -> bool:
    """A project's price wins over a key's; two projects, or two keys, never meet."""
    return price.layer != other.layer or price.scope == other.scope or ANY_ACCOUNT in (price.scope, other.scope)


def _basis(price: Price) -> schemas.Basis:
    return schemas.Basis(
        fallback=list(price.fallback),
        minus=list(price.minus),
        plus=list(price.plus),
        not_billed=list(price.not_billed),
        instead_of=list(price.instead_of),
        times=price.times,
        minimum=price.minimum,
        increment=price.increment,
        rounding=price.rounding,
        rounding_scope=price.rounding_scope,
    )


def _order(price: Price) -> tuple[object, ...]:
    start = price.effective_from.timestamp() if price.effective_from is not None else 0.0
    place = (price.provider, price.model, price.modality, price.meter, sorted(price.when))
    return (*place, price.rank, price.scope, start, price.price_id)
