"""Which prices hold for one model in one context at one instant, worked out once and then looked up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.layers import resolved
from voicegateway_shared.pricing.plans import PlanWindow, plan_spans
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.rule import Rule

UnratedReason = Literal[
    "unknown_provider",
    "unknown_model",
    "no_price_for_meter",
    "no_price_for_context",
    "no_price_at_time",
    "no_billable_usage",
    "unusable_context",
    "inconsistent_usage",
    "amount_out_of_range",
]
CONTEXTS_MAX: Final = 1_024
"""Contexts kept per model: real ones have a handful; words come from requests, so an attacker's are endless."""
TIMES_MAX: Final = 64
"""Channels of one stream; beyond this the word is a mistake, and billing it would be a large one."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules of one context in one window; `unpriced` are meters of the model that no rule here prices."""

    start: datetime | None
    end: datetime | None
    rules: tuple[Rule, ...]
    unpriced: tuple[str, ...]


class ModelPrices:
    """All prices of one model in one modality; lives as long as its catalogue and remembers its contexts."""

    def __init__(
        self,
        prices: Iterable[Price],
        *,
        conditions: Mapping[str, Condition],
        default_plan: str | None,
        plans: tuple[PlanWindow, ...] = (),
    ) -> None:
        self.prices = tuple(prices)
        self.meters = tuple(dict.fromkeys(meter for price in self.prices for meter in (price.meter, *price.fallback)))
        self.conditions = conditions
        self.default_plan = default_plan
        self.plans = plans
        used = {key for price in self.prices for key, _ in price.when}
        self._times_keys = sorted({price.times for price in self.prices if price.times})
        self._keys = (*sorted(used), *self._times_keys)
        self._by_context: dict[tuple[str | None, ...], tuple[Selection, ...] | UnratedReason] = {}

    def select(self, context: Mapping[str, str], at: datetime) -> Selection | UnratedReason:
        """The rules for a context and an instant, or why there are none."""
        found = self.selections(context)
        if isinstance(found, str):
            return found
        for selection in found:
            if (selection.start is None or selection.start <= at) and (selection.end is None or at < selection.end):
                return selection
        return "no_price_at_time"

    def selections(self, context: Mapping[str, str]) -> tuple[Selection, ...] | UnratedReason:
        """The rules for a context at all times that have any, the newest first, or why there are none."""
        words = tuple([context.get(key) for key in self._keys])
        found = self._by_context.get(words)
        if found is None:
            if len(self._by_context) >= CONTEXTS_MAX:
                self._by_context.clear()
            found = self._by_context[words] = self._selections(words)
        return found

    def _selections(self, words: tuple[str | None, ...]) -> tuple[Selection, ...] | UnratedReason:
        context = dict(zip(self._keys, words, strict=True))
        times = {key: _times(context.pop(key)) for key in self._times_keys}
        if None in times.values():
            return "unusable_context"
        is_matched = False
        found: list[Selection] = []
        for start, end, plan in plan_spans(self.plans if not context.get("plan", "x") else (), self.default_plan):
            canonical = {
                key: self.conditions[key].canonical(word, default=plan if key == "plan" else None)
                for key, word in context.items()
            }
            prices = [price for price in self.prices if price.matches(canonical)]
            is_matched = is_matched or bool(prices)
            rules = {price: Rule(price, times=(times.get(price.times or "") or 1)) for price in prices}
            found += _windows(rules, self.meters, start, end)
        return tuple(found) if is_matched else "no_price_for_context"


def _times(word: str | None) -> int | None:
    if not word:
        return 1
    if not (word.isascii() and word.isdigit() and len(word) <= 2):
        return None
    return int(word) if 1 <= int(word) <= TIMES_MAX else None


def _windows(
    rules: Mapping[Price, Rule], meters: tuple[str, ...], first: datetime | None, last: datetime | None
) -> Iterable[Selection]:
    """One selection per stretch of time from `first` to `last` in which the same prices hold, the newest first."""
    instants = {price.effective_from for price in rules} | {price.effective_to for price in rules}
    inner = {each for each in instants if each is not None}
    if first is not None or last is not None:
        inner = {each for each in inner if (first is None or first < each) and (last is None or each < last)}
    edges = [first, *sorted(inner), last]
    for start, end in reversed(list(pairwise(edges))):
        held = resolved(tuple(rule for price, rule in rules.items() if _holds(price, start, end)))
        if held:
            handled = {meter for rule in held for meter in (*rule.meters, *rule.instead_of)}
            yield Selection(start, end, held, tuple(meter for meter in meters if meter not in handled))


def _holds(price: Price, start: datetime | None, end: datetime | None) -> bool:
    has_begun = price.effective_from is None or (start is not None and price.effective_from <= start)
    has_not_ended = price.effective_to is None or (end is not None and end <= price.effective_to)
    return has_begun and has_not_ended
