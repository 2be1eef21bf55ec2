"""When an attempt is made again, and when never: as tables."""

from datetime import UTC, datetime

import pytest

from voicegateway_controller.alerts.outcome import (
    ATTEMPTS_MAX,
    PAUSE_MAX_S,
    NotDelivered,
    Retry,
    is_final_status,
    next_attempt,
    retry_after_s,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "chance", "after_s"),
    [(1, 1.0, 5.0), (1, 0.0, 2.5), (2, 1.0, 10.0), (5, 1.0, 80.0), (10, 1.0, 2_560.0), (15, 1.0, PAUSE_MAX_S)],
)
def test_pauses_double_up_to_an_hour_and_are_spread(attempts: int, chance: float, after_s: float) -> None:
    error = NotDelivered("x", is_final=False)

    assert next_attempt(error, attempts=attempts, chance=lambda: chance) == Retry(after_s)


@pytest.mark.parametrize(("is_final", "attempts"), [(True, 1), (False, ATTEMPTS_MAX), (False, ATTEMPTS_MAX + 1)])
def test_what_cannot_help_is_not_tried_again(is_final: bool, attempts: int) -> None:
    assert next_attempt(NotDelivered("x", is_final=is_final), attempts=attempts, chance=lambda: 1.0) is None


@pytest.mark.parametrize(("asked_s", "after_s"), [(3.0, 5.0), (120.0, 120.0), (10.0**9, 86_400.0)])
def test_retry_after_is_obeyed_up_to_a_day(asked_s: float, after_s: float) -> None:
    error = NotDelivered("x", is_final=False, retry_after_s=asked_s)

    assert next_attempt(error, attempts=1, chance=lambda: 1.0) == Retry(after_s)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, now=NOW) == seconds


def test_only_what_can_change_by_itself_is_tried_again() -> None:
    assert [status for status in range(300, 600) if not is_final_status(status)] == [408, 429, *range(500, 600)]
