"""Derivations: discounts, and other prices of credits, which make rows of their own from those of the list."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicegateway_shared.pricing.fields import intersection
from voicegateway_shared.pricing.price import ANY_ACCOUNT, CONTRACT_RANK, CreditRate, Layer, Price, Source

CREDIT_LIST_RANK: Final = 5
MANAGED_LIST_RANK: Final = 10
STATED_RANK: Final = 90
"""A contract that states its amount; below it are those that are made from list prices."""
CREDIT_RANK: Final = 80
_LIST_RANKS: Final = (0, CREDIT_LIST_RANK, MANAGED_LIST_RANK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For whom a managed price is: everybody (`list`), a key of ours, or a project."""

    layer: Layer = "list"
    of: str = ""

    @property
    def rank(self) -> int:
        """Where the layer's rows begin: a project's win over a key's, a key's over every key's."""
        if self.layer == "project":
            return 3 * CONTRACT_RANK
        if self.layer == "account":
            return CONTRACT_RANK if self.of == ANY_ACCOUNT else 2 * CONTRACT_RANK
        return 0

    @property
    def stated_rank(self) -> int:
        """The rank of a row that states its amount."""
        return self.rank + (STATED_RANK if self.rank else MANAGED_LIST_RANK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """A discount, or another price of credits: it makes rows of those list prices that its fields name."""

    provider: str
    scope: Scope
    model: str = ""
    modality: str = ""
    meter: str = ""
    when: tuple[tuple[str, str], ...] = ()
    multiplier: str | None = None
    credit_rate: CreditRate | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_at: datetime | None = None
    source: Source
    origin: str

    def of(self, listed: Sequence[Price], *, model: str) -> Iterator[Price]:
        """Make the rows; `model` is the list's name of the model it names, or empty."""
        for price in listed:
            if (price.provider, model or price.model) != (self.provider, price.model):
                continue
            if price.modality != (self.modality or price.modality) or price.meter != (self.meter or price.meter):
                continue
            if (made := self._made(price)) is not None:
                yield made

    def _made(self, price: Price) -> Price | None:
        when = dict(price.when)
        if any(when.setdefault(key, value) != value for key, value in self.when):
            return None
        window = intersection((self.effective_from, self.effective_to), (price.effective_from, price.effective_to))
        if window is None:
            return None
        rate = price.credit_rate
        if self.credit_rate is not None:
            if rate is None or rate.plan != self.credit_rate.plan or (not self.scope.rank and price.rank):
                return None
            rate = self.credit_rate
        return dataclasses.replace(
            price,
            when=tuple(sorted(when.items())),
            effective_from=window[0],
            effective_to=window[1],
            credit_rate=rate,
            discount=self.multiplier,
            layer=self.scope.layer,
            scope=self.scope.of,
            rank=self._rank(price),
            recorded_at=self.recorded_at,
            source=self.source,
            origin=self.origin,
        )

    def _rank(self, price: Price) -> int:
        """Among a scope's discounts the one that says more wins; what is made of a correction wins over the rest."""
        if not self.scope.rank:
            return CREDIT_LIST_RANK
        said = 4 * bool(self.model) + 2 * bool(self.meter) + bool(self.modality or self.when)
        own = CREDIT_RANK if self.credit_rate is not None else 10 * said
        return self.scope.rank + own + _LIST_RANKS.index(price.rank)
