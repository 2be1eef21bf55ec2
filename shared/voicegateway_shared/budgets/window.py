"""Windows: the stretches of time in which a budget is counted. Pure: an instant in, a window out; nothing asks a clock.

The instant is the charging side's: the controller decides with its own clock which window is open, and tells holders
the window's id and end. A worker whose clock is wrong can therefore neither open a window early nor keep one open.

A request is charged to the window of the instant it ended, as its ledger entry is. A call that spans midnight is many
requests, and each is charged by its own end: the day before pays for what ended before, the new day for the rest. A
single long stream is one request, and is charged whole to the day it ends in.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal

import msgspec

WindowKind = Literal["hour", "day", "week", "month", "rolling_24h", "total", "session"]
WINDOW_KINDS: Final[tuple[WindowKind, ...]] = ("hour", "day", "week", "month", "rolling_24h", "total", "session")
CALENDAR_KINDS: Final[tuple[WindowKind, ...]] = ("hour", "day", "week", "month")
"""Windows that a zone's clocks and calendar begin and end."""

SLICE_S: Final = 300
"""Rolling windows forget in slices of this length: they look back 24 h and at most this much more."""
SLICES_BACK: Final = 24 * 3600 // SLICE_S

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """[start, end) as instants in UTC, None where there is none; `id` is unique among a budget's windows."""

    id: str
    start: datetime | None = None
    end: datetime | None = None
    """The next reset: the first instant that is not of this window."""

    def contains(self, instant: datetime) -> bool:
        """Say whether an instant is in [start, end)."""
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)


def window_at(kind: WindowKind, instant: datetime, *, zone: tzinfo = UTC, session: str = "") -> Window:
    """Return the window that an instant belongs to; for `rolling_24h` the slice that is charged.

    `zone` decides calendar windows only. `session` is the session's id, for a window per session.

    Raises:
        ValueError: the instant has no zone, or a window per session is asked for without a session.
    """
    if instant.tzinfo is None:
        raise ValueError("the instant must be an aware datetime")
    instant = instant.astimezone(UTC)
    if kind == "hour":
        return _hour(instant, zone)
    if kind == "rolling_24h":
        return slice_window(slice_at(instant))
    if kind == "total":
        return Window(id="total")
    if kind == "session":
        if not session:
            raise ValueError("a window per session needs the session's id")
        return Window(id=f"session:{session}")
    return _days(kind, instant, zone)


def slice_at(instant: datetime) -> int:
    """Return the number of the slice that holds an instant; slices are counted from 1970 in UTC, whatever the zone."""
    return (instant - _EPOCH) // timedelta(seconds=SLICE_S)


def slice_window(number: int) -> Window:
    """Return one slice of the rolling windows; its end is when the oldest slice is forgotten."""
    start = _EPOCH + timedelta(seconds=number * SLICE_S)
    return Window(id=f"rolling_24h:{start:%Y-%m-%dT%H:%M}Z", start=start, end=start + timedelta(seconds=SLICE_S))


def counted_slices(instant: datetime) -> range:
    """Return the numbers of all slices whose sum is what a rolling window has spent at an instant.

    They reach back at least 24 h and less than 24 h + `SLICE_S`. Whatever was spent in the last 24 h is in the sum, so
    no stretch of 24 h ever holds more than the budget; money is free again up to `SLICE_S` late (0.35 % of the window),
    never early.
    """
    now = slice_at(instant)
    return range(now - SLICES_BACK, now + 1)


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the first instant, in UTC, at which a zone's calendar shows a day or a later one.

    That is midnight, where midnight exists. Where clocks skip it the day begins with the skip; where they skip a whole
    day it begins when the next one does, and is empty.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # Midnight was skipped, so `instant` lies after the skip. Before it no clock showed this day.
    before = midnight.replace(fold=1).astimezone(UTC)
    return _first(before, instant, lambda at: at.astimezone(zone).date() >= day)


def _days(kind: WindowKind, instant: datetime, zone: tzinfo) -> Window:
    day = _day_of(instant, zone)
    if kind == "day":
        first, last, label = day, day + _DAY, day.isoformat()
    elif kind == "week":
        year, week, weekday = day.isocalendar()
        first = day - (weekday - 1) * _DAY
        last, label = first + 7 * _DAY, f"{year:04d}-W{week:02d}"
    else:
        first = day.replace(day=1)
        last, label = (first + 31 * _DAY).replace(day=1), f"{day:%Y-%m}"
    return Window(id=f"{kind}:{label}", start=day_start(first, zone), end=day_start(last, zone))


def _day_of(instant: datetime, zone: tzinfo) -> date:
    """The day whose window holds the instant.

    It is the one the zone's calendar shows, save where clocks go back across midnight: what then shows the old day for
    a second time belongs to the new one, for a window that has ended does not open again.
    """
    day = instant.astimezone(zone).date()
    while day_start(day + _DAY, zone) <= instant:
        day += _DAY
    return day


def _hour(instant: datetime, zone: tzinfo) -> Window:
    """An hour by the zone's clocks; a change of the clocks within it ends it, so it is never longer than an hour."""
    local = instant.astimezone(zone)
    offset = local.utcoffset()
    since = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start, end = instant - since, instant - since + _HOUR
    if start.astimezone(zone).utcoffset() != offset:
        start = _first(start, instant, lambda at: at.astimezone(zone).utcoffset() == offset)
    if (end - _MICROSECOND).astimezone(zone).utcoffset() != offset:
        end = _first(instant, end, lambda at: at.astimezone(zone).utcoffset() != offset)
    return Window(id=f"hour:{start.astimezone(zone).isoformat()}", start=start, end=end)


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first instant at which a condition begins to hold that fails at `low` and holds at `high`.

    Clocks change at whole seconds.
    """
    fails, held = (low - _EPOCH) // _SECOND, (high - _EPOCH) // _SECOND
    while held - fails > 1:
        middle = (fails + held) // 2
        if holds(_EPOCH + middle * _SECOND):
            held = middle
        else:
            fails = middle
    return _EPOCH + held * _SECOND
