"""What a stated price means: the row it stands for, with what was said in place of what the list says. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from voicegateway_controller.errors import BadRequest
from voicegateway_shared.pricing import Catalog, Price, Scope, write_row
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.local import ANY_MODEL
from voicegateway_shared.pricing.price import CONTRACT_RANK
from voicegateway_shared.pricing.row import ROW_KEYS
from voicegateway_shared.usage import METERS

_LEFT: Final = ("model", "modality", "confidence", "note", "list_amount")
"""Of the list's row; a contract has its own."""
_NOT_STATED: Final = frozenset({"effective_from", "effective_to", "recorded_at", "source"})
STATED_KEYS: Final = (ROW_KEYS - _NOT_STATED) | {"aliases"}


def stated_rows(
    catalog: Catalog,
    stated: Mapping[str, Any],
    *,
    provider: str,
    model: str,
    modality: str | None,
    scope: Scope,
    at: datetime,
) -> list[dict[str, Any]]:
    """Return the whole rows that a stated one means, one for each price it stands for; BadRequest when it means none.

    Whatever is not stated is taken from the price that holds at `at`: of the same contract, else of the list. A null
    leaves a key out.
    """
    unknown = sorted(stated.keys() - STATED_KEYS)
    if unknown:
        known = ", ".join(sorted(STATED_KEYS))
        raise BadRequest(f"price.{unknown[0]}: is not a key of a price; known are {known}")
    if stated.get("meter") not in METERS:
        said = f"{stated['meter']!r} is not a meter" if "meter" in stated else "is missing"
        raise BadRequest(f"price.meter: {said}; known are {', '.join(METERS)}")
    when = stated.get("when") or {}
    _check_when(when, catalog.conditions(provider))
    name = catalog.name(provider, model)
    # Of a model that only "every other model" names, the price is its own, and not everybody's.
    own_name = model if name == ANY_MODEL else name
    mine = [price for price in catalog.prices if price.provider == provider and price.model in (name, model)]
    mine = [price for price in mine if modality is None or price.modality == modality]
    listed = [price for price in mine if price.rank < CONTRACT_RANK]
    found = _standing(listed, str(stated["meter"]), when, at)
    if not found:
        _refuse_fallback(listed, str(stated["meter"]))
        modalities = {price.modality for price in mine}
        if modality is None and len(modalities) != 1:
            raise BadRequest("modality: is missing; there is no list price of this meter to take it from")
        own = {"model": own_name, "modality": modality or modalities.pop(), **stated}
        return [{key: value for key, value in own.items() if value is not None}]
    agreed = [price for price in mine if (price.layer, price.scope) == (scope.layer, scope.of) and not price.discount]
    agreed = [price for price in agreed if price.model == own_name]
    rows: list[dict[str, Any]] = []
    for base in found:
        same = [price for price in agreed if _place(price)[1:] == _place(base)[1:] and _holds(price, at)]
        row = {**_over(same[-1] if same else base, stated, when), "model": own_name}
        if row not in rows:
            rows.append(row)
    return rows


def unpriced_parts(catalog: Catalog, prices: Iterable[Price]) -> list[str]:
    """Say which parts these prices take away that no other price bills: they would be free by accident."""
    problems: list[str] = []
    models = by_model(catalog.prices)
    for price in prices:
        around = models[(price.provider, price.model, price.modality)]
        problems += [
            f"{price.model}.{price.meter}.minus: {part!r} has no price of its own; price it, or name it in not_billed"
            for part in price.minus
            if not any(other.meter == part and other.is_compatible(price) for other in around)
        ]
    return problems


def by_model(prices: Iterable[Price]) -> dict[tuple[str, str, str], list[Price]]:
    """Return prices by provider, model and modality."""
    models: dict[tuple[str, str, str], list[Price]] = {}
    for price in prices:
        models.setdefault((price.provider, price.model, price.modality), []).append(price)
    return models


def _check_when(when: object, conditions: Mapping[str, Condition]) -> None:
    if not isinstance(when, Mapping):
        raise BadRequest("price.when: must map context keys to values")
    for key, value in when.items():
        if (condition := conditions.get(key)) is None:
            known = ", ".join(sorted(conditions)) or "none"
            raise BadRequest(f"price.when.{key}: no price of this provider depends on it; known are {known}")
        if value not in condition.values:
            known = ", ".join(sorted(condition.values))
            raise BadRequest(f"price.when.{key}: {value!r} must be one of {known}")


def _standing(listed: Sequence[Price], meter: str, when: Mapping[str, Any], at: datetime) -> list[Price]:
    """The list prices of a meter that a context does not rule out: of each context the one that holds, or the last."""
    chosen: dict[tuple[object, ...], Price] = {}
    for price in listed:
        own = dict(price.when)
        if price.meter != meter or any(own.get(key, value) != value for key, value in when.items()):
            continue
        before = chosen.get(_place(price))
        if before is None or _weight(before, at) <= _weight(price, at):
            chosen[_place(price)] = price
    return list(chosen.values())


def _weight(price: Price, at: datetime) -> tuple[bool, int, bool, float]:
    start = price.effective_from
    return (_holds(price, at), price.rank, start is not None, start.timestamp() if start is not None else 0.0)


def _place(price: Price) -> tuple[object, ...]:
    return (price.model, price.modality, price.meter, tuple(sorted(price.when)))


def _holds(price: Price, at: datetime) -> bool:
    has_begun = price.effective_from is None or price.effective_from <= at
    return has_begun and (price.effective_to is None or at < price.effective_to)


def _over(base: Price, stated: Mapping[str, Any], when: Mapping[str, Any]) -> dict[str, Any]:
    row = write_row(base)
    own = {key: value for key, value in row.items() if key not in _LEFT}
    context = dict(base.when)
    if base.credit_rate is not None:
        context.pop("plan", None)
    if "amount" in stated:
        if "credits" in own:
            if "per" not in stated:
                raise BadRequest(f"price.per: is missing; the list price is in credits, for each {own['per']}")
            own.pop("credits")
            own.pop("credit_price")
        if "tiers" in own and "tiers" not in stated:
            raise BadRequest(
                "price.tiers: the list price has amounts by quantity: state tiers of your own, or null for none"
            )
    if "credits" in stated:
        own.pop("amount", None)
        if "credit_price" not in own:
            raise BadRequest("price.credits: the list price is in dollars: state amount")
    if "credit_price" in own and when.get("plan"):
        when = {key: value for key, value in when.items() if key != "plan"}
    merged = {**own, **stated, "when": {**context, **when}, "modality": base.modality}
    return {key: value for key, value in merged.items() if value is not None and value != {}}


def _refuse_fallback(listed: Iterable[Price], meter: str) -> None:
    for price in listed:
        if meter in price.fallback:
            raise BadRequest(f"price.meter: {meter!r} is billed in the place of {price.meter!r}: set the price of that")
