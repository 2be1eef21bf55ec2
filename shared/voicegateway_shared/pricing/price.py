"""A price: what a vendor asks for one meter of one model, exactly as published, and where that was read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Final, Literal

from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing.quantity import Quantity, parse_decimal

Confidence = Literal["published", "library", "secondary", "conflict", "uncertain", "assumption"]
CONFIDENCES: Final = ("published", "library", "secondary", "conflict", "uncertain", "assumption")
Rounding = Literal["up", "down", "nearest"]
ROUNDINGS: Final = ("up", "down", "nearest")
RoundingScope = Literal["request", "session"]
ROUNDING_SCOPES: Final = ("request", "session")
TierKind = Literal["cliff", "graduated"]
TIER_KINDS: Final = ("cliff", "graduated")
MODALITIES: Final = ("stt", "llm", "tts", "realtime", "transport", "telephony", "recording")
"""The four modalities of requests, and three for what a call needs besides models."""
Layer = Literal["list", "account", "project"]
"""Whose price it is: the vendor's for everybody, or agreed for one key of ours, or for one project."""
ANY_ACCOUNT: Final = "*"
"""As the scope of an account's price: whichever key is used."""
CONTRACT_RANK: Final = 100
"""Rows of this rank and above are contracts; below are list prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a price was read, on which day, and through whom when not on the vendor's own page."""

    url: str
    read_on: date
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRate:
    """What a plan's credits cost: `amount` dollars for `credits` of them, as published."""

    plan: str
    amount: str
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The amount that holds above a quantity of the basis meter, in its base unit."""

    above: int
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """A cliff prices the whole quantity by the basis; graduated prices only what lies above each step."""

    kind: TierKind
    basis: str
    steps: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row of the catalogue; immutable, and named by its content.

    `amount` is in dollars per `per`, or in credits per `per` when `credit_rate` is given. The billable basis
    is `meter` (or the first of `fallback` present when it is absent) minus `minus` and `not_billed`, plus
    `plus`, times the context value `times`; then `minimum` and `increment`, in the meter's base unit.
    `instead_of` names meters that another context of this model bills and this one does not.
    The window is half-open: `effective_from <= at < effective_to`; None is unbounded.

    Of rows that price the same meter of a request, the one of the highest `rank` wins; `scope` is the account or the
    project it was agreed for. `discount` is the share of the list price that is paid, in a row made from a list row.
    """

    provider: str
    model: str
    modality: str
    meter: str
    amount: str
    per: Quantity
    list_amount: str | None = None
    credit_rate: CreditRate | None = None
    multiplier: str = "1"
    fallback: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    not_billed: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    times: str | None = None
    minimum: int = 0
    increment: int = 1
    rounding: Rounding = "up"
    rounding_scope: RoundingScope = "request"
    tiers: Tiers | None = None
    when: tuple[tuple[str, str], ...] = ()
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_at: datetime | None = None
    source: Source
    confidence: Confidence
    layer: Layer = "list"
    scope: str = ""
    rank: int = 0
    discount: str | None = None
    note: str = ""
    origin: str = field(default="", compare=False)
    price_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "price_id", _price_id(self))

    def pico_usd_per_base(self, amount: str) -> Fraction:
        """Exact pico-dollars for one base unit (one ms, token, character) at a published `amount` of this row."""
        value = parse_decimal(amount) * parse_decimal(self.multiplier) / self.per.in_base
        if self.credit_rate is not None:
            value *= parse_decimal(self.credit_rate.amount) / self.credit_rate.credits
        if self.discount is not None:
            value *= parse_decimal(self.discount)
        return value * PICO_PER_USD

    def matches(self, context: Mapping[str, str | None]) -> bool:
        """Whether every condition of this row holds in a context that was made canonical."""
        return all(context.get(key) == value for key, value in self.when)

    def is_compatible(self, other: "Price") -> bool:
        """Whether some request could match both rows at some instant."""
        mine = dict(self.when)
        if any(mine.get(key, value) != value for key, value in other.when):
            return False
        starts_before_end = _before(self.effective_from, other.effective_to)
        return starts_before_end and _before(other.effective_from, self.effective_to)

    def covers_window_of(self, other: "Price") -> bool:
        """Whether this row is in force at every instant the other one is."""
        starts = self.effective_from is None or (
            other.effective_from is not None and self.effective_from <= other.effective_from
        )
        ends = self.effective_to is None or (other.effective_to is not None and other.effective_to <= self.effective_to)
        return starts and ends


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def _price_id(price: Price) -> str:
    """A readable prefix and a hash of all that decides an amount.

    Provenance is left out, and so is `effective_to`: closing a price's window must not rename a price that
    ledger entries already point to. A contract is no other price's namesake, even where the amounts are equal.
    """
    content: dict[str, object] = {
        "amount": price.amount,
        "per": str(price.per),
        "list_amount": price.list_amount,
        "credit_rate": price.credit_rate and [price.credit_rate.amount, price.credit_rate.credits],
        "multiplier": price.multiplier,
        "fallback": price.fallback,
        "minus": sorted(price.minus),
        "plus": sorted(price.plus),
        "not_billed": sorted(price.not_billed),
        "instead_of": sorted(price.instead_of),
        "times": price.times,
        "minimum": price.minimum,
        "increment": [price.increment, price.rounding, price.rounding_scope],
        "tiers": price.tiers
        and [price.tiers.kind, price.tiers.basis, [[step.above, step.amount] for step in price.tiers.steps]],
        "when": sorted(price.when),
        "modality": price.modality,
        "effective_from": price.effective_from and price.effective_from.isoformat(),
    }
    if price.layer != "list" or price.discount is not None:
        content["agreed"] = [price.layer, price.scope, price.discount]
    prefix = "/".join((price.provider, price.model, *(value for _, value in price.when), price.meter))
    digest = hashlib.sha256((prefix + json.dumps(content, sort_keys=True)).encode()).hexdigest()
    return f"{prefix}@{digest[:8]}"
