"""Readers for single keys of a price row: each returns the value or refuses, naming the key."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, TypeVar

from voicegateway_shared.pricing.price import TIER_KINDS, Tier, Tiers
from voicegateway_shared.pricing.quantity import Quantity, parse_decimal, parse_quantity
from voicegateway_shared.pricing.yaml_text import YamlMapping
from voicegateway_shared.usage import METERS

_T = TypeVar("_T")
_TIER_KEYS: Final = frozenset({"kind", "basis", "steps"})
_STEP_KEYS: Final = frozenset({"above", "amount"})
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
Row = Mapping[str, Any]
Window = tuple[datetime | None, datetime | None]


class Refused(Exception):
    """A key of a row is wrong; caught where the row is read, which adds file, line and row."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def take(row: Row, key: str, parse: Callable[[object], _T]) -> _T:
    if key not in row:
        raise Refused(key, "is missing")
    try:
        return parse(row[key])
    except ValueError as error:
        raise Refused(key, str(error)) from error


def quantity(row: Row, key: str, unit: str) -> Quantity:
    found = take(row, key, parse_quantity)
    if found.base != unit:
        raise Refused(key, f"'{found}' does not count what the meter counts ({unit})")
    return found


def choice(row: Row, key: str, allowed: Sequence[str], default: str | None) -> Any:
    value = row.get(key, default)
    if value not in allowed:
        raise Refused(key, f"{value!r} must be one of {', '.join(allowed)}")
    return value


def meters(row: Row, key: str, unit: str | None) -> tuple[str, ...]:
    """A list of meters that count `unit`; None accepts any unit."""
    names = row.get(key, [])
    if not isinstance(names, list):
        raise Refused(key, "must be a list of meters")
    for name in names:
        if not isinstance(name, str) or name not in METERS:
            raise Refused(key, f"{name!r} is not a meter; known are {', '.join(METERS)}")
        if unit is not None and METERS[name].unit != unit:
            raise Refused(key, f"{name!r} counts {METERS[name].unit}, not {unit}")
    if len(set(names)) != len(names) or row.get("meter") in names:
        raise Refused(key, "must not repeat a meter")
    return tuple(names)


def instant(row: Row, key: str) -> datetime | None:
    value = row.get(key)
    if value is None:
        return None
    read = _instant_of(value) if isinstance(value, str) else value
    if not isinstance(read, datetime) or read.utcoffset() != timedelta(0):
        raise Refused(key, f"{value!r} must be an instant in UTC such as 2026-10-01T07:00:00Z")
    return read.astimezone(UTC)


def day(value: object) -> date | None:
    """A day as files write it, `2026-10-01`, or as code has it; None for anything else."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    # A datetime is a date to Python, but not a day to a reader.
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _instant_of(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    # The first and the last year: an hour before or after, or in another zone, there is no such instant.
    return read if MINYEAR < read.year < MAXYEAR else None


def window(row: Row) -> Window:
    start, end = instant(row, "effective_from"), instant(row, "effective_to")
    if start is not None and end is not None and start >= end:
        raise Refused("effective_to", "must be after effective_from")
    return start, end


def intersection(one: Window, other: Window) -> Window | None:
    """The instants in both windows, or None when there are none."""
    starts = [start for start in (one[0], other[0]) if start is not None]
    ends = [end for end in (one[1], other[1]) if end is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    if start is not None and end is not None and start >= end:
        return None
    return start, end


def tiers(value: object, *, meter: str) -> Tiers:
    if not isinstance(value, YamlMapping) or not value.keys() <= _TIER_KEYS:
        raise Refused("tiers", "must be {kind, basis, steps}")
    kind = choice(value, "kind", TIER_KINDS, None)
    basis = value.get("basis", meter)
    if not isinstance(basis, str) or basis not in METERS:
        raise Refused("tiers.basis", f"{basis!r} is not a meter; known are {', '.join(METERS)}")
    if kind == "graduated" and basis != meter:
        raise Refused("tiers.basis", "graduated tiers go by the row's own meter")
    steps = value.get("steps")
    if not isinstance(steps, list) or not steps:
        raise Refused("tiers.steps", "must be a list of {above, amount}")
    read = tuple(_step(step, METERS[basis].unit) for step in steps)
    if any(low.above >= high.above for low, high in pairwise(read)):
        raise Refused("tiers.steps", "must rise")
    return Tiers(kind=kind, basis=basis, steps=read)


def _step(value: object, unit: str) -> Tier:
    if not isinstance(value, YamlMapping) or value.keys() != _STEP_KEYS:
        raise Refused("tiers.steps", "must be a list of {above, amount}")
    take(value, "amount", parse_decimal)
    return Tier(above=quantity(value, "above", unit).in_base, amount=value["amount"])
