"""Managed prices: what operators recorded beside the price files, as values; read by the same reader as files."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.derivation import Derivation, Scope
from voicegateway_shared.pricing.document import Document, read_conditions
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.fields import Refused, take
from voicegateway_shared.pricing.plans import PlanWindow
from voicegateway_shared.pricing.price import CreditRate, Source
from voicegateway_shared.pricing.quantity import parse_decimal, parse_quantity
from voicegateway_shared.pricing.row import RowReader
from voicegateway_shared.pricing.yaml_text import YamlMapping

DERIVED_MAX: Final = 100_000
"""Rows that discounts may make of list prices, all together: some 100 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """All that operators recorded, read and ready for a catalogue."""

    documents: tuple[Document, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    plans: tuple[PlanWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a managed price comes from, and when it holds."""

    origin: str
    source: Source
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_at: datetime | None = None


def read_row(
    content: Mapping[str, Any],
    *,
    provider: str,
    scope: Scope,
    conditions: Mapping[str, Condition],
    provenance: Provenance,
) -> Document:
    """Read one row as `write_row` writes it; mistakes are collected in the document's `problems`, each with its key."""
    document = Document(provenance.origin, provider=provider)
    row = yaml_of(content)
    model, modality, aliases = row.pop("model", None), row.pop("modality", None), row.pop("aliases", [])
    credit = row.pop("credit_price", None)
    if not isinstance(model, str) or not model:
        document.problems.append("model: must be the vendor's own model id")
        return document
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):
        document.problems.append("aliases: must be a list of texts")
        return document
    if aliases and scope.rank:
        document.problems.append("aliases: belong to list prices; a contract is for a model that the list knows")
    reader = RowReader(document=provenance.origin, provider=provider, problems=document.problems)
    reader.recorded_at = provenance.recorded_at
    reader.sources, reader.conditions = {"source": provenance.source}, conditions
    row["source"] = "source"
    if credit is not None:
        if not isinstance(credit, YamlMapping):
            document.problems.append("credit_price: must be {plan, amount, per}")
            return document
        reader.read_credit_rate(YamlMapping({**credit, "source": "source"}))
    row.update(_window(provenance))
    entry = YamlMapping({"modality": modality})
    prices = reader.read_row(row, entry=entry, model=model)
    document.names = [(model, tuple(aliases))]
    document.prices = [
        dataclasses.replace(price, layer=scope.layer, scope=scope.of, rank=scope.stated_rank, origin=provenance.origin)
        for price in prices
    ]
    return document


def read_context(content: Mapping[str, Any], *, provider: str, known: Mapping[str, Condition], origin: str) -> Document:
    """Read context keys that a provider's prices depend on; those that are known may only learn further words."""
    document = Document(origin, provider=provider)
    for key, condition in read_conditions(yaml_of(content), problems=document.problems, name=origin).items():
        before = known.get(key)
        if before is not None:
            problem = _unlike(before, condition)
            if problem:
                document.problems.append(f"context.{key}: {problem}")
                continue
            condition = dataclasses.replace(condition, synonyms={**condition.synonyms, **before.synonyms})
        document.conditions[key] = condition
    return document


def read_derivation(
    content: Mapping[str, Any],
    *,
    provider: str,
    scope: Scope,
    conditions: Mapping[str, Condition],
    provenance: Provenance,
) -> Derivation:
    """Read a discount (`multiplier`) or a price of credits (`plan`, `amount`, `per`).

    Raises:
        CatalogError: a key is wrong; the message names it and says what would be right.
    """
    try:
        when = _when(content.get("when", {}), conditions)
        multiplier, rate = None, None
        if "multiplier" in content:
            take(content, "multiplier", parse_decimal)
            multiplier = content["multiplier"]
            if not scope.rank:
                raise Refused(
                    "multiplier", "is a share of the list price: say for which project, or account ('*': all)"
                )
        else:
            rate = _credit_rate(content, conditions)
    except Refused as refusal:
        raise CatalogError([f"{provenance.origin}: {refusal.key}: {refusal}"]) from refusal
    return Derivation(
        provider=provider,
        scope=scope,
        model=content.get("model", ""),
        modality=content.get("modality", ""),
        meter=content.get("meter", ""),
        when=when,
        multiplier=multiplier,
        credit_rate=rate,
        effective_from=provenance.effective_from,
        effective_to=provenance.effective_to,
        recorded_at=provenance.recorded_at,
        source=provenance.source,
        origin=provenance.origin,
    )


def read_plan(
    content: Mapping[str, Any],
    *,
    provider: str,
    scope: Scope,
    conditions: Mapping[str, Condition],
    provenance: Provenance,
) -> PlanWindow:
    """Read which plan requests are on; CatalogError when the provider has no such plan."""
    plan, condition = content.get("plan"), conditions.get("plan")
    if condition is None:
        raise CatalogError([f"{provenance.origin}: plan: no price of {provider!r} depends on a plan"])
    if plan not in condition.values:
        raise CatalogError(
            [f"{provenance.origin}: plan: {plan!r} must be one of {', '.join(sorted(condition.values))}"]
        )
    return PlanWindow(
        provider=provider,
        plan=plan,
        effective_from=provenance.effective_from,
        effective_to=provenance.effective_to,
        layer=scope.layer,
        scope=scope.of,
        rank=scope.rank,
    )


def yaml_of(value: Any) -> Any:
    """The same value as the reader of price files knows it."""
    if isinstance(value, Mapping):
        mapping = YamlMapping({key: yaml_of(each) for key, each in value.items()})
        mapping.line = 1
        return mapping
    if isinstance(value, (list, tuple)):
        return [yaml_of(each) for each in value]
    return value


def source_of(*, url: str, read_on: date, via: str = "") -> Source:
    """A source of managed prices; never without a place."""
    return Source(url=url or "the operator", read_on=read_on, via=via)


def _credit_rate(content: Mapping[str, Any], conditions: Mapping[str, Condition]) -> CreditRate:
    plan, condition = content.get("plan"), conditions.get("plan")
    if condition is None or plan not in condition.values:
        known = ", ".join(sorted(condition.values)) if condition is not None else "none, for no price depends on a plan"
        raise Refused("plan", f"{plan!r} must be one of {known}")
    take(content, "amount", parse_decimal)
    sold = take(content, "per", parse_quantity)
    if sold.base != "credit":
        raise Refused("per", "must count credits, such as '100_000 credits'")
    return CreditRate(plan=plan, amount=content["amount"], credits=sold.count)


def _when(wanted: Any, conditions: Mapping[str, Condition]) -> tuple[tuple[str, str], ...]:
    if not isinstance(wanted, Mapping):
        raise Refused("when", "must map context keys to values")
    for key, value in wanted.items():
        condition = conditions.get(key)
        if condition is None:
            known = ", ".join(sorted(conditions)) or "none"
            raise Refused(f"when.{key}", f"is no context key of this provider; known are {known}")
        if value not in condition.values:
            raise Refused(f"when.{key}", f"{value!r} must be one of {', '.join(sorted(condition.values))}")
    return tuple(sorted(wanted.items()))


def _unlike(before: Condition, now: Condition) -> str:
    if (before.default, before.otherwise) != (now.default, now.otherwise):
        return f"default and otherwise must stay {before.default!r} and {before.otherwise!r}: prices depend on them"
    for word, value in now.synonyms.items():
        if before.synonyms.get(word, value) != value:
            return f"{word!r} means {before.synonyms[word]!r} already, it cannot mean {value!r} too"
    return ""


def _window(provenance: Provenance) -> dict[str, datetime]:
    window = {"effective_from": provenance.effective_from, "effective_to": provenance.effective_to}
    return {key: value for key, value in window.items() if value is not None}
