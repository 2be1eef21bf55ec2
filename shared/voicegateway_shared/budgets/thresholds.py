"""Thresholds: shares of a budget at which somebody wants to know."""

from collections.abc import Iterable


def crossed(thresholds: Iterable[int], *, amount_nano_usd: int, before_nano_usd: int, after_nano_usd: int) -> list[int]:
    """Return the percents that are reached on the way from one spending to another, the start excluded.

    Each is returned once per window if every call's `before` is the highest `after` so far, starting from zero. Where
    spending sinks, by a correction, nothing is crossed.
    """
    return [
        percent for percent in thresholds if before_nano_usd * 100 < percent * amount_nano_usd <= after_nano_usd * 100
    ]
