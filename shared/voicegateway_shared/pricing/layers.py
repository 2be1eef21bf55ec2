"""Layers: of the prices that hold for a meter, the one that was agreed most specially wins."""

from collections.abc import Sequence
from itertools import groupby

from voicegateway_shared.pricing.price import CONTRACT_RANK
from voicegateway_shared.pricing.rule import Rule


def resolved(held: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules that are left of those of one context and instant, each meter priced by one layer.

    A contract remembers the list prices that it displaces: its list amount is what they would have charged.
    """
    if not any(rule.price.rank for rule in held):
        return tuple(held)
    kept = _highest(held)
    listed = [rule for rule in _highest([rule for rule in held if rule.price.rank < CONTRACT_RANK]) if rule not in kept]
    result = []
    for rule in kept:
        if rule.price.rank >= CONTRACT_RANK and listed:
            mine = _priced(rule)
            displaced = tuple(each for each in listed if not mine.isdisjoint(each.meters))
            # A list price belongs to one contract only: its amount would else count twice.
            listed = [each for each in listed if each not in displaced]
            result.append(rule.instead_of_list(displaced) if displaced else rule)
        else:
            result.append(rule)
    return tuple(result)


def _highest(held: Sequence[Rule]) -> list[Rule]:
    """Rank by rank from the top: what a higher one prices, or is agreed instead of, no lower one does."""
    kept: list[Rule] = []
    claimed: set[str] = set()
    for rank, group in groupby(sorted(held, key=_rank, reverse=True), key=_rank):
        members = [rule for rule in group if claimed.isdisjoint(rule.meters)]
        kept += members
        claimed.update(*(_priced(rule) if rank else set(rule.meters) for rule in members))
    # In the order in which they came.
    return [rule for rule in held if rule in kept]


def _priced(rule: Rule) -> set[str]:
    return {*rule.meters, *rule.instead_of}


def _rank(rule: Rule) -> int:
    return rule.price.rank
