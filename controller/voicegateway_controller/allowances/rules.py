"""How much credit usage gets: pure. In order of time, exactly, never more than the usage cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from voicegateway_shared.money import divide_half_even


@dataclass(frozen=True, slots=True)
class Hour:
    """What usage of one hour came to: billed quantity and amount."""

    at: datetime
    billed: int
    pico_usd: int


@dataclass(frozen=True, slots=True)
class Line:
    """One meter of one request."""

    billed: int
    pico_usd: int


@dataclass(slots=True)
class Covered:
    """The hours that a quantity covers wholly, and the one in which it ends, if it does."""

    credits: dict[datetime, int] = field(default_factory=dict)
    edge: Hour | None = None
    left: int = 0
    """Of the quantity: at the edge, or at the end."""


def cover_hours(hours: Iterable[Hour], quantity: int) -> Covered:
    """Cover hour after hour, until one needs more than is left."""
    made = Covered(left=quantity)
    for hour in hours:
        if made.left <= 0:
            break
        if hour.billed > made.left:
            made.edge = hour
            break
        made.credits[hour.at] = hour.pico_usd
        made.left -= hour.billed
    return made


def cover_lines(lines: Iterable[Line], quantity: int) -> int:
    """Return what the first units of some lines cost, in their order; of the last one the part that is covered."""
    covered, left = 0, quantity
    for line in lines:
        if left <= 0:
            break
        if line.billed <= left:
            covered += line.pico_usd
            left -= line.billed
            continue
        covered += divide_half_even(line.pico_usd * left, line.billed)
        left = 0
    return covered


def cover_amounts(hours: Sequence[Hour], pico_usd: int) -> dict[datetime, int]:
    """Cover amounts in order of time up to a sum. In all: that sum, or what was used, or nothing when that is less."""
    found: dict[datetime, int] = {}
    total = given = 0
    for hour in hours:
        total += hour.pico_usd
        covered = min(pico_usd, max(0, total))
        if covered != given:
            found[hour.at] = covered - given
        given = covered
    return found


def without(hours: Iterable[Hour], given: Iterable[dict[datetime, int]]) -> list[Hour]:
    """Return what of these hours is not covered yet."""
    held = list(given)
    return [Hour(hour.at, hour.billed, hour.pico_usd - sum(each.get(hour.at, 0) for each in held)) for hour in hours]


def without_days(hours: Iterable[Hour], given: Mapping[date, int]) -> list[Hour]:
    """Return what of these hours is left of amounts that are known by the day only: the first hours are covered first.

    The days are UTC's.
    """
    left, found = dict(given), []
    for hour in hours:
        covered = min(left.get(hour.at.date(), 0), max(0, hour.pico_usd))
        if covered:
            left[hour.at.date()] -= covered
        found.append(Hour(hour.at, hour.billed, hour.pico_usd - covered))
    return found
