"""Which of a vendor's plans holds when: the plan of requests that do not say theirs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, groupby, pairwise
from operator import itemgetter

from voicegateway_shared.pricing.price import Layer

Span = tuple[datetime | None, datetime | None, str | None]
"""From, to (excluded), and the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWindow:
    """A plan that holds in a window, for everybody, a key or a project; of several the highest `rank` wins."""

    provider: str
    plan: str
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    layer: Layer = "list"
    scope: str = ""
    rank: int = 0

    def holds(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether it holds in the whole of a stretch that none of its ends divides."""
        has_begun = self.effective_from is None or (start is not None and self.effective_from <= start)
        return has_begun and (self.effective_to is None or (end is not None and end <= self.effective_to))


def plan_spans(windows: Sequence[PlanWindow], default: str | None) -> Iterable[Span]:
    """Return who holds when, the newest first, for all time; `default` where no window says anything."""
    if not windows:
        return ((None, None, default),)
    instants = {each.effective_from for each in windows} | {each.effective_to for each in windows}
    edges = [None, *sorted(each for each in instants if each is not None), None]
    stretches = [
        (start, end, max(held, key=lambda each: each.rank).plan if held else default)
        for start, end in pairwise(edges)
        for held in [[each for each in windows if each.holds(start, end)]]
    ]
    merged: list[Span] = []
    for plan, group in groupby(stretches, key=itemgetter(2)):
        members = list(group)
        merged.append((members[0][0], members[-1][1], plan))
    return tuple(reversed(merged))


def overlapping_plans(windows: Sequence[PlanWindow]) -> list[str]:
    """Plans of which two would hold at once for the same party."""
    return [
        f"{one.provider}: the plans {one.plan!r} and {other.plan!r} hold at once for {one.scope or 'everybody'}"
        for one, other in combinations(windows, 2)
        if (one.provider, one.layer, one.scope) == (other.provider, other.layer, other.scope)
        and _before(one.effective_from, other.effective_to)
        and _before(other.effective_from, one.effective_to)
    ]


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end
