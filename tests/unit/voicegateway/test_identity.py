"""Who pays, and which call it is: from the job around a request, else from the process."""

from typing import Any

import pytest
from tests.fixtures.job import job

from voicegateway.identity import Identity, current_identity
from voicegateway_shared.telemetry import attributes as names

NAMED = '{"voicegateway.project": "%s"}'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"room_metadata": NAMED % "room"}, "room"),
        ({"metadata": NAMED % "job", "room_metadata": NAMED % "room"}, "job"),
        ({"attributes": {names.PROJECT: "attribute"}, "metadata": NAMED % "job"}, "attribute"),
        ({"metadata": "plain words", "room_metadata": NAMED % "room"}, "room"),
        ({"metadata": NAMED % "", "room_metadata": NAMED % "room"}, "room"),
        ({"metadata": '{"voicegateway.project": 7}'}, None),
        ({"metadata": NAMED % r"half \ud83d", "room_metadata": NAMED % "room"}, "room"),
        ({"metadata": "{"}, None),
        ({"metadata": '{"a":' * 100_000}, None),
        ({"metadata": "[1]"}, None),
    ],
)
async def test_nearest_to_the_call_says_who_pays(given: dict[str, Any], expected: str | None) -> None:
    with job(**given):
        assert current_identity().project == expected


PRIORITY = '{"voicegateway.priority": "%s"}'


@pytest.mark.parametrize(
    ("given", "expected", "is_said"),
    [
        ({}, "live", False),
        ({"room_metadata": PRIORITY % "batch"}, "batch", False),
        ({"metadata": PRIORITY % "live", "room_metadata": PRIORITY % "batch"}, "live", False),
        ({"attributes": {names.PRIORITY: "batch"}, "metadata": PRIORITY % "live"}, "batch", False),
        ({"metadata": PRIORITY % "urgent"}, "live", True),
        ({"metadata": '{"voicegateway.priority": 7}'}, "live", False),
    ],
)
async def test_nearest_to_the_call_says_how_urgent_it_is(
    given: dict[str, Any], expected: str, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with job(**given):
        assert current_identity().priority == expected
        assert current_identity().priority == expected

    assert [record.getMessage() for record in caplog.records if record.name == "voicegateway"] == is_said * [
        "voicegateway: job AJ_1: voicegateway.priority is 'urgent', neither live nor batch; taken for live"
    ]


async def test_job_is_looked_at_once() -> None:
    with job() as context:
        first = current_identity()
        context.job.metadata = NAMED % "later"

        assert current_identity() is first
        assert (first.session_id, first.job_id) == ("AJ_1", "AJ_1")
        assert first.started_at.endswith("Z")


def test_without_a_job_a_process_is_one_session() -> None:
    first, second = current_identity(), current_identity()

    assert first is second
    assert first.session_id.startswith("process-")
    assert (first.project, first.job_id, first.room, first.agent) == (None, "", "", "")


async def test_next_job_of_a_process_is_another_session() -> None:
    sessions: list[Identity] = []
    for number in (1, 2):
        with job(f"AJ_{number}"):
            sessions.append(current_identity())

    assert [each.session_id for each in sessions] == ["AJ_1", "AJ_2"]
