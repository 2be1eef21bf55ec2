"""Our list prices held against another price map: what differs, what of it is explained, and what is new."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final, Literal

from voicegateway_controller.catalog.importing.known_differences import KNOWN, KnownDifference
from voicegateway_controller.catalog.importing.published import Published, PublishedModel
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.selection import ModelPrices

ROUNDING: Final = Fraction(1, 1_000)
"""Below a thousandth it is how a map wrote the number down: 0.15 an hour as 4.167e-05 a second."""
Status = Literal["agrees", "known", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One price of ours beside theirs; amounts are exact pico-dollars for a base unit, `what` says what differs."""

    provider: str
    model: str
    their_model: str
    meter: str
    when: Mapping[str, str]
    ours: Price
    theirs: Published
    what: str
    status: Status
    reason: str = ""

    @property
    def ratio(self) -> Fraction | None:
        """Theirs over ours, or None where ours is nothing."""
        ours = self.ours.pico_usd_per_base(self.ours.amount)
        return self.theirs.pico_usd_per_base / ours if ours else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Everything that was compared, and what stands on one side only (provider/model)."""

    against: str
    compared: tuple[Comparison, ...]
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]

    def of(self, status: Status) -> tuple[Comparison, ...]:
        return tuple(each for each in self.compared if each.status == status)


def compare(
    catalog: Catalog,
    models: Iterable[PublishedModel],
    *,
    at: datetime,
    against: str,
    is_rounded: bool,
    known: Iterable[KnownDifference] = KNOWN,
) -> Drift:
    """Return how our list prices of an instant and another map's differ.

    Args:
        against: the map's short name, as known differences use it.
        is_rounded: it has floats; differences below a thousandth are how it writes, not what it says.
    """
    reviewed = {(each.against, each.provider, each.model, each.meter, each.when): each for each in known}
    ours = {price.provider for price in catalog.prices}
    compared: list[Comparison] = []
    matched: set[tuple[str, str]] = set()
    only_theirs = []
    for model in models:
        if model.provider not in ours:
            continue
        found = _ours(catalog, model)
        if not found:
            only_theirs.append(f"{model.provider}/{model.model}")
            continue
        matched |= {(model.provider, prices.prices[0].model) for prices in found}
        for each in _model(model, found, at=at, is_rounded=is_rounded):
            compared.append(_reviewed(each, reviewed, against))
    theirs = {provider for provider, _ in matched}
    only_ours = {
        f"{price.provider}/{price.model}"
        for price in catalog.prices
        if price.provider in theirs and (price.provider, price.model) not in matched
    }
    return Drift(
        against=against,
        compared=tuple(compared),
        only_ours=tuple(sorted(only_ours)),
        only_theirs=tuple(sorted(set(only_theirs))),
    )


def _ours(catalog: Catalog, model: PublishedModel) -> list[ModelPrices]:
    """Our prices of a model in each modality it may have; two that are the same model in name are one."""
    found = [
        catalog.model(provider=model.provider, model=model.model, modality=modality) for modality in model.modalities
    ]
    return [each for each in found if not isinstance(each, str)][:1]


def _model(
    model: PublishedModel, found: Iterable[ModelPrices], *, at: datetime, is_rounded: bool
) -> Iterator[Comparison]:
    for prices in found:
        for published in model.prices:
            if not published.holds_at(at):
                continue
            selection = prices.select(published.when, at)
            if isinstance(selection, str):
                continue
            rule = next((rule for rule in selection.rules if published.meter in rule.meters), None)
            if rule is None:
                continue
            what = _difference(rule.price, published, is_rounded=is_rounded)
            yield Comparison(
                provider=model.provider,
                model=rule.price.model,
                their_model=model.model,
                meter=published.meter,
                when=dict(published.when),
                ours=rule.price,
                theirs=published,
                what=what,
                status="new" if what else "agrees",
            )


def _difference(price: Price, published: Published, *, is_rounded: bool) -> str:
    ours = price.pico_usd_per_base(price.amount)
    if not _is_same(ours, published.pico_usd_per_base, is_rounded):
        return "amount"
    steps = price.tiers.steps if price.tiers is not None and price.tiers.kind == "cliff" else ()
    mine = [(step.above, price.pico_usd_per_base(step.amount)) for step in steps]
    base = published.pico_usd_per_base / Fraction(published.amount) if published.amount else Fraction(0)
    other = [(above, Fraction(amount) * base) for above, amount in published.tiers]
    if [above for above, _ in mine] != [above for above, _ in other]:
        return "tiers"
    if not all(_is_same(one, two, is_rounded) for (_, one), (_, two) in zip(mine, other, strict=True)):
        return "tiers"
    if price.minimum and not published.minimum:
        return "minimum"
    return ""


def _is_same(ours: Fraction, theirs: Fraction, is_rounded: bool) -> bool:
    return abs(theirs - ours) <= (ours * ROUNDING if is_rounded else 0)


def _reviewed(
    each: Comparison, reviewed: Mapping[tuple[str, str, str, str, str], KnownDifference], against: str
) -> Comparison:
    if not each.what:
        return each
    when = ",".join(f"{key}={word}" for key, word in sorted(each.when.items()))
    for model in (each.their_model, each.model):
        found = reviewed.get((against, each.provider, model, each.meter, when))
        found = found or reviewed.get((against, each.provider, model, each.meter, "*"))
        if found is not None and found.still_explains(each.what, each.ratio):
            return Comparison(
                **{
                    **{name: getattr(each, name) for name in Comparison.__slots__},
                    "status": "known",
                    "reason": found.reason,
                }
            )
    return each
