"""A price written down again as the row of a price file that reads as this price; plain values, fit for JSON."""

from collections.abc import Mapping
from datetime import datetime

from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.quantity import Quantity
from voicegateway_shared.usage import METERS

_LISTS = ("fallback", "minus", "plus", "not_billed", "instead_of")


def write_row(price: Price) -> dict[str, object]:
    """Return the row without its window, its provenance and its layer; keys that say nothing are left out.

    Beside the keys of a price file it has `model`, `modality`, and `credit_price` where it counts credits.
    """
    unit = METERS[price.meter].unit
    row: dict[str, object] = {"model": price.model, "modality": price.modality, "meter": price.meter}
    when = dict(price.when)
    if price.credit_rate is None:
        row["amount"] = price.amount
    else:
        row["credits"] = price.amount
        row["credit_price"] = {
            "plan": price.credit_rate.plan,
            "amount": price.credit_rate.amount,
            "per": f"{price.credit_rate.credits} credits",
        }
        when.pop("plan", None)
    row["per"] = _quantity(price.per)
    if price.list_amount is not None:
        row["list_amount"] = price.list_amount
    if price.multiplier != "1":
        row["multiplier"] = price.multiplier
    row |= {key: list(getattr(price, key)) for key in _LISTS if getattr(price, key)}
    if price.times is not None:
        row["times"] = price.times
    if price.minimum:
        row["minimum"] = _quantity(Quantity(price.minimum, unit))
    if price.increment != 1:
        row["increment"] = _quantity(Quantity(price.increment, unit))
    if price.rounding != "up":
        row["rounding"] = price.rounding
    if price.rounding_scope != "request":
        row["rounding_scope"] = price.rounding_scope
    if price.tiers is not None:
        basis = METERS[price.tiers.basis].unit
        row["tiers"] = {
            "kind": price.tiers.kind,
            "basis": price.tiers.basis,
            "steps": [
                {"above": _quantity(Quantity(step.above, basis)), "amount": step.amount} for step in price.tiers.steps
            ],
        }
    if when:
        row["when"] = when
    row["confidence"] = price.confidence
    if price.note:
        row["note"] = price.note
    return row


def describe(price: Price) -> dict[str, object]:
    """Return everything of a price, to be kept beside the entries that it made: the row and all that is around it."""
    return {
        "provider": price.provider,
        **write_row(price),
        **({"layer": price.layer, "scope": price.scope} if price.layer != "list" else {}),
        **({"discount": price.discount} if price.discount is not None else {}),
        **_instants(
            effective_from=price.effective_from, effective_to=price.effective_to, recorded_at=price.recorded_at
        ),
        "source": {"url": price.source.url, "read_on": price.source.read_on.isoformat(), "via": price.source.via},
    }


def _instants(**instants: datetime | None) -> Mapping[str, str]:
    return {key: value.isoformat() for key, value in instants.items() if value is not None}


def _quantity(quantity: Quantity) -> str:
    plural = "s" if quantity.count > 1 and quantity.unit != "ms" else ""
    return f"{quantity}{plural}"
