"""What a vendor's names mean: its models in our catalogue, its keys as our fingerprints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from voicegateway_controller.reconcile.statement import CredentialLink
from voicegateway_shared.pricing import Catalog, Price

MODALITIES: Final = ("llm", "stt", "tts", "realtime", "transport", "telephony")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A vendor's word for a model, declared by people because the catalogue does not know it; half-open in time."""

    provider: str
    name: str
    model: str
    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, day: date) -> bool:
        """Say whether it is in force on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What people declared about one provider."""

    aliases: tuple[Alias, ...] = ()
    links: tuple[CredentialLink, ...] = ()


class Names:
    """Translates one provider's names; lives as long as one reconciliation."""

    def __init__(self, catalog: Catalog, provider: str, declared: Declared) -> None:
        self.provider: Final = provider
        self._catalog = catalog
        self._aliases: dict[str, list[Alias]] = {}
        for alias in declared.aliases:
            self._aliases.setdefault(alias.name.strip().lower(), []).append(alias)
        self._keys = {link.credential: link.key_id for link in declared.links}
        self.linked_keys: Final = frozenset(self._keys.values())
        self._known: dict[str, str | None] = {}
        self._prices: dict[tuple[str, str], tuple[Price, ...]] = {}

    @property
    def has_links(self) -> bool:
        """Whether anybody said which of the vendor's keys are ours."""
        return bool(self._keys)

    def key_of(self, credential: str) -> str | None:
        """Our fingerprint of a vendor's key, or None when nobody said."""
        return self._keys.get(credential)

    def model_of(self, name: str, day: date) -> str | None:
        """The catalogue's name of what a vendor calls by this name on a day, or None when nobody knows it."""
        for alias in self._aliases.get(name.strip().lower(), ()):
            if alias.holds(day):
                return self._canonical(alias.model) or alias.model
        return self._canonical(name)

    def prices(self, model: str, meter: str) -> tuple[Price, ...]:
        """All prices of a model's meter, of all times and contexts."""
        key = (model, meter)
        if key not in self._prices:
            self._prices[key] = tuple(
                price for price in self.all_prices(model) if meter in (price.meter, *price.fallback)
            )
        return self._prices[key]

    def all_prices(self, model: str) -> tuple[Price, ...]:
        """All prices of a model, of all meters, times and contexts."""
        return tuple(price for modality in MODALITIES for price in self._of(model, modality))

    def price(self, price_id: str) -> Price | None:
        """The price an entry names, if the catalogue holds it still."""
        return self._catalog.price(price_id) if price_id else None

    def context_of(self, model: str, words: Mapping[str, str], keys: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The circumstances of some keys, in the catalogue's words where it knows them."""
        return tuple(
            (key, self.context_word(model, key, words.get(key, "")) or words.get(key, "")) for key in sorted(keys)
        )

    def context_word(self, model: str, key: str, word: str) -> str | None:
        """The catalogue's word for one circumstance of a price, as rows ask for it."""
        for modality in MODALITIES:
            found = self._catalog.model(provider=self.provider, model=model, modality=modality)
            if not isinstance(found, str) and key in found.conditions:
                return found.conditions[key].canonical(word)
        return None

    def is_default(self, price: Price) -> bool:
        """Whether a price is the one of a request that says nothing of its circumstances."""
        found = self._catalog.model(provider=self.provider, model=price.model, modality=price.modality)
        if isinstance(found, str):
            return False
        return all(
            found.conditions[key].canonical("", default=found.default_plan if key == "plan" else None) == value
            for key, value in price.when
        )

    def _of(self, model: str, modality: str) -> Sequence[Price]:
        found = self._catalog.model(provider=self.provider, model=model, modality=modality)
        return () if isinstance(found, str) else found.prices

    def _canonical(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = next(
                (
                    found.prices[0].model
                    for modality in MODALITIES
                    if not isinstance(
                        found := self._catalog.model(provider=self.provider, model=name, modality=modality), str
                    )
                ),
                None,
            )
        return self._known[name]


def rate_of(price: Price) -> Fraction | None:
    """Pico-dollars for one base unit, or None for a price by tiers: it has no one rate."""
    return None if price.tiers is not None else price.pico_usd_per_base(price.amount)


def list_rate_of(price: Price) -> Fraction | None:
    """The same without the promotion, where there is one."""
    if price.tiers is not None or price.list_amount is None:
        return None
    return price.pico_usd_per_base(price.list_amount)


def credit_rate_of(price: Price) -> Fraction | None:
    """Pico-dollars for one of the vendor's credits, or None for a price in dollars."""
    if price.credit_rate is None:
        return None
    return Fraction(price.credit_rate.amount) / price.credit_rate.credits * 10**12
