"""When to try again."""

import pytest

from voicegateway.outbox.pacing import backoff_s, obeyed_s, refused_s

JUST_BELOW_ONE = 1.0 - 2**-53


@pytest.mark.parametrize(("failures", "ceiling"), [(1, 0.25), (2, 0.5), (3, 1.0), (7, 15.0), (100_000, 15.0)])
def test_backoff_is_spread_from_nothing_to_a_doubling_capped_ceiling(failures: int, ceiling: float) -> None:
    assert backoff_s(failures, lambda: 0.0) == 0.05
    assert backoff_s(failures, lambda: 0.5) == pytest.approx(ceiling / 2)
    assert backoff_s(failures, lambda: JUST_BELOW_ONE) == pytest.approx(ceiling)


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(0, 0, 1), (2, 2, 3), (100, 100, 125), (1e9, 300, 375), (-1, 0, 1)]
)
def test_retry_after_is_never_undercut_and_is_spread(asked: float, least: float, most: float) -> None:
    assert obeyed_s(asked, lambda: 0.0) == least
    assert obeyed_s(asked, lambda: JUST_BELOW_ONE) == pytest.approx(most)


def test_refusal_is_looked_at_again_within_a_minute() -> None:
    assert (refused_s(lambda: 0.0), refused_s(lambda: 0.5)) == (30.0, 45.0)
