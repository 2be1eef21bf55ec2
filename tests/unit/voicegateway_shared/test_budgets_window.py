"""Windows: calendars with all their oddities, slices that roll, and that every instant is in exactly one."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegateway_shared.budgets.window import (
    CALENDAR_KINDS,
    SLICE_S,
    WINDOW_KINDS,
    Window,
    WindowKind,
    counted_slices,
    day_start,
    slice_at,
    slice_window,
    window_at,
)

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
SECOND = timedelta(seconds=1)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "zone", "instant", "window_id", "start", "end"),
    [
        (
            "hour",
            "UTC",
            "2026-11-21T14:59:59",
            "hour:2026-11-21T14:00:00+00:00",
            "2026-11-21T14:00",
            "2026-11-21T15:00",
        ),
        (
            "hour",
            "Asia/Kolkata",
            "2026-11-21T14:30",
            "hour:2026-11-21T20:00:00+05:30",
            "2026-11-21T14:30",
            "2026-11-21T15:30",
        ),
        ("day", "UTC", "2026-11-21T00:00", "day:2026-11-21", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("day", "Europe/Berlin", "2026-11-21T22:59:59", "day:2026-11-21", "2026-11-20T23:00", "2026-11-21T23:00"),
        ("day", "Europe/Berlin", "2026-11-21T23:00", "day:2026-11-22", "2026-11-21T23:00", "2026-11-22T23:00"),
        ("day", "Asia/Kolkata", "2026-11-20T18:30", "day:2026-11-21", "2026-11-20T18:30", "2026-11-21T18:30"),
        ("day", "Pacific/Kiritimati", "2026-11-20T10:00", "day:2026-11-21", "2026-11-20T10:00", "2026-11-21T10:00"),
        # The days the clocks change: 23 and 25 hours.
        ("day", "America/New_York", "2026-03-08T12:00", "day:2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("day", "America/New_York", "2026-11-01T12:00", "day:2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        # Clocks that skip midnight: the day begins at one o'clock.
        ("day", "America/Sao_Paulo", "2018-11-04T12:00", "day:2018-11-04", "2018-11-04T03:00", "2018-11-05T02:00"),
        ("day", "Africa/Cairo", "2026-04-24T12:00", "day:2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),
        # Clocks that went from 23:30 to 00:30: the day begins with the skip, not half an hour after it.
        ("day", "America/Toronto", "1919-03-31T12:00", "day:1919-03-31", "1919-03-31T04:30", "1919-04-01T04:00"),
        # Midnight twice: the day begins with the first.
        ("day", "America/Havana", "2026-11-01T12:00", "day:2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        # Back across midnight at 00:01: the new day has begun, and stays.
        ("day", "America/St_Johns", "2010-11-07T02:30:30", "day:2010-11-07", "2010-11-07T02:30", "2010-11-08T03:30"),
        ("day", "America/St_Johns", "2010-11-07T02:45", "day:2010-11-07", "2010-11-07T02:30", "2010-11-08T03:30"),
        # Samoa had no 30 December 2011.
        ("day", "Pacific/Apia", "2011-12-30T09:59:59", "day:2011-12-29", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("day", "Pacific/Apia", "2011-12-30T10:00", "day:2011-12-31", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("week", "UTC", "2026-11-22T23:59:59", "week:2026-W47", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("week", "Europe/Berlin", "2026-11-22T23:00", "week:2026-W48", "2026-11-22T23:00", "2026-11-29T23:00"),
        ("week", "UTC", "2027-01-01T00:00", "week:2026-W53", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("month", "UTC", "2026-12-31T23:59:59", "month:2026-12", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "Europe/Berlin", "2026-10-31T22:59:59", "month:2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("month", "UTC", "2028-02-29T00:00", "month:2028-02", "2028-02-01T00:00", "2028-03-01T00:00"),
        # The hour that comes twice is two windows.
        (
            "hour",
            "America/New_York",
            "2026-11-01T05:30",
            "hour:2026-11-01T01:00:00-04:00",
            "2026-11-01T05:00",
            "2026-11-01T06:00",
        ),
        (
            "hour",
            "America/New_York",
            "2026-11-01T06:30",
            "hour:2026-11-01T01:00:00-05:00",
            "2026-11-01T06:00",
            "2026-11-01T07:00",
        ),
        # Lord Howe changes by half an hour: the change ends one hour and the next is short.
        (
            "hour",
            "Australia/Lord_Howe",
            "2026-04-04T15:10",
            "hour:2026-04-05T01:30:00+10:30",
            "2026-04-04T15:00",
            "2026-04-04T15:30",
        ),
        (
            "hour",
            "Australia/Lord_Howe",
            "2026-10-03T15:40",
            "hour:2026-10-04T02:30:00+11:00",
            "2026-10-03T15:30",
            "2026-10-03T16:00",
        ),
    ],
)
def test_a_window_is_what_the_zones_clocks_and_calendar_say(
    kind: WindowKind, zone: str, instant: str, window_id: str, start: str, end: str
) -> None:
    window = window_at(kind, _at(instant), zone=ZoneInfo(zone))

    assert window == Window(id=window_id, start=_at(start), end=_at(end))


def test_a_total_never_resets_and_a_session_has_its_own() -> None:
    instant = _at("2026-11-21T12:00")

    assert window_at("total", instant) == Window(id="total")
    assert window_at("session", instant, session="s-1") == Window(id="session:s-1")
    with pytest.raises(ValueError, match="needs the session's id"):
        window_at("session", instant)


@pytest.mark.parametrize("kind", WINDOW_KINDS)
def test_an_instant_without_a_zone_is_refused(kind: WindowKind) -> None:
    with pytest.raises(ValueError, match="must be an aware datetime"):
        window_at(kind, datetime(2026, 11, 21), session="s")  # noqa: DTZ001  # That is what is refused.


def test_a_slice_is_charged_and_289_are_counted() -> None:
    instant = _at("2026-11-21T14:07:30")

    assert window_at("rolling_24h", instant, zone=ZoneInfo("Asia/Kolkata")) == Window(
        id="rolling_24h:2026-11-21T14:05Z", start=_at("2026-11-21T14:05"), end=_at("2026-11-21T14:10")
    )
    counted = counted_slices(instant)
    assert len(counted) == 289
    assert slice_window(counted[0]).id == "rolling_24h:2026-11-20T14:05Z"
    assert slice_window(counted[-1]).contains(instant)


instants = st.datetimes(datetime(1880, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive
zones = st.sampled_from(ZONES)
calendars: Any = st.sampled_from(CALENDAR_KINDS)


@settings(max_examples=500, deadline=None)
@given(kind=calendars, name=zones, instant=instants)
def test_every_instant_is_in_one_window_and_windows_touch(kind: WindowKind, name: str, instant: datetime) -> None:
    zone = ZoneInfo(name)
    window = window_at(kind, instant, zone=zone)

    assert window.start is not None
    assert window.end is not None
    assert window.start <= instant < window.end
    for within in (window.start, window.end - timedelta(microseconds=1)):
        assert window_at(kind, within, zone=zone) == window
    after = window_at(kind, window.end, zone=zone)
    before = window_at(kind, window.start - timedelta(microseconds=1), zone=zone)
    assert (after.start, before.end) == (window.end, window.start)
    assert len({before.id, window.id, after.id}) == 3


@settings(max_examples=50, deadline=None)
@given(name=zones, first=st.dates(date(1890, 1, 1), date(2090, 1, 1)))
def test_days_around_a_change_of_the_clocks_tile_time(name: str, first: date) -> None:
    """Random dates seldom meet a change; the days of a whole season do."""
    zone = ZoneInfo(name)
    starts = [day_start(first + timedelta(days=n), zone) for n in range(200)]

    assert starts == sorted(starts)
    for day, start in enumerate(starts):
        assert start.astimezone(zone).date() >= first + timedelta(days=day)
        assert (start - SECOND).astimezone(zone).date() < first + timedelta(days=day)
    windows = {}
    at = starts[0]
    while at < starts[-1]:
        window = window_at("day", at, zone=zone)
        assert window.start == at
        assert window.end is not None
        assert window.id not in windows
        windows[window.id] = window
        at = window.end


@settings(deadline=None)  # The first to name a zone reads it from the disk.
@given(one=instants, other=instants, name=zones, kind=calendars)
def test_windows_with_one_id_are_one_window(one: datetime, other: datetime, name: str, kind: WindowKind) -> None:
    zone = ZoneInfo(name)
    first, second = (window_at(kind, instant, zone=zone) for instant in (one, other))

    assert (first.id == second.id) == (first == second)


@settings(deadline=None)  # The first to name a zone reads it from the disk.
@given(name=zones, instant=instants)
def test_hours_are_within_days_and_days_within_weeks_and_months(name: str, instant: datetime) -> None:
    zone = ZoneInfo(name)
    hour, day, week, month = (window_at(kind, instant, zone=zone) for kind in CALENDAR_KINDS)

    for inner, outer in ((day, week), (day, month)):
        assert inner.start is not None
        assert inner.end is not None
        assert outer.contains(inner.start)
        assert outer.contains(inner.end - SECOND)
    assert hour.start is not None
    assert hour.end is not None
    assert timedelta(0) < hour.end - hour.start <= timedelta(hours=1)


@settings(deadline=None)  # The first to name a zone reads it from the disk.
@given(instant=instants, earlier_s=st.integers(0, 3 * 24 * 3600))
def test_a_rolling_window_forgets_nothing_of_24_hours_and_little_later(instant: datetime, earlier_s: int) -> None:
    is_counted = slice_at(instant - timedelta(seconds=earlier_s)) in counted_slices(instant)

    if earlier_s <= 24 * 3600:
        assert is_counted
    if earlier_s >= 24 * 3600 + SLICE_S:
        assert not is_counted


def test_zones_are_known_where_the_system_has_none() -> None:
    """Slim images and Windows: then the zones come from the package tzdata."""
    ran = subprocess.run(
        [sys.executable, "-c", "import zoneinfo; print(zoneinfo.ZoneInfo('Europe/Berlin'), *zoneinfo.TZPATH)"],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ran.stdout.split() == ["Europe/Berlin"]
