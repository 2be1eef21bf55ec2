"""Choice: in which order candidates are tried, and why some are not. Pure; workers and controllers decide alike."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from voicegateway_shared.routing.chain import Strategy

Reason = Literal[
    "unknown_model", "missing_package", "missing_key", "refused_argument", "disabled", "breaker", "limit", "budget"
]
LASTING: Final[frozenset[Reason]] = frozenset(
    ("unknown_model", "missing_package", "missing_key", "refused_argument", "disabled")
)
"""Reasons that time alone does not take away: such a candidate never serves. The others only put a candidate behind
those that may serve: where nobody may, asking somebody is better than a silent call."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why one candidate does not serve."""

    model: str
    reason: Reason
    detail: str = ""
    """For people: which limit, until when, which variable to set."""

    def __str__(self) -> str:
        return f"{self.model}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one candidate when a choice is made."""

    model: str
    weight: int = 1
    rejections: tuple[Rejection, ...] = ()
    """In the order in which they were found: key, breaker, limits, budgets."""
    is_degraded: bool = False
    """It answers far slower than it used to: put behind those that do not."""
    cost_nano_usd: int | None = None
    """Of a typical request; None where it has no price."""
    ttfb_p50_ms: int | None = None
    """Of the fleet, of late; None while there are too few to tell."""

    @property
    def is_out(self) -> bool:
        """Whether it cannot serve at all."""
        return any(each.reason in LASTING for each in self.rejections)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who is tried, first to last, by index; and why others are not, or only at the end."""

    order: tuple[int, ...]
    rejections: tuple[Rejection, ...]
    strategy: Strategy
    is_last_resort: bool = False
    """Nobody passed: the first of the order was rejected too, for a while."""


def choose(
    standings: Sequence[Standing], strategy: Strategy = "order", *, lot: str = "", is_throttled: bool = False
) -> Decision:
    """Order candidates: those that pass by strategy, degraded ones after the others, then those rejected for a while.

    `lot` decides `weighted` and `sticky`: the same text, the same order. A throttling budget makes every strategy
    `cheapest`. Costs O(n log n) in the candidates; does no I/O.
    """
    used: Strategy = "cheapest" if is_throttled else strategy
    ranked = _ranked(standings, used, lot, is_throttled=is_throttled)
    able = [index for index in ranked if not standings[index].is_out]
    passing = [index for index in able if not standings[index].rejections]
    later = [index for index in able if standings[index].rejections]
    passing.sort(key=lambda index: standings[index].is_degraded)
    return Decision(
        order=(*passing, *later),
        rejections=tuple(rejection for each in standings for rejection in each.rejections),
        strategy=used,
        is_last_resort=not passing and bool(later),
    )


def _ranked(standings: Sequence[Standing], strategy: Strategy, lot: str, *, is_throttled: bool) -> list[int]:
    indices = list(range(len(standings)))
    if strategy == "cheapest":
        costs = [each.cost_nano_usd for each in standings]
        # People write the dearest first, and who throttles wants the cheapest.
        return indices[::-1] if is_throttled and None in costs else _sorted_where_known(costs)
    if strategy == "fastest":
        return _sorted_where_known([each.ttfb_p50_ms for each in standings])
    if strategy in ("weighted", "sticky"):
        draws = _draws(standings, lot)
        return sorted(indices, key=lambda index: draws[index])
    return indices


def _sorted_where_known(values: Sequence[int | None]) -> list[int]:
    """Sort those that have a value among themselves; one without stays where it stands.

    One that nobody has timed yet is tried where its chain has it; the others need not wait for it to be timed.
    """
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    ranked = iter(sorted(known))
    return [index if value is None else next(ranked)[1] for index, value in enumerate(values)]


def _draws(standings: Sequence[Standing], lot: str) -> list[float]:
    """Weighted rendezvous: with weights w the first is drawn with probability w / sum of w (exponential races).

    A draw depends on the lot, the model and its weight alone: who else is in the chain moves nobody's place beside the
    others. A model that is named twice draws twice.
    """
    seen: Counter[str] = Counter()
    draws = []
    for each in standings:
        digest = hashlib.blake2b(f"{lot}\0{each.model}\0{seen[each.model]}".encode(), digest_size=8).digest()
        seen[each.model] += 1
        uniform = (int.from_bytes(digest) + 1) / (2**64 + 1)
        draws.append(-math.log(uniform) / max(1, each.weight))
    return draws
