"""Forecast: how fast money goes, when it is gone, what a window and a month will come to. Pure; whole nano-dollars.

A week of voice traffic looks like the week before. So the coming hours are expected to cost what the same hours of the
week cost on average in the past weeks, at the level of the last seven days; every past week is also taken alone, and
the cheapest and dearest of them say how far off that may be. Where not even one week is known, money is expected to go
on going as fast as in the last day; then the last hour and all that is known say how far off that may be.

A forecast is of demand: a budget that stops spending stops it at its amount.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from voicegateway_shared.budgets import window_at

HOUR: Final = timedelta(hours=1)
WEEK: Final = timedelta(days=7)
WEEKS_MAX: Final = 4
"""Weeks that are looked back at: more would remember a season that is over."""
WEEKS_GOOD: Final = 3
GRACE: Final = timedelta(days=1)
"""A week whose first day had no calls is a week all the same."""
EXHAUSTION_MAX: Final = timedelta(days=92)
"""Nobody believes what is foretold for a later day than this."""
ROLLING_MAX: Final = timedelta(days=8)
"""What a rolling day does not reach within a week it does not reach: all weeks are the same."""
SLOTS_REMEMBERED: Final = 16_384
"""Hours of which is known which of the week they are: five weeks back and three months ahead in five zones."""
_HOUR_US: Final = 3_600_000_000
_MICROSECOND: Final = timedelta(microseconds=1)

Series = Mapping[datetime, int]
"""Nano-dollars spent in each hour that had any; the hours are whole and in UTC."""
Sureness = Literal["good", "fair", "poor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """What somebody will have spent by an instant."""

    at: datetime
    likely_nano_usd: int
    low_nano_usd: int
    high_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Money per hour, of late."""

    last_hour_nano_usd: int
    last_day_nano_usd: int
    """In all of the last 24 hours, or since there is anything; divided by the hours."""


class Outlook:
    """What to expect of one series after an instant. Immutable; made anew whenever somebody asks."""

    def __init__(
        self, series: Series, now: datetime, zone: tzinfo = UTC, *, beside: Series = MappingProxyType({})
    ) -> None:
        """What stands beside the requests (fees, packs, credits) is spent, and says nothing of what they will cost."""
        self._series = series
        self._beside = beside
        self._now = now.astimezone(UTC)
        self._hour = floor_hour(self._now)
        self._zone = zone
        # The hour that is not over counts in no week's profile.
        past = [hour for hour in series if hour < self._hour]
        self._since = min(past, default=self._hour)
        self.weeks = min(WEEKS_MAX, (self._hour - self._since + GRACE) // WEEK)
        """Whole weeks that are known."""
        self.burn = self._burn()
        self._profiles = [self._profile(back) for back in range(1, self.weeks + 1)]
        self._last_week = sum(self._profiles[0]) if self._profiles else 0
        self._all_weeks = sum(sum(profile) for profile in self._profiles)
        self._usual = [self._levelled(sum(costs)) for costs in zip(*self._profiles, strict=True)]

    @property
    def sureness(self) -> Sureness:
        """How far to trust it: by the weeks that are known."""
        if self.weeks >= WEEKS_GOOD:
            return "good"
        return "fair" if self.weeks else "poor"

    def projected(self, spent_nano_usd: int, until: datetime) -> Projected:
        """Return what will have been spent by an instant, from what has been spent by now."""
        futures = self._futures(until)
        return Projected(
            at=until,
            likely_nano_usd=spent_nano_usd + futures[0],
            low_nano_usd=spent_nano_usd + min(futures),
            high_nano_usd=spent_nano_usd + max(futures),
        )

    def month_so_far(self) -> int:
        """Return what was spent in the calendar month of the zone."""
        start = month_of(self._now, self._zone)[0]
        return spent_since(self._series, start, self._now) + spent_since(self._beside, start, self._now)

    def month_end(self) -> Projected:
        """Return what the calendar month of the zone will come to."""
        return self.projected(self.month_so_far(), month_of(self._now, self._zone)[1])

    def runs_out_at(self, left_nano_usd: int, until: datetime | None, *, is_rolling: bool = False) -> datetime | None:
        """Return when so much will be spent; None when not before `until`, or not within EXHAUSTION_MAX.

        In a rolling window what was spent 24 hours before is free again.
        """
        if left_nano_usd <= 0:
            return self._now
        horizon = self._now + (ROLLING_MAX if is_rolling else EXHAUSTION_MAX)
        if until is not None:
            horizon = min(horizon, until)
        week = sum(self._usual) if self._usual else 168 * self.burn.last_day_nano_usd
        if week == 0:
            return None
        if is_rolling:
            return self._fills_at(left_nano_usd, horizon)
        # All weeks cost the same: only the one in which it is spent is gone through.
        weeks = min((left_nano_usd - 1) // week, (horizon - self._now) // WEEK)
        start, left = self._now + weeks * WEEK, left_nano_usd - weeks * week
        for hour, us in _pieces(start, horizon):
            costs = self._expected(hour) * us // _HOUR_US
            if costs >= left:
                return max(hour, start) + _MICROSECOND * (us * left // costs)
            left -= costs
        return None

    def _fills_at(self, left: int, horizon: datetime) -> datetime | None:
        """When a window that forgets what is older than a day is full."""
        coming: dict[datetime, int] = {}
        for hour, us in _pieces(self._now, horizon):
            day_before = hour - 24 * HOUR
            past = self._series.get(day_before, 0) + self._beside.get(day_before, 0)
            left += (past + coming.get(day_before, 0)) * us // _HOUR_US
            costs = coming[hour] = self._expected(hour) * us // _HOUR_US
            if costs >= left:
                return max(hour, self._now) + _MICROSECOND * (us * left // costs)
            left -= costs
        return None

    def _burn(self) -> Burn:
        hours = max(HOUR, min(24 * HOUR, self._now - self._since))
        spent = _back(self._series, self._now, hours)
        return Burn(
            last_hour_nano_usd=_back(self._series, self._now, HOUR),
            last_day_nano_usd=spent * _HOUR_US // (hours // _MICROSECOND),
        )

    def _profile(self, back: int) -> list[int]:
        """What each hour of the week cost, so many weeks ago."""
        costs = [0] * 168
        start = self._hour - back * WEEK
        for step in range(168):
            hour = start + step * HOUR
            costs[_slot(hour, self._zone)] += self._series.get(hour, 0)
        return costs

    def _futures(self, until: datetime) -> list[int]:
        """What the time from now to an instant may cost; the likely amount first."""
        if until <= self._now:
            return [0]
        if not self._profiles:
            long = (until - self._now) // _MICROSECOND
            known = max(HOUR, self._now - self._since)
            always = _back(self._series, self._now, known)
            likely = self.burn.last_day_nano_usd * long // _HOUR_US
            return [
                likely,
                self.burn.last_hour_nano_usd * long // _HOUR_US,
                always * long // (known // _MICROSECOND),
            ]
        counted = self._counted(until)
        # In nano-dollars times µs, to be divided once, last.
        alone = [sum(us * profile[slot] for slot, us in counted.items()) for profile in self._profiles]
        return [each // _HOUR_US for each in (self._levelled(sum(alone)), *alone)]

    def _counted(self, until: datetime) -> dict[int, int]:
        """How much time of each hour of the week lies between now and an instant, in µs."""
        weeks = (until - self._now) // WEEK
        # A week in which clocks change has an hour twice and another not at all; that is forgiven beyond the next days.
        counted = dict.fromkeys(range(168), weeks * _HOUR_US)
        for hour, us in _pieces(self._now + weeks * WEEK, until):
            counted[_slot(hour, self._zone)] += us
        return counted

    def _expected(self, hour: datetime) -> int:
        """What one whole hour is likely to cost."""
        return self._usual[_slot(hour, self._zone)] if self._usual else self.burn.last_day_nano_usd

    def _levelled(self, of_past: int) -> int:
        """From the sum over the past weeks to one week at the level of the last one."""
        # of_past / weeks × last week / (all weeks / weeks)
        return of_past * self._last_week // self._all_weeks if self._all_weeks else 0


def summed(series: Iterable[Series]) -> dict[datetime, int]:
    """Return what several have spent together."""
    total: dict[datetime, int] = {}
    for each in series:
        for hour, nano_usd in each.items():
            total[hour] = total.get(hour, 0) + nano_usd
    return total


def spent_since(series: Series, start: datetime, now: datetime) -> int:
    """Return what was spent from an instant until now; of an hour that the start cuts, its share."""
    return _between(series, start.astimezone(UTC), floor_hour(now.astimezone(UTC)) + HOUR)


def floor_hour(instant: datetime) -> datetime:
    """Return the start of the hour, as clocks in UTC show it."""
    return instant.replace(minute=0, second=0, microsecond=0)


def month_of(instant: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first instants of a zone's calendar month and of the next one."""
    window = window_at("month", instant, zone=zone)
    if window.start is None or window.end is None:
        raise ValueError("a month begins and ends")
    return window.start, window.end


def _pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """The hours between two instants, and how much of each lies there, in µs."""
    hour = floor_hour(start)
    while hour < end:
        after = hour + HOUR
        yield hour, (min(after, end) - max(hour, start)) // _MICROSECOND
        hour = after


@lru_cache(maxsize=SLOTS_REMEMBERED)
def _slot(hour: datetime, zone: tzinfo) -> int:
    local = hour.astimezone(zone)
    return local.weekday() * 24 + local.hour


def _part(nano_usd: int, share: timedelta) -> int:
    return nano_usd * (share // _MICROSECOND) // _HOUR_US


def _back(series: Series, now: datetime, long: timedelta) -> int:
    """What was spent in the time before an instant. Of the first hour as much as its share; of the last one all that is
    known: it has not had more time."""
    return _between(series, now - long, floor_hour(now) + HOUR)


def _between(series: Series, start: datetime, end: datetime) -> int:
    """What was spent in [start, end), of which the end is a whole hour."""
    if start >= end:
        return 0
    first = floor_hour(start)
    spent = _part(series.get(first, 0), first + HOUR - start)
    if (end - first) // HOUR > len(series):
        return spent + sum(nano_usd for hour, nano_usd in series.items() if first < hour < end)
    hour = first + HOUR
    while hour < end:
        spent += series.get(hour, 0)
        hour += HOUR
    return spent
