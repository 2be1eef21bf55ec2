"""What a forecast says of money: by the weeks that are known, or by the day, and how far it may be off."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.budgets.forecast import Outlook, Projected, month_of, spent_since, summed

NOW = datetime(2026, 11, 18, 10, 30, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
BERLIN = ZoneInfo("Europe/Berlin")
USD = 10**9

amounts = st.integers(0, 10**15)


def _weekly(weeks: int, cost: int = 100, *, now: datetime = NOW, only: int | None = None) -> dict[datetime, int]:
    """Each hour of the past weeks at one price, or one hour of the day only."""
    hour = now.replace(minute=0)
    hours = [hour - step * HOUR for step in range(1, weeks * 168 + 1)]
    return {each: cost for each in hours if only is None or each.hour == only}


def test_where_nothing_was_ever_spent_nothing_is_foretold() -> None:
    outlook = Outlook({}, NOW)

    assert (outlook.weeks, outlook.sureness, outlook.burn.last_hour_nano_usd, outlook.burn.last_day_nano_usd) == (
        0,
        "poor",
        0,
        0,
    )
    assert outlook.projected(7, NOW + WEEK) == Projected(
        at=NOW + WEEK, likely_nano_usd=7, low_nano_usd=7, high_nano_usd=7
    )
    assert outlook.runs_out_at(1, None) is None


def test_without_a_week_of_history_the_last_day_goes_on() -> None:
    # 48 hours at 100 an hour, the last full hour and the running half at four times that.
    series = {**{NOW.replace(minute=0) - step * HOUR: 100 for step in range(2, 49)}}
    series |= {NOW.replace(minute=0) - HOUR: 400, NOW.replace(minute=0): 200}

    outlook = Outlook(series, NOW)
    projected = outlook.projected(1_000, NOW + 10 * HOUR)

    assert outlook.burn.last_hour_nano_usd == 200 + 400 // 2
    day = 200 + 400 + 22 * 100 + 50
    assert outlook.burn.last_day_nano_usd == day // 24
    assert projected.likely_nano_usd == 1_000 + day // 24 * 10
    assert projected.high_nano_usd == 1_000 + 4_000
    assert projected.low_nano_usd == 1_000 + (47 * 100 + 600) * 10 * 2 // (48 * 2 + 1)
    assert outlook.sureness == "poor"


def test_a_service_that_began_an_hour_ago_is_not_averaged_over_a_day() -> None:
    start = NOW.replace(minute=0) - HOUR

    assert Outlook({start: 600, start + HOUR: 300}, NOW).burn.last_day_nano_usd == 600


def test_with_weeks_of_history_an_hour_costs_what_it_costs_in_a_week() -> None:
    # Money is spent at noon only, so the morning's burn says nothing about it.
    outlook = Outlook(_weekly(4, 500, only=12), NOW)

    assert (outlook.weeks, outlook.sureness) == (4, "good")
    assert outlook.burn.last_hour_nano_usd == 0
    assert outlook.projected(0, NOW + HOUR).likely_nano_usd == 0
    assert outlook.projected(0, NOW + 3 * HOUR).likely_nano_usd == 500
    assert outlook.projected(0, NOW + WEEK).likely_nano_usd == 7 * 500
    assert outlook.runs_out_at(250, None) == datetime(2026, 11, 18, 12, 30, tzinfo=UTC)
    assert outlook.runs_out_at(250, NOW + HOUR) is None


def test_the_likely_amount_is_at_the_last_weeks_level_and_the_bounds_are_single_weeks() -> None:
    hour = NOW.replace(minute=0)
    series = {hour - step * HOUR: [400, 200, 200, 200][(step - 1) // 168] for step in range(1, 4 * 168 + 1)}

    projected = Outlook(series, NOW).projected(0, NOW + 10 * HOUR)

    assert (projected.low_nano_usd, projected.likely_nano_usd, projected.high_nano_usd) == (2_000, 4_000, 4_000)


@pytest.mark.parametrize(("weeks", "sureness"), [(0, "poor"), (1, "fair"), (2, "fair"), (3, "good"), (9, "good")])
def test_how_sure_it_is_follows_from_the_weeks_that_are_known(weeks: int, sureness: str) -> None:
    assert Outlook(_weekly(weeks), NOW).sureness == sureness


def test_noon_is_noon_by_the_zones_clocks_when_they_change() -> None:
    # Berlin goes back to winter time on 25 October 2026: noon is 10:00 UTC before and 11:00 UTC after.
    now = datetime(2026, 10, 24, 22, tzinfo=UTC)
    series = {now.replace(hour=10) - day * timedelta(days=1): 700 for day in range(28)}
    series[now - 4 * WEEK] = 1

    outlook = Outlook(series, now, BERLIN)

    assert outlook.runs_out_at(10_000, now + WEEK) is None
    first = outlook.runs_out_at(350, now + WEEK)
    assert first is not None
    assert datetime(2026, 10, 25, 11, tzinfo=UTC) < first < datetime(2026, 10, 25, 12, tzinfo=UTC)


def test_a_month_is_that_of_the_zone() -> None:
    start, end = month_of(NOW, BERLIN)

    assert (start, end) == (datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC))


def test_a_months_end_is_what_was_spent_and_what_the_rest_costs() -> None:
    outlook = Outlook(_weekly(4, 100), NOW)

    spent = 100 * ((NOW.replace(minute=0) - datetime(2026, 11, 1, tzinfo=UTC)) // HOUR)
    assert outlook.month_end().likely_nano_usd == spent + 100 * (datetime(2026, 12, 1, tzinfo=UTC) - NOW) // HOUR


def test_of_an_hour_that_the_start_cuts_its_part_counts() -> None:
    kathmandu = datetime(2026, 11, 18, 8, 15, tzinfo=UTC)

    assert spent_since({kathmandu.replace(minute=0): 400, NOW.replace(minute=0): 7}, kathmandu, NOW) == 307


def test_in_a_rolling_window_money_that_comes_free_keeps_it_going() -> None:
    series = _weekly(4, 100)

    outlook = Outlook(series, NOW)

    assert outlook.runs_out_at(100, None) is not None
    assert outlook.runs_out_at(100, None, is_rolling=True) is None


def test_what_is_spent_already_ran_out_now() -> None:
    assert Outlook({}, NOW).runs_out_at(0, NOW + HOUR) == NOW
    assert Outlook(_weekly(4), NOW).runs_out_at(-5, None) == NOW


@given(
    st.dictionaries(st.integers(0, 36 * 24), amounts, max_size=60),
    st.integers(0, 10**15),
    st.integers(1, 40 * 24 * 60),
    st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kathmandu"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_a_forecast_never_sinks_and_never_leaves_its_whole_numbers(
    spent_by: dict[int, int], spent: int, minutes: int, zone: ZoneInfo
) -> None:
    outlook = Outlook({NOW.replace(minute=0) - hours * HOUR: nano for hours, nano in spent_by.items()}, NOW, zone)
    until = NOW + timedelta(minutes=minutes)

    near, far = outlook.projected(spent, until), outlook.projected(spent, until + HOUR)

    assert spent <= near.low_nano_usd <= near.high_nano_usd
    assert spent <= near.likely_nano_usd <= far.likely_nano_usd
    assert all(type(each) is int for each in (near.low_nano_usd, near.likely_nano_usd, near.high_nano_usd))


@given(st.dictionaries(st.integers(1, 28 * 24), st.integers(1, 10**12), min_size=1, max_size=60), st.data())
def test_money_runs_out_before_an_instant_exactly_when_more_than_it_is_foretold_for_then(
    spent_by: dict[int, int], data: st.DataObject
) -> None:
    outlook = Outlook({NOW.replace(minute=0) - hours * HOUR: nano for hours, nano in spent_by.items()}, NOW)
    until = NOW + data.draw(st.integers(1, 240)) * HOUR
    foretold = outlook.projected(0, until).likely_nano_usd
    # Each hour is rounded down by itself: less than one nano-dollar an hour.
    slack = 241

    at = outlook.runs_out_at(foretold + 1, until)
    assert at is None
    if foretold > slack:
        at = outlook.runs_out_at(foretold - slack, until)
        assert at is not None
        assert NOW <= at <= until


def test_series_are_summed_hour_by_hour() -> None:
    assert summed([{NOW: 1}, {NOW: 2, NOW + HOUR: 3}]) == {NOW: 3, NOW + HOUR: 3}


def test_a_fee_is_spent_and_foretells_nothing() -> None:
    spent = {NOW.replace(minute=0): 600}
    fee = {NOW.replace(day=1, hour=0, minute=0): 50_000}

    plain, with_fee = Outlook(spent, NOW), Outlook(spent, NOW, beside=fee)

    assert (with_fee.weeks, with_fee.burn) == (plain.weeks, plain.burn)
    assert with_fee.month_so_far() == plain.month_so_far() + 50_000
    assert with_fee.month_end().likely_nano_usd == plain.month_end().likely_nano_usd + 50_000
    assert with_fee.runs_out_at(10_000, None) == plain.runs_out_at(10_000, None) is not None
