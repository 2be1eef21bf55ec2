"""The catalogue: all prices of all providers, validated as a whole and looked up by name, context and instant."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import combinations, groupby
from typing import Final, Self

from voicegateway_shared.pricing.document import Document, read_document
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.names import ModelNames
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.selection import ModelPrices, UnratedReason

ALIASES_MAX: Final = 4_096
"""Aliased names remembered: patterns such as dated snapshots can match endlessly many."""
_Key = tuple[str, str, str]


class Catalog:
    """An immutable set of prices; `version` names its content. Make one per process and share it."""

    def __init__(self, documents: Iterable[Document], *, plans: Mapping[str, str] | None = None) -> None:
        """Check documents one by one and against each other; `CatalogError` lists every problem."""
        self._documents = tuple(documents)
        self._plans = dict(plans or {})
        problems = [problem for document in self._documents for problem in document.problems]
        self._names: dict[str, ModelNames] = {}
        for document in self._documents:
            problems += self._add_names(document)
        problems += [problem for names in self._names.values() for problem in names.ambiguities()]
        self.prices: Final = tuple(price for document in self._documents for price in document.prices)
        problems += _overlaps(self.prices)
        problems += self._wrong_plans()
        if problems:
            raise CatalogError(problems)
        self._by_id = {price.price_id: price for price in self.prices}
        self._models = self._group()
        self._aliased: dict[_Key, ModelPrices] = {}
        self.version: Final = self._hash()

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], *, plans: Mapping[str, str] | None = None) -> Self:
        """A catalogue of price files given as texts by file name; `plans` maps a provider to its default plan."""
        return cls([read_document(text, name=name) for name, text in texts.items()], plans=plans)

    @staticmethod
    def builtin() -> "Catalog":
        """The prices shipped with this package; read once per process."""
        return _builtin()

    def extended(self, documents: Iterable[Document] = (), *, plans: Mapping[str, str] | None = None) -> "Catalog":
        """A new catalogue: this one, more documents, and other default plans per provider."""
        return Catalog([*self._documents, *documents], plans={**self._plans, **(plans or {})})

    def price(self, price_id: str) -> Price | None:
        """The price a ledger entry names, or None when this catalogue never held it."""
        return self._by_id.get(price_id)

    def model(self, *, provider: str, model: str, modality: str) -> ModelPrices | UnratedReason:
        """The prices of a model by its name or a declared alias, or why there are none."""
        key = (provider, model, modality)
        found = self._models.get(key) or self._aliased.get(key)
        if found is not None:
            return found
        names = self._names.get(provider)
        if names is None:
            return "unknown_provider"
        found = self._models.get((provider, names.find(model) or model, modality))
        if found is None:
            return "unknown_model"
        if len(self._aliased) >= ALIASES_MAX:
            self._aliased.clear()
        self._aliased[key] = found
        return found

    def _add_names(self, document: Document) -> list[str]:
        if not document.provider:
            return []
        names = self._names.setdefault(document.provider, ModelNames())
        return [
            f"{document.name}: models[{model}].aliases: {problem}"
            for model, aliases in document.names
            for problem in names.add(model, aliases)
        ]

    def _group(self) -> dict[_Key, ModelPrices]:
        grouped: dict[_Key, list[Price]] = {}
        for price in self.prices:
            grouped.setdefault((price.provider, price.model, price.modality), []).append(price)
        merged = {
            document.provider: {
                key: condition
                for other in self._documents
                if other.provider == document.provider
                for key, condition in other.conditions.items()
            }
            for document in self._documents
        }
        return {
            key: ModelPrices(prices, conditions=merged[key[0]], default_plan=self._plans.get(key[0]))
            for key, prices in grouped.items()
        }

    def _wrong_plans(self) -> list[str]:
        problems = []
        for provider, plan in self._plans.items():
            documents = [document for document in self._documents if document.provider == provider]
            plans = [document.conditions["plan"] for document in documents if "plan" in document.conditions]
            if not any(plan in condition.values for condition in plans):
                problems.append(f"default plan {plan!r}: {provider!r} has no such plan")
        return problems

    def _hash(self) -> str:
        content = (
            sorted(f"{price.price_id} {price.effective_to}" for price in self.prices),
            sorted((document.provider, *name) for document in self._documents for name in document.names),
            sorted(repr(sorted(document.conditions.items())) for document in self._documents),
            sorted(self._plans.items()),
        )
        return hashlib.sha256(repr(content).encode()).hexdigest()[:12]


def _overlaps(prices: Iterable[Price]) -> list[str]:
    """Rows of which some request could match two for one meter: it would be billed twice, or by chance."""

    def key(price: Price) -> _Key:
        return (price.provider, price.model, price.modality)

    problems = []
    for _, rows in groupby(sorted(prices, key=key), key=key):
        for one, other in combinations(rows, 2):
            shared = {one.meter, *one.fallback} & {other.meter, *other.fallback}
            if shared and one.is_compatible(other):
                problems.append(
                    f"{other.origin}: models[{other.model}].prices[{other.meter}]: {', '.join(sorted(shared))} is "
                    f"also priced at {one.origin} for the same context and time"
                )
    return problems


@functools.cache
def _builtin() -> Catalog:
    folder = resources.files("voicegateway_shared") / "prices"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return Catalog.from_texts({f"prices/{file.name}": file.read_text("utf-8") for file in files})
