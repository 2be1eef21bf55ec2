"""Bounds from prices: what requests to a model may cost at most, reduced to whole numbers that need no catalogue.

Where a price has neither minimum nor rounding, rating is linear: a part that one row takes away and another row prices
adds the difference of the two. So the bound is each meter's difference, where it is positive, times the most of that
meter. A line that rating cannot price (a part above its whole) is left out; each way to leave lines out is a way
to bill of its own, and the dearest is the bound.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import chain, combinations, product
from types import MappingProxyType
from typing import Final

from voicegateway_shared.cost_bound import Band, Choice, CostBound, Form, Stepped, Term
from voicegateway_shared.money import PICO_PER_NANO
from voicegateway_shared.pricing.rule import Rule
from voicegateway_shared.pricing.selection import ModelPrices, Selection, UnratedReason
from voicegateway_shared.usage import PART_OF

_DEFAULT: Final[tuple[Mapping[str, str], ...]] = (MappingProxyType({}),)
_State = Mapping[str, int]
"""For each meter that tiers go by, the step it is above."""


def cost_bound(
    prices: ModelPrices, *, since: datetime, until: datetime, contexts: Sequence[Mapping[str, str]] = _DEFAULT
) -> CostBound | UnratedReason:
    """Return the bound that holds whenever a request ends from `since` to `until` under any of the contexts.

    A request is rated at the instant it ends, in the context the vendor reports: a caller that cannot know these names
    all that are possible. Where one of them has no price there is no bound, and the reason is returned.
    """
    selections: list[Selection] = []
    for context in contexts:
        found = prices.selections(context)
        if isinstance(found, str):
            return found
        held = [each for each in found if _overlaps(each, since, until)]
        if not _covers(held, since, until):
            return "no_price_at_time"
        selections += held
    selections = list(dict.fromkeys(selections))
    rules = [rule for selection in selections for rule in selection.rules]
    denominator = _denominator(rules)
    bands = [band for selection in selections for band in _bands(selection.rules, denominator)]
    meters = {meter for rule in rules for meter in (*rule.meters, *rule.price.plus, *rule.minus)}
    meters |= {rule.price.tiers.basis for rule in rules if rule.price.tiers}
    return CostBound(
        denominator=denominator, bands=tuple(dict.fromkeys(bands)), meters=tuple(sorted(meters)), until=until
    )


def _overlaps(selection: Selection, since: datetime, until: datetime) -> bool:
    return (selection.start is None or selection.start <= until) and (selection.end is None or since < selection.end)


def _covers(selections: Sequence[Selection], since: datetime, until: datetime) -> bool:
    """Whether selections of one context, the newest first, leave no instant out from `since` to `until`."""
    reached = since
    for selection in reversed(selections):
        if selection.start is not None and selection.start > reached:
            return False
        if selection.end is None:
            return True
        reached = selection.end
    return reached > until


def _denominator(rules: Iterable[Rule]) -> int:
    """One that makes every rate per unit, and half a pico-dollar where lines are rounded, a whole number."""
    rates = [rate for rule in rules for rate in _rates(rule)]
    halves = [2 * PICO_PER_NANO] if any(rate.denominator > 1 for rate in rates) else []
    return math.lcm(*((rate / PICO_PER_NANO).denominator for rate in rates), *halves)


def _rates(rule: Rule) -> list[Fraction]:
    """Pico-dollars per base unit at each amount of a price: the first, then by step."""
    price = rule.price
    steps = price.tiers.steps if price.tiers else ()
    return [price.pico_usd_per_base(amount) for amount in (price.amount, *(step.amount for step in steps))]


def _bands(rules: Sequence[Rule], denominator: int) -> Iterator[Band]:
    """One band per combination of steps that the meters of cliff tiers may be above."""
    steps: dict[str, set[int]] = {}
    for rule in rules:
        tiers = rule.price.tiers
        if tiers is not None and tiers.kind == "cliff":
            steps.setdefault(tiers.basis, set()).update(step.above for step in tiers.steps)
    lines = sum(1 for rule in rules if any(rate.denominator > 1 for rate in _rates(rule)))
    # Each line that is rounded may gain half a pico-dollar. One alone gains nothing above the next whole nano-dollar.
    slack = lines * denominator // (2 * PICO_PER_NANO) if lines > 1 else 0
    for above in product(*([-1, *sorted(found)] for found in steps.values())):
        state = dict(zip(steps, above, strict=True))
        linear = [rule for rule in rules if _is_linear(rule)]
        yield Band(
            tuple((basis, step) for basis, step in state.items() if step >= 0),
            tuple(_merged([_choice(group, state, denominator) for group in _groups(linear)])),
            tuple(_stepped(rule, state, denominator) for rule in rules if not _is_linear(rule)),
            slack,
        )


def _is_linear(rule: Rule) -> bool:
    price = rule.price
    return price.minimum == 0 and price.increment == 1 and (price.tiers is None or price.tiers.kind == "cliff")


def _per_unit(rule: Rule, state: _State, denominator: int) -> int:
    """What a unit costs in a state. Of graduated tiers it is the dearest, for no part of the quantity costs more."""
    first, *others = _rates(rule)
    tiers = rule.price.tiers
    rate = first
    if tiers is not None and tiers.kind == "graduated":
        rate = max(first, *others)
    elif tiers is not None:
        for step, step_rate in zip(tiers.steps, others, strict=True):
            if step.above <= state[tiers.basis]:
                rate = step_rate
    return int(rate / PICO_PER_NANO * denominator)


def _stepped(rule: Rule, state: _State, denominator: int) -> Stepped:
    price = rule.price
    per_unit = _per_unit(rule, state, denominator)
    return Stepped(rule.meters, price.plus, rule.times, price.minimum, price.increment, per_unit)


def _groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that share meters, together; groups that share none are bounded apart."""
    groups: list[tuple[set[str], list[Rule]]] = []
    for rule in rules:
        meters = {*rule.meters, *rule.minus, *rule.price.plus}
        touched = [group for group in groups if group[0] & meters]
        groups = [group for group in groups if not group[0] & meters]
        groups.append((meters.union(*(group[0] for group in touched)), [*chain(*(g[1] for g in touched)), rule]))
    return [members for _, members in groups]


def _merged(choices: Sequence[Choice]) -> Iterator[Choice]:
    """The same choices; those that leave nothing to choose become one, which is faster."""
    plain = [choice.forms[0] for choice in choices if len(choice.forms) == 1 and not choice.broken]
    if plain:
        terms = chain(*(form.terms for form in plain))
        yield Choice((Form(tuple(terms), tuple(chain(*(form.disjoint for form in plain)))),), ())
    yield from (choice for choice in choices if len(choice.forms) > 1 or choice.broken)


def _choice(rules: Sequence[Rule], state: _State, denominator: int) -> Choice:
    """The ways in which a group of rules may bill: by which meter each, and which lines cannot be priced."""
    whole: list[Counter[str]] = []
    broken: list[Counter[str]] = []
    forms: list[Form] = []
    rates = {rule: _per_unit(rule, state, denominator) * rule.times for rule in rules}
    may_break = [rule for rule in rules if rule.minus]
    subsets = [set(subset) for count in range(len(may_break) + 1) for subset in combinations(may_break, count)]
    for billed in product(*(rule.meters for rule in rules)):
        for unpriced in subsets:
            sums: Counter[str] = Counter()
            for rule, meter in zip(rules, billed, strict=True):
                if rule not in unpriced:
                    _add(sums, rule, meter, rates[rule])
            (broken if unpriced else whole).append(+sums)
        forms.append(_form(whole[-1], rules, billed))
    return Choice(tuple(forms), tuple(tuple(sums.items()) for sums in _dearest(broken, whole)))


def _dearest(broken: Sequence[Counter[str]], whole: Sequence[Counter[str]]) -> Iterator[Counter[str]]:
    """Those of the broken ways that no other way exceeds in every meter."""
    for index, sums in enumerate(broken):
        others = [*whole, *broken[:index], *(other for other in broken[index + 1 :] if other != sums)]
        if not any(all(other[meter] >= each for meter, each in sums.items()) for other in others):
            yield sums


def _add(sums: Counter[str], rule: Rule, meter: str, per_unit: int) -> None:
    sums[meter] += per_unit
    for part in rule.minus:
        sums[part] -= per_unit
    for part in rule.price.plus:
        sums[part] += per_unit


def _form(sums: Counter[str], rules: Sequence[Rule], billed: Sequence[str]) -> Form:
    """The form of consistent usage, in which the parts that one rule takes away from a meter share that meter."""
    left = dict(sums)
    disjoint: list[tuple[Term, ...]] = []
    for rule, meter in zip(rules, billed, strict=True):
        parts = [part for part in rule.minus if PART_OF.get(part) == meter and part in left]
        if len(parts) > 1 and not rule.price.plus:
            terms = [(part, left.pop(part)) for part in parts]
            disjoint.append(tuple(sorted(terms, key=lambda term: -term[1])))
    return Form(terms=tuple(left.items()), disjoint=tuple(disjoint))
