"""Anomalies: an hour that costs far more than the same hour of the past weeks. Pure.

The middle of the past weeks and their usual distance from it (median and MAD) are not moved by one odd week, as mean
and deviation would be. The hour that is not over is compared with whole hours of the past: when it is dearer already,
nobody need wait for its end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import median_high, median_low
from typing import Final

from voicegateway_controller.budgets.forecast import HOUR, WEEK, Series, floor_hour
from voicegateway_shared.money import NANO_PER_USD

WEEKS_MIN: Final = 3
"""With fewer, chance alone makes odd hours."""
WEEKS_MAX: Final = 5
HISTORY: Final = WEEKS_MAX * WEEK + timedelta(hours=3)
"""How far back one must look; three hours for a change of the clocks and the hour before this one."""
EXCESS_MIN_NANO_USD: Final = NANO_PER_USD
"""Below a dollar more than usual in an hour nobody wants to be woken."""
MADS: Final = 6
MAD_PERMILLE: Final = 1_483
"""A MAD is this many thousandths of a standard deviation of normal noise; six of those do not come by chance."""
SHARE: Final = 2
"""Where the past weeks agree to the cent, half as much again is still nothing odd: one part in two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One hour that was too dear, of one project, or of the whole fleet where `project` is empty."""

    project: str
    hour: datetime
    spent_nano_usd: int
    usual_nano_usd: int
    weeks: int
    is_over: bool
    """Whether the hour had ended when it was looked at."""

    @property
    def key(self) -> str:
        """The same for the same hour, however often it is found."""
        return f"anomaly:{self.project}@{self.hour:%Y-%m-%dT%H}Z"


def find_anomalies(
    by_project: Mapping[str, Series], now: datetime, *, zones: Mapping[str, tzinfo], known_since: datetime
) -> list[Anomaly]:
    """Return the odd ones of the hour that runs and the one before it, for each project that has spent in them.

    The fleet's hour is odd by itself only where no single project's is: nobody wants to be told the same twice.
    """
    this = floor_hour(now.astimezone(UTC))
    found = []
    for project, series in by_project.items():
        for hour in (this - HOUR, this):
            anomaly = _anomaly(
                project, series, hour, zone=zones.get(project, UTC), known_since=known_since, is_over=hour < this
            )
            if anomaly is not None:
                found.append(anomaly)
    explained = {each.hour for each in found if each.project}
    return [each for each in found if each.project or each.hour not in explained]


def _anomaly(
    project: str, series: Series, hour: datetime, *, zone: tzinfo, known_since: datetime, is_over: bool
) -> Anomaly | None:
    spent = series.get(hour, 0)
    if spent < EXCESS_MIN_NANO_USD:
        return None
    since = max(known_since, min(series))
    past = [series.get(each, 0) for each in same_hours(hour, zone) if each >= since]
    if len(past) < WEEKS_MIN:
        return None
    usual = _median(past)
    mad = _median([abs(each - usual) for each in past])
    excess = max(EXCESS_MIN_NANO_USD, MADS * mad * MAD_PERMILLE // 1000, usual // SHARE)
    if spent - usual <= excess:
        return None
    return Anomaly(
        project=project, hour=hour, spent_nano_usd=spent, usual_nano_usd=usual, weeks=len(past), is_over=is_over
    )


def same_hours(hour: datetime, zone: tzinfo) -> Iterable[datetime]:
    """Return the same hour by a zone's clocks one week before, two weeks before, and so on."""
    local = hour.astimezone(zone).replace(tzinfo=None)
    for back in range(1, WEEKS_MAX + 1):
        yield floor_hour((local - back * WEEK).replace(tzinfo=zone).astimezone(UTC))


def _median(values: list[int]) -> int:
    return (median_low(values) + median_high(values)) // 2
