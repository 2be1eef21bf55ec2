"""Contracts: prices and plans that were agreed for a key or a project, found by who asks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from voicegateway_shared.pricing.plans import PlanWindow
from voicegateway_shared.pricing.price import ANY_ACCOUNT, Layer, Price

_Key = tuple[str, str, str]
_Who = tuple[Layer, str]


@dataclass(slots=True)
class _Parties:
    """For whom anything of one provider was agreed."""

    projects: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)


class Contracts:
    """What was agreed beside the list; immutable, lives as long as its catalogue. False when nothing was."""

    def __init__(self, prices: Iterable[Price], plans: Iterable[PlanWindow]) -> None:
        self._prices: dict[tuple[str, str, str, Layer, str], list[Price]] = {}
        self._plans: dict[str, list[PlanWindow]] = {}
        self._parties: dict[str, _Parties] = {}
        for price in prices:
            key = (price.provider, price.model, price.modality, price.layer, price.scope)
            self._prices.setdefault(key, []).append(price)
            self._join(price.provider, price.layer, price.scope)
        for plan in plans:
            self._plans.setdefault(plan.provider, []).append(plan)
            if plan.layer != "list":
                self._join(plan.provider, plan.layer, plan.scope)

    def __bool__(self) -> bool:
        return bool(self._parties)

    def party(self, provider: str, *, project: str, account: str) -> tuple[str, str] | None:
        """Whose contracts with a provider reach a request: project and account, empty where none does.

        None when nobody has any.
        """
        found = self._parties.get(provider)
        if found is None:
            return None
        return (project if project in found.projects else "", account if account in found.accounts else "")

    def plans(self, provider: str, *, project: str = "", account: str = "") -> tuple[PlanWindow, ...]:
        """The plans of those who do not say theirs, everybody's included."""
        windows = self._plans.get(provider)
        if windows is None:
            return ()
        whose = {("list", ""), *_whose(project, account)}
        return tuple(window for window in windows if (window.layer, window.scope) in whose)

    def prices(self, key: _Key, *, names: Sequence[str], project: str, account: str) -> list[Price]:
        """What was agreed for a model under one of its names; of each party, under the first name that has any."""
        provider, _, modality = key
        found: list[Price] = []
        for layer, scope in _whose(project, account):
            for name in names:
                prices = self._prices.get((provider, name, modality, layer, scope))
                if prices is not None:
                    found += prices
                    break
        return found

    def of_all(self, key: _Key, *, names: Sequence[str]) -> tuple[list[Price], tuple[PlanWindow, ...]]:
        """What was agreed for a model by anybody, and everybody's plans with its provider."""
        provider, _, modality = key
        found: list[Price] = []
        parties = self._parties.get(provider, _Parties())
        whose: tuple[tuple[Layer, set[str]], ...] = (("account", parties.accounts), ("project", parties.projects))
        for layer, scopes in whose:
            for scope in sorted(scopes):
                for name in names:
                    prices = self._prices.get((provider, name, modality, layer, scope))
                    if prices is not None:
                        found += prices
                        break
        return found, tuple(self._plans.get(provider, ()))

    def _join(self, provider: str, layer: Layer, scope: str) -> None:
        parties = self._parties.setdefault(provider, _Parties())
        (parties.projects if layer == "project" else parties.accounts).add(scope)


def _whose(project: str, account: str) -> list[_Who]:
    whose: list[_Who] = [("account", ANY_ACCOUNT)]
    if account and account != ANY_ACCOUNT:
        whose.append(("account", account))
    if project:
        whose.append(("project", project))
    return whose
