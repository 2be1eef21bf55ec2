"""One row of a price file: keys checked one by one, one problem per mistake."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.fields import (
    Refused,
    choice,
    day,
    instant,
    intersection,
    meters,
    quantity,
    take,
    tiers,
    window,
)
from voicegateway_shared.pricing.price import (
    CONFIDENCES,
    MODALITIES,
    ROUNDING_SCOPES,
    ROUNDINGS,
    CreditRate,
    Price,
    Source,
)
from voicegateway_shared.pricing.quantity import parse_decimal, parse_quantity
from voicegateway_shared.pricing.yaml_text import YamlMapping
from voicegateway_shared.usage import METERS

_BASIS_KEYS: Final = ("fallback", "minus", "plus", "not_billed")
_SOURCE_KEYS: Final = frozenset({"url", "read_on", "via"})
ROW_KEYS: Final = frozenset(
    {
        "meter",
        "amount",
        "credits",
        "per",
        "list_amount",
        "multiplier",
        "times",
        "minimum",
        "increment",
        "rounding",
    }
    | {
        "rounding_scope",
        "tiers",
        "when",
        "effective_from",
        "effective_to",
        "recorded_at",
        "source",
        "confidence",
    }
    | {"note", "instead_of", *_BASIS_KEYS}
)


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Turns rows into prices; lives for the reading of one file and adds to its list of problems."""

    document: str
    provider: str
    problems: list[str]
    recorded_at: datetime | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    credit_rates: list[tuple[CreditRate, YamlMapping]] = field(default_factory=list)

    def read_source(self, value: Any, *, key: str, line: int) -> Source | None:
        """A source, or None after noting what is wrong with it."""
        if isinstance(value, YamlMapping) and value.keys() <= _SOURCE_KEYS:
            url, read_on = value.get("url"), day(value.get("read_on"))
            if isinstance(url, str) and url and read_on is not None:
                return Source(url=url, read_on=read_on, via=str(value.get("via", "")))
        self._complain(line, f"sources.{key}", "must be {url: text, read_on: YYYY-MM-DD, via: text}")
        return None

    def read_credit_rate(self, plan: YamlMapping) -> None:
        """Note what a plan's credits cost, for the rows that count credits."""
        name = plan.get("plan")
        try:
            credits_sold = take(plan, "per", parse_quantity)
            take(plan, "amount", parse_decimal)
            if credits_sold.base != "credit":
                raise Refused("per", "must count credits")
            condition = self.conditions.get("plan")
            if condition is None or not isinstance(name, str) or name not in condition.values:
                raise Refused("plan", "must be a value of context.plan")
            self._source(plan.get("source"))
            window(plan)
        except Refused as refusal:
            self._complain(plan.line, f"credit_plans[{name}].{refusal.key}", str(refusal))
            return
        self.credit_rates.append(
            (CreditRate(plan=plan["plan"], amount=plan["amount"], credits=credits_sold.count), plan)
        )

    def read_row(self, row: YamlMapping, *, entry: YamlMapping, model: str) -> list[Price]:
        """The prices of a row: one per modality of its entry, and per plan where it counts credits."""
        where = f"models[{model}].prices[{row.get('meter')}]"
        for key in sorted(row.keys() - ROW_KEYS):
            self._complain(row.line, f"{where}.{key}", f"is not a key here; known are {', '.join(sorted(ROW_KEYS))}")
        inherited = {key: value for key, value in entry.items() if key in ROW_KEYS}
        try:
            merged = {**inherited, **row, "when": {**_mapping(entry, "when"), **_mapping(row, "when")}}
            return list(self._prices(merged, model=model, modality=entry.get("modality"), line=row.line))
        except Refused as refusal:
            self._complain(row.line, f"{where}.{refusal.key}", str(refusal))
            return []

    def _prices(self, row: dict[str, Any], *, model: str, modality: Any, line: int) -> Iterator[Price]:
        modalities = modality if isinstance(modality, list) else [modality]
        for one in modalities:
            if one not in MODALITIES:
                raise Refused("modality", f"{one!r} must be one of {', '.join(MODALITIES)}")
        variants = list(self._variants(row, self._fields(row)))
        for one in modalities:
            for variant in variants:
                yield Price(
                    provider=self.provider,
                    model=model,
                    modality=one,
                    origin=f"{self.document}:{line}",
                    **variant,
                )

    def _variants(self, row: dict[str, Any], fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The row itself, or, where it counts credits, one row for each plan's dollars per credit."""
        if ("amount" in row) == ("credits" in row):
            raise Refused("amount", "give either amount (dollars) or credits, not both")
        if "amount" in row:
            take(row, "amount", parse_decimal)
            yield {**fields, "amount": row["amount"]}
            return
        take(row, "credits", parse_decimal)
        if not self.credit_rates:
            raise Refused("credits", "needs credit_plans in this file")
        for rate, plan in self.credit_rates:
            both = intersection((fields["effective_from"], fields["effective_to"]), window(plan))
            if both is not None:
                yield {
                    **fields,
                    "amount": row["credits"],
                    "credit_rate": rate,
                    "when": (*fields["when"], ("plan", rate.plan)),
                    "effective_from": both[0],
                    "effective_to": both[1],
                }

    def _fields(self, row: dict[str, Any]) -> dict[str, Any]:
        meter = str(row.get("meter"))
        if meter not in METERS:
            raise Refused("meter", f"{meter!r} is not a meter; known are {', '.join(METERS)}")
        unit = METERS[meter].unit
        basis = {key: meters(row, key, unit) for key in _BASIS_KEYS}
        if set(basis["minus"]) & set(basis["not_billed"]):
            raise Refused("not_billed", "must not repeat a part that minus already takes away")
        for key in ("list_amount", "multiplier"):
            if key in row:
                take(row, key, parse_decimal)
        if "list_amount" in row and "tiers" in row:
            raise Refused("list_amount", "cannot stand beside tiers, which have amounts of their own")
        start, end = window(row)
        return {
            **basis,
            "meter": meter,
            "instead_of": meters(row, "instead_of", None),
            "per": quantity(row, "per", unit),
            "list_amount": row.get("list_amount"),
            "multiplier": row.get("multiplier", "1"),
            "times": self._times(row.get("times")),
            "minimum": quantity(row, "minimum", unit).in_base if "minimum" in row else 0,
            "increment": quantity(row, "increment", unit).in_base if "increment" in row else 1,
            "rounding": choice(row, "rounding", ROUNDINGS, "up"),
            "rounding_scope": choice(row, "rounding_scope", ROUNDING_SCOPES, "request"),
            "tiers": tiers(row["tiers"], meter=meter) if "tiers" in row else None,
            "when": self._when(row["when"]),
            "effective_from": start,
            "effective_to": end,
            "recorded_at": instant(row, "recorded_at") or self.recorded_at,
            "source": self._source(row.get("source")),
            "confidence": choice(row, "confidence", CONFIDENCES, None),
            "note": str(row.get("note", "")),
        }

    def _when(self, wanted: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        for key, value in wanted.items():
            condition = self.conditions.get(key)
            if condition is None:
                raise Refused(f"when.{key}", "is not declared in this file's context")
            if not isinstance(value, str) or value not in condition.values:
                raise Refused(f"when.{key}", f"{value!r} must be one of {', '.join(sorted(condition.values))}")
        return tuple(sorted(wanted.items()))

    def _times(self, key: Any) -> str | None:
        if key is None or (isinstance(key, str) and key and key not in self.conditions):
            return key
        raise Refused("times", "must name a context key that holds a count, such as 'channels'")

    def _source(self, name: Any) -> Source:
        source = self.sources.get(name) if isinstance(name, str) else None
        if source is None:
            raise Refused("source", f"{name!r} must be one of this file's sources")
        return source

    def _complain(self, line: int, key: str, message: str) -> None:
        self.problems.append(f"{self.document}:{line}: {key}: {message}")


def _mapping(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key, {})
    if not isinstance(value, Mapping):
        raise Refused(key, "must be a mapping")
    return value
