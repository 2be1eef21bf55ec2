"""What the person who changes prices should know before the next invoice does. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final

from voicegateway_controller.catalog.changes import Step
from voicegateway_controller.catalog.snapshot import Snapshot
from voicegateway_controller.catalog.stating import by_model
from voicegateway_shared.pricing.price import CONTRACT_RANK, Price

ODD_FACTOR: Final = 5
"""A price this many times the list's, or below its part, is more often a slip of the unit than a contract."""
CAUTIONS_MAX: Final = 50


def cautions(steps: Sequence[Step], before: Snapshot, after: Snapshot, *, now: datetime) -> list[str]:
    """Return sentences about new prices that are odd, reach into the past, or are for what nobody knows."""
    found: list[str] = []
    models = by_model(price for price in before.catalog.prices if price.rank < CONTRACT_RANK)
    providers = {provider for provider, _, _ in models}
    for step in steps:
        if step.action not in ("added", "replaced"):
            continue
        price = after.catalog.price(step.record.price_id or "")
        if price is not None:
            found += _of_price(price, models.get((price.provider, price.model, price.modality), ()), providers)
    if any(_is_past(step, now) for step in steps):
        found.append("it reaches into the past: what was rated there keeps its price until it is rated again")
    if any(step.action == "reopened" for step in steps):
        found.append("what it had closed or replaced holds again")
    return list(dict.fromkeys(found))[:CAUTIONS_MAX]


def _of_price(price: Price, listed: Sequence[Price], providers: Collection[str]) -> list[str]:
    if price.provider not in providers:
        return [f"{price.provider!r} is a provider that no price knew so far: make sure that it is spelled as spans do"]
    if not listed:
        return [f"{price.model!r} is a model that no {price.modality} price of {price.provider!r} knew so far"]
    for each in listed:
        if each.meter == price.meter and each.is_compatible(price):
            ratio = _ratio(price, each)
            if ratio is not None and (ratio >= ODD_FACTOR or ratio <= Fraction(1, ODD_FACTOR)):
                return [
                    f"{price.meter} of {price.model!r} would cost {_times(ratio)} what the list says: check the unit"
                ]
    return []


def _ratio(price: Price, listed: Price) -> Fraction | None:
    now, then = price.pico_usd_per_base(price.amount), listed.pico_usd_per_base(listed.amount)
    return now / then if now and then else None


def _times(ratio: Fraction) -> str:
    return f"{round(ratio)} times" if ratio >= 1 else f"1/{round(1 / ratio)} of"


def _is_past(step: Step, now: datetime) -> bool:
    if step.record.kind in ("context", "verification"):
        return False
    if step.action not in ("added", "replaced", "reopened", "withdrawn"):
        return False
    start = step.record.effective_from
    return step.action != "withdrawn" and (start is None or (now - start).total_seconds() > 60)
