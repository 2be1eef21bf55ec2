"""What another price map says, in our words: prices before they are rows of ours, or compared with some."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing.quantity import parse_quantity

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One meter's price in one context and window: `amount` dollars per `per`; `tiers` are cliffs by input tokens."""

    meter: str
    amount: Decimal
    per: str
    tiers: tuple[tuple[int, Decimal], ...] = ()
    minimum: str = ""
    fallback: tuple[str, ...] = ()
    when: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    start: datetime | None = None
    end: datetime | None = None

    @property
    def pico_usd_per_base(self) -> Fraction:
        """Exact pico-dollars for one base unit of the meter, below the first tier."""
        return Fraction(self.amount) * PICO_PER_USD / parse_quantity(self.per).in_base

    @property
    def key(self) -> tuple[object, ...]:
        """What is charged, without its window: two that are equal in it may become one row."""
        return (self.meter, self.amount, self.per, self.tiers, self.minimum, self.fallback, tuple(self.when.items()))

    def holds_at(self, at: datetime) -> bool:
        """Whether its window contains an instant."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """One model of another price map, under our provider's name; `omitted` are prices that no meter of ours counts."""

    provider: str
    model: str
    aliases: tuple[str, ...] = ()
    modalities: tuple[str, ...]
    prices: tuple[Published, ...]
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotImportable:
    """A model of another price map that cannot be a row of ours, and why."""

    provider: str
    model: str
    reason: str
