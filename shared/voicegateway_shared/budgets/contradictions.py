"""Contradictions: budgets that can never be reached, because another one always stops spending first."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from voicegateway_shared.budgets.budget import BudgetSpec
from voicegateway_shared.budgets.window import CALENDAR_KINDS, WindowKind
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import PICO_PER_NANO, format_usd

_LONGER: Final[dict[WindowKind, tuple[WindowKind, ...]]] = {
    "hour": ("day", "week", "month", "rolling_24h", "total"),
    "day": ("week", "month", "total"),
    "week": ("total",),
    "month": ("total",),
    "rolling_24h": ("total",),
    "session": ("total",),
}
"""Windows that each lie within one of these. A day is not within rolling 24 h: one a year has 25."""


def refuse_contradictions(budgets: Sequence[BudgetSpec]) -> None:
    """Refuse two budgets that say the same, and one that can never be reached.

    Raises:
        ConfigurationError: names both budgets and the mend.
    """
    for one, other in combinations(budgets, 2):
        if (one.selector, one.window, one.zone, one.action) == (other.selector, other.window, other.zone, other.action):
            raise ConfigurationError(
                f"budgets {one.id!r} and {other.id!r} overlap: both {one.action} {_subject(one)} per {one.window}; "
                "keep one"
            )
        for wide, narrow in ((one, other), (other, one)):
            if (
                wide.is_stopping
                and narrow.amount_nano_usd > wide.amount_nano_usd
                and wide.selector.covers(narrow.selector)
                and _holds_within(narrow, wide)
            ):
                raise ConfigurationError(
                    f"budget {narrow.id!r} ({_usd(narrow)} per {narrow.window}) contradicts {wide.id!r} "
                    f"({_usd(wide)} per {wide.window}), which stops {_subject(wide)} before: it can never be reached; "
                    "lower it"
                )


def _holds_within(inner: BudgetSpec, outer: BudgetSpec) -> bool:
    """Whether each window of one lies within a window of the other."""
    if inner.window != outer.window and outer.window not in _LONGER.get(inner.window, ()):
        return False
    return inner.zone == outer.zone or not {inner.window, outer.window} <= set(CALENDAR_KINDS)


def _subject(budget: BudgetSpec) -> str:
    return str(budget.selector)


def _usd(budget: BudgetSpec) -> str:
    return f"${format_usd(budget.amount_nano_usd * PICO_PER_NANO)}"
