"""Thresholds: told when reached, once per window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_shared.budgets import crossed


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0, 0, []),
        (0, 49, []),
        (0, 50, [50]),
        (50, 50, []),
        (50, 79, []),
        (49, 80, [50, 80]),
        (0, 250, [50, 80, 100]),
        (99, 100, [100]),
        (100, 250, []),
        (90, 40, []),
    ],
)
def test_a_threshold_is_crossed_where_spending_reaches_it(before: int, after: int, told: list[int]) -> None:
    assert crossed((50, 80, 100), amount_nano_usd=100, before_nano_usd=before, after_nano_usd=after) == told


def test_a_share_that_is_no_whole_amount_is_crossed_by_the_next_whole_one() -> None:
    assert crossed((50,), amount_nano_usd=3, before_nano_usd=0, after_nano_usd=1) == []
    assert crossed((50,), amount_nano_usd=3, before_nano_usd=1, after_nano_usd=2) == [50]


@given(
    amount=st.integers(1, 2**52),
    spent=st.lists(st.integers(0, 2**53), min_size=1).map(sorted),
    thresholds=st.sets(st.integers(1, 1_000), max_size=10).map(sorted),
)
def test_each_threshold_is_told_once_however_spending_grows(
    amount: int, spent: list[int], thresholds: list[int]
) -> None:
    told = []
    for before, after in zip([0, *spent], spent, strict=False):
        told += crossed(thresholds, amount_nano_usd=amount, before_nano_usd=before, after_nano_usd=after)

    assert told == [percent for percent in thresholds if percent * amount <= spent[-1] * 100]
