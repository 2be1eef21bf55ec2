"""Pauses between messages: jittered, growing, bounded; what a controller asks for comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway.limits.sync_pacing import BACKOFF_FIRST_S, BACKOFF_S_MAX, RETRY_AFTER_S_MAX, pause_s


@given(failures=st.integers(-1, 10**9), random=st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_its_bounds(failures: int, random: float) -> None:
    assert BACKOFF_FIRST_S <= pause_s(failures, None, lambda: random) <= BACKOFF_S_MAX


@pytest.mark.parametrize(("failures", "longest_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (5, 2.0), (50, 2.0)])
def test_backoff_doubles(failures: int, longest_s: float) -> None:
    assert pause_s(failures, None, lambda: 1.0) == pytest.approx(longest_s)


@given(asked_s=st.floats(-10, 1e12), random=st.floats(0, 1, exclude_max=True))
def test_controller_is_obeyed_within_reason(asked_s: float, random: float) -> None:
    paused_s = pause_s(1, asked_s, lambda: random)

    assert min(max(asked_s, 0.0), RETRY_AFTER_S_MAX) <= paused_s <= RETRY_AFTER_S_MAX
