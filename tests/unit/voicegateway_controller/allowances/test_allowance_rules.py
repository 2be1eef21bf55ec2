"""Credit: what the first units in order of time cost, exactly; of amounts, never more than there are."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.allowances.rules import Hour, Line, cover_amounts, cover_hours, cover_lines, without

START = datetime(2026, 11, 1, tzinfo=UTC)
USAGE = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1_000), st.integers(0, 10**13)), max_size=30)
"""Requests: their hour, billed quantity, amount."""


def _hour(index: int, billed: int, pico_usd: int) -> Hour:
    return Hour(START + timedelta(hours=index), billed, pico_usd)


def _covered(usage: list[tuple[int, int, int]], quantity: int) -> int:
    """Return the credit as it is computed: whole hours first, then the lines of the hour in which it ends."""
    hours = {
        hour: [Line(billed, amount) for _, billed, amount in each]
        for hour, each in groupby(usage, key=lambda request: request[0])
    }
    sums = [
        _hour(hour, sum(line.billed for line in each), sum(line.pico_usd for line in each))
        for hour, each in hours.items()
    ]
    found = cover_hours(sums, quantity)
    credit = sum(found.credits.values())
    if found.edge is not None:
        credit += cover_lines(hours[(found.edge.at - START) // timedelta(hours=1)], found.left)
    return credit


@given(USAGE, st.integers(1, 3_000))
def test_the_credit_is_what_the_first_units_cost(usage: list[tuple[int, int, int]], quantity: int) -> None:
    ordered = [request for request in sorted(usage, key=lambda request: request[0]) if request[1]]
    exact, left = Fraction(0), quantity
    for _, billed, amount in ordered:
        exact += Fraction(amount, billed) * min(left, billed)
        left -= min(left, billed)

    credit = _covered(ordered, quantity)

    assert abs(credit - exact) <= Fraction(1, 2)
    assert credit <= sum(amount for _, _, amount in ordered)


@given(USAGE, st.integers(1, 3_000), st.integers(1, 3_000))
def test_a_larger_allowance_never_gives_less(usage: list[tuple[int, int, int]], one: int, more: int) -> None:
    ordered = sorted(usage, key=lambda request: request[0])

    assert _covered(ordered, one) <= _covered(ordered, one + more)


def test_the_unit_in_which_it_ends_is_divided_once() -> None:
    lines = [Line(10, 100), Line(3, 10), Line(5, 50)]

    assert [cover_lines(lines, quantity) for quantity in (1, 10, 11, 12, 13, 18, 99)] == [
        10,
        100,
        103,
        107,
        110,
        160,
        160,
    ]


def test_what_was_taken_back_gives_room() -> None:
    assert cover_lines([Line(10, 100), Line(-4, -40), Line(6, 60)], 12) == 120


def test_nothing_left_covers_nothing_more() -> None:
    hours = [_hour(0, 10, 100), _hour(1, 0, 7), _hour(2, 1, 10)]

    found = cover_hours(hours, 10)

    assert (found.credits, found.edge, found.left) == ({hours[0].at: 100}, None, 0)


@given(st.lists(st.integers(-(10**6), 10**6), max_size=20), st.integers(0, 10**7))
def test_amounts_are_covered_up_to_the_sum_and_never_below_nothing(amounts: list[int], limit: int) -> None:
    hours = [_hour(index, 0, amount) for index, amount in enumerate(amounts)]

    assert sum(cover_amounts(hours, limit).values()) == min(limit, max(0, sum(amounts)))


def test_what_is_covered_already_is_not_covered_again() -> None:
    hours = [_hour(0, 5, 100), _hour(1, 5, 100)]

    left = without(hours, [{hours[0].at: 60}, {hours[0].at: 10, hours[1].at: 100}])

    assert [hour.pico_usd for hour in left] == [30, 0]
