"""An hour is odd when it is far dearer than the same hour of the past weeks, and by more than cents."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.budgets.anomalies import EXCESS_MIN_NANO_USD, find_anomalies, same_hours

NOW = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)
HOUR = datetime(2026, 11, 18, 10, tzinfo=UTC)
WEEK = timedelta(days=7)
USD = 10**9
LONG_AGO = NOW - 6 * WEEK


def _found(now_nano: int, *past_nano: int, since: datetime = LONG_AGO, zone: tzinfo = UTC) -> list[tuple[str, int]]:
    series = {HOUR: now_nano, LONG_AGO + timedelta(hours=1): 1}
    series |= {HOUR - week * WEEK: nano for week, nano in enumerate(past_nano, 1)}
    odd = find_anomalies({"acme": series}, NOW, zones={"acme": zone}, known_since=since)
    return [(each.key, each.usual_nano_usd) for each in odd]


def test_an_hour_ten_times_as_dear_is_odd_before_it_is_over() -> None:
    series = {HOUR: 30 * USD, **{HOUR - week * WEEK: 3 * USD for week in range(1, 6)}}

    [odd] = find_anomalies({"acme": series}, NOW, zones={}, known_since=LONG_AGO)

    assert (odd.project, odd.hour, odd.spent_nano_usd, odd.usual_nano_usd) == ("acme", HOUR, 30 * USD, 3 * USD)
    assert (odd.weeks, odd.is_over, odd.key) == (5, False, "anomaly:acme@2026-11-18T10Z")


@pytest.mark.parametrize(
    ("now_nano", "past", "is_odd"),
    [
        (3 * USD, (3 * USD,) * 5, False),
        # A third more than always: nobody would look.
        (4 * USD, (3 * USD,) * 5, False),
        # A hundred times as dear, and still cents.
        (EXCESS_MIN_NANO_USD, (EXCESS_MIN_NANO_USD // 100,) * 5, False),
        (EXCESS_MIN_NANO_USD * 2, (EXCESS_MIN_NANO_USD // 100,) * 5, True),
        # Weeks that differ much among themselves excuse more.
        (14 * USD, (2 * USD, 4 * USD, 6 * USD, 8 * USD, 10 * USD), False),
        (40 * USD, (2 * USD, 4 * USD, 6 * USD, 8 * USD, 10 * USD), True),
        # One odd week among the past ones hides nothing.
        (30 * USD, (3 * USD, 3 * USD, 300 * USD, 3 * USD, 3 * USD), True),
        # A project that never spent anything at this hour.
        (5 * USD, (0, 0, 0, 0, 0), True),
        # Cheaper is not odd.
        (0, (300 * USD,) * 5, False),
    ],
)
def test_odd_is_far_above_the_middle_by_more_than_cents(now_nano: int, past: tuple[int, ...], is_odd: bool) -> None:
    assert bool(_found(now_nano, *past)) is is_odd


def test_with_less_than_three_weeks_nothing_is_odd() -> None:
    assert _found(90 * USD, USD, USD, since=NOW - 2 * WEEK - timedelta(hours=3)) == []
    assert len(_found(90 * USD, USD, USD, USD, since=NOW - 3 * WEEK - timedelta(hours=3))) == 1


def test_a_project_that_began_last_week_is_not_odd_for_having_begun() -> None:
    series = {HOUR: 90 * USD, HOUR - WEEK: USD}

    assert find_anomalies({"new": series}, NOW, zones={}, known_since=LONG_AGO) == []


def test_the_fleet_is_odd_by_itself_only_where_no_project_is() -> None:
    usual = {HOUR - week * WEEK: 3 * USD for week in range(1, 6)}
    odd, calm = {HOUR: 30 * USD, **usual}, {HOUR: 4 * USD, **usual}

    of_one = find_anomalies({"": odd, "acme": odd, "beta": calm}, NOW, zones={}, known_since=LONG_AGO)
    of_all = find_anomalies({"": odd, "acme": calm, "beta": calm}, NOW, zones={}, known_since=LONG_AGO)

    assert ([each.project for each in of_one], [each.project for each in of_all]) == (["acme"], [""])


def test_the_hour_before_is_looked_at_too_for_nobody_may_have_looked_at_its_end() -> None:
    before = HOUR - timedelta(hours=1)
    series = {before: 30 * USD, **{before - week * WEEK: 3 * USD for week in range(1, 6)}}

    [odd] = find_anomalies({"": series}, NOW, zones={}, known_since=LONG_AGO)

    assert (odd.is_over, odd.hour) == (True, before)


def test_the_same_hour_is_the_same_by_the_zones_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    noon = datetime(2026, 10, 28, 11, tzinfo=UTC)  # winter time since 25 October

    assert next(iter(same_hours(noon, berlin))) == datetime(2026, 10, 21, 10, tzinfo=UTC)
    assert next(iter(same_hours(noon, UTC))) == datetime(2026, 10, 21, 11, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**12), min_size=5, max_size=5))
def test_what_was_usual_in_every_week_is_never_odd(past: list[int]) -> None:
    assert _found(max(past), *past) == [] or max(past) > sorted(past)[2] + EXCESS_MIN_NANO_USD
