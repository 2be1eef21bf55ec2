"""What is done about a session that was told to end, and when: as tables."""

from typing import Any

import pytest

from voicegateway_controller.sessions.ending import ATTEMPTS_MAX, Ending, next_step, outcome_of, patience_ms


def _ending(**changes: Any) -> Ending:
    return Ending(**{"id": "0:AJ_1", "session_id": "AJ_1", "told_ms": 1, **changes})


@pytest.mark.parametrize(
    ("attempts", "is_carried", "can_remove", "step"),
    [
        (0, False, True, "settle"),
        (3, False, True, "settle"),
        (ATTEMPTS_MAX, False, False, "settle"),
        (0, True, True, "remove_agent"),
        (1, True, True, "delete_room"),
        (ATTEMPTS_MAX - 1, True, True, "delete_room"),
        (ATTEMPTS_MAX, True, True, "give_up"),
        (0, True, False, "give_up"),
    ],
)
def test_livekit_is_asked_for_the_agent_first_and_for_the_room_then(
    attempts: int, is_carried: bool, can_remove: bool, step: str
) -> None:
    assert next_step(_ending(attempts=attempts), is_carried=is_carried, can_remove=can_remove) == step


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "left"),
        ({"done_ms": 5}, "obeyed"),
        ({"attempts": 1}, "removed"),
        ({"attempts": 2, "done_ms": 5}, "removed"),
    ],
)
def test_how_it_ended_is_told_by_who_did_something(changes: dict[str, Any], outcome: str) -> None:
    assert outcome_of(_ending(**changes)) == outcome


@pytest.mark.parametrize(
    ("changes", "state", "is_pending"),
    [
        ({}, "told", True),
        ({"done_ms": 5}, "obeyed", False),
        ({"attempts": 1}, "escalated", True),
        ({"outcome": "failed"}, "failed", True),
        ({"outcome": "left"}, "ended", False),
        ({"outcome": "removed", "attempts": 1}, "ended", False),
    ],
)
def test_a_worker_is_told_until_it_obeyed_or_the_session_is_gone(
    changes: dict[str, Any], state: str, is_pending: bool
) -> None:
    assert (_ending(**changes).state, _ending(**changes).is_pending) == (state, is_pending)


def test_a_long_goodbye_has_the_time_it_takes() -> None:
    assert [patience_ms("x" * chars) for chars in (0, 1, 100, 300)] == [18_000, 10_080, 18_000, 34_000]
