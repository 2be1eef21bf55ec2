"""The catalogue: all prices of all providers, validated as a whole and looked up by name, context and instant."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import combinations, groupby
from typing import Final, Self

from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.contracts import Contracts
from voicegateway_shared.pricing.document import Document, read_document
from voicegateway_shared.pricing.errors import CatalogError
from voicegateway_shared.pricing.managed import DERIVED_MAX, Managed
from voicegateway_shared.pricing.names import ModelNames
from voicegateway_shared.pricing.plans import overlapping_plans
from voicegateway_shared.pricing.price import CONTRACT_RANK, Price
from voicegateway_shared.pricing.selection import ModelPrices, UnratedReason

ALIASES_MAX: Final = 4_096
"""Aliased names remembered: patterns such as dated snapshots can match endlessly many."""
_Key = tuple[str, str, str]
_NOTHING_MANAGED: Final = Managed()


class Catalog:
    """An immutable set of prices; `version` names its content. Make one per process and share it."""

    def __init__(
        self,
        documents: Iterable[Document],
        *,
        plans: Mapping[str, str] | None = None,
        managed: Managed = _NOTHING_MANAGED,
    ) -> None:
        """Check documents one by one and against each other; `CatalogError` lists every problem.

        `plans` maps providers to the plan of requests that do not say theirs; `managed` is what was recorded beside
        the files: corrections of the list, contracts, plans.
        """
        self._documents = tuple(documents)
        self._plans = dict(plans or {})
        self._managed = managed
        self._names: dict[str, ModelNames] = {}
        stated = (*self._documents, *managed.documents)
        problems = [problem for document in stated for problem in document.problems]
        for document in stated:
            problems += self._add_names(document)
        problems += [problem for names in self._names.values() for problem in names.ambiguities()]
        self._conditions = _merged(stated)
        prices = [price for document in stated for price in document.prices]
        self.prices: Final = (*prices, *self._derived([price for price in prices if price.rank < CONTRACT_RANK]))
        problems += _overlaps(self.prices)
        problems += self._wrong_plans()
        if problems:
            raise CatalogError(problems)
        self._by_id = {price.price_id: price for price in self.prices}
        self._contracts = Contracts([each for each in self.prices if each.rank >= CONTRACT_RANK], managed.plans)
        self._models = self._group()
        self._aliased: dict[_Key, ModelPrices] = {}
        self._agreed: dict[tuple[str, str, str, str, str], ModelPrices] = {}
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
        plans = {**self._plans, **(plans or {})}
        return Catalog([*self._documents, *documents], plans=plans, managed=self._managed)

    def with_managed(self, managed: Managed) -> "Catalog":
        """A new catalogue: the files of this one, and these managed prices in place of its own."""
        return Catalog(self._documents, plans=self._plans, managed=managed)

    def current(self) -> "Catalog":
        """This catalogue: it can stand wherever one is wanted that may be replaced by a newer one."""
        return self

    def price(self, price_id: str) -> Price | None:
        """The price a ledger entry names, or None when this catalogue never held it."""
        return self._by_id.get(price_id)

    def conditions(self, provider: str) -> Mapping[str, Condition]:
        """The context keys that a provider's prices depend on."""
        return self._conditions.get(provider, {})

    def name(self, provider: str, model: str) -> str:
        """The model that a name or an alias means; the name itself where nobody knows it."""
        names = self._names.get(provider)
        return (names.find(model) if names is not None else None) or model

    def model(
        self, *, provider: str, model: str, modality: str, project: str = "", account: str = ""
    ) -> ModelPrices | UnratedReason:
        """The prices of a model by its name or a declared alias, or why there are none.

        `project` and `account` (a key's fingerprint) choose prices that were agreed for them.
        """
        key = (provider, model, modality)
        if self._contracts:
            party = self._contracts.party(provider, project=project, account=account)
            if party is not None:
                return self._agreed.get((*key, *party)) or self._agree(key, *party)
        return self._models.get(key) or self._aliased.get(key) or self._find(key)

    def model_for_all(self, *, provider: str, model: str, modality: str) -> ModelPrices | UnratedReason:
        """The list's prices of a model and whatever anybody agreed, for who chooses among them by `scope` later."""
        key = (provider, model, modality)
        listed = self._models.get(key) or self._aliased.get(key) or self._find(key)
        if not self._contracts:
            return listed
        names = tuple(dict.fromkeys((model, self.name(provider, model))))
        agreed, plans = self._contracts.of_all(key, names=names)
        if not agreed and (isinstance(listed, str) or plans == listed.plans):
            return listed
        return ModelPrices(
            [*(() if isinstance(listed, str) else listed.prices), *agreed],
            conditions=self.conditions(provider),
            default_plan=self._plans.get(provider),
            plans=plans,
        )

    def _find(self, key: _Key) -> ModelPrices | UnratedReason:
        provider, model, modality = key
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

    def _agree(self, key: _Key, project: str, account: str) -> ModelPrices | UnratedReason:
        """The list's prices of a model and those that were agreed, together."""
        provider, model, _ = key
        listed = self._models.get(key) or self._aliased.get(key) or self._find(key)
        names = tuple(dict.fromkeys((model, self.name(provider, model))))
        agreed = self._contracts.prices(key, names=names, project=project, account=account)
        if isinstance(listed, str) and not agreed:
            return listed
        made = ModelPrices(
            [*(() if isinstance(listed, str) else listed.prices), *agreed],
            conditions=self.conditions(provider),
            default_plan=self._plans.get(provider),
            plans=self._contracts.plans(provider, project=project, account=account),
        )
        if len(self._agreed) >= ALIASES_MAX:
            self._agreed.clear()
        self._agreed[(*key, project, account)] = made
        return made

    def _add_names(self, document: Document) -> list[str]:
        # A contract for a model makes it known to nobody else.
        if not document.provider or any(price.rank >= CONTRACT_RANK for price in document.prices):
            return []
        names = self._names.setdefault(document.provider, ModelNames())
        return [
            f"{document.name}: models[{model}].aliases: {problem}"
            for model, aliases in document.names
            for problem in names.add(model, aliases)
        ]

    def _derived(self, listed: Sequence[Price]) -> Iterator[Price]:
        """What discounts and prices of credits make of the list; those of the list itself come first."""
        prices = list(listed)
        count = 0
        for derivation in sorted(self._managed.derivations, key=lambda each: each.scope.rank):
            model = self.name(derivation.provider, derivation.model) if derivation.model else ""
            for made in list(derivation.of(prices, model=model)):
                count += 1
                if count > DERIVED_MAX:
                    raise CatalogError([f"{derivation.origin}: discounts would make more than {DERIVED_MAX} prices"])
                if not derivation.scope.rank:
                    prices.append(made)
                yield made

    def _group(self) -> dict[_Key, ModelPrices]:
        grouped: dict[_Key, list[Price]] = {}
        for price in self.prices:
            if price.rank < CONTRACT_RANK:
                grouped.setdefault((price.provider, price.model, price.modality), []).append(price)
        return {
            key: ModelPrices(
                prices,
                conditions=self._conditions[key[0]],
                default_plan=self._plans.get(key[0]),
                plans=self._contracts.plans(key[0]) if self._managed.plans else (),
            )
            for key, prices in grouped.items()
        }

    def _wrong_plans(self) -> list[str]:
        problems = []
        for provider, plan in self._plans.items():
            condition = self.conditions(provider).get("plan")
            if condition is None or plan not in condition.values:
                problems.append(f"default plan {plan!r}: {provider!r} has no such plan")
        return problems + overlapping_plans(self._managed.plans)

    def _hash(self) -> str:
        content: tuple[object, ...] = (
            sorted(f"{price.price_id} {price.effective_to}" for price in self.prices),
            sorted((document.provider, *name) for document in self._documents for name in document.names),
            sorted(repr(sorted(document.conditions.items())) for document in self._documents),
            sorted(self._plans.items()),
        )
        if self._managed.documents or self._managed.plans:
            more = self._managed.documents
            content += (
                sorted((document.provider, *name) for document in more for name in document.names),
                sorted({repr(sorted(document.conditions.items())) for document in more}),
                sorted(map(repr, self._managed.plans)),
            )
        return hashlib.sha256(repr(content).encode()).hexdigest()[:12]


def _merged(documents: Iterable[Document]) -> dict[str, dict[str, Condition]]:
    merged: dict[str, dict[str, Condition]] = {}
    for document in documents:
        merged.setdefault(document.provider, {}).update(document.conditions)
    return merged


def _overlaps(prices: Iterable[Price]) -> list[str]:
    """Rows of which some request could match two for one meter: it would be billed twice, or by chance."""

    def key(price: Price) -> tuple[str | int, ...]:
        return (price.provider, price.model, price.modality, price.layer, price.scope, price.rank)

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
