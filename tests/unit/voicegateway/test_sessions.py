"""Handles of sessions: weak, bounded, and what becomes of a job whose session was ended."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.fixtures.waiting import eventually
from tests.unit.voicegateway.records import IDENTITY

from voicegateway import goodbye
from voicegateway import sessions as module
from voicegateway.identity import Identity
from voicegateway.instrument.current import CURRENT
from voicegateway.sessions import Sessions
from voicegateway_shared.wire.money import DIRECTIVES_MAX, Directive


class Session:
    """An `AgentSession` as far as it is closed: it has no voice, and nothing to wait for."""

    agent_state = "listening"
    current_speech = None

    def __init__(self, *, closes: bool = True) -> None:
        self._handlers: list[tuple[str, Callable[[Any], None]]] = []
        self._closes = closes

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        self._handlers.append((event, handler))

    once = on

    def off(self, event: str, handler: Callable[[Any], None]) -> None:
        self._handlers.remove((event, handler))

    def say(self, sentence: str, *, allow_interruptions: bool) -> None:
        raise RuntimeError("no TTS")

    def shutdown(self, *, drain: bool) -> None:
        assert drain
        for event, handler in list(self._handlers):
            if event == "close" and self._closes:
                handler(None)


class Job:
    """A `JobContext` as far as it is shut down."""

    def __init__(self, primary: Session | None, *, is_fake: bool = False) -> None:
        self.primary_session, self._is_fake = primary, is_fake
        self.did: list[str] = []

    def is_fake_job(self) -> bool:
        return self._is_fake

    def delete_room(self) -> None:
        self.did.append("deleted the room")

    def shutdown(self, *, reason: str) -> None:
        self.did.append(reason)


def unexpected(where: str, error: BaseException) -> None:
    """Fail the test by an error of ours."""
    raise AssertionError(where) from error


def identity(number: int) -> Identity:
    """Return one of many calls."""
    return Identity(session_id=f"AJ_{number}", project="acme", agent="", job_id=f"AJ_{number}", room="", started_at="")


@pytest.mark.parametrize(
    ("is_deleting_rooms", "is_fake", "did"),
    [
        (True, False, ["deleted the room", "voicegateway: test"]),
        (False, False, ["voicegateway: test"]),
        (True, True, ["voicegateway: test"]),
    ],
)
async def test_job_of_an_ended_session_is_shut_down_and_its_room_deleted_unless_told_otherwise(
    is_deleting_rooms: bool, is_fake: bool, did: list[str]
) -> None:
    sessions, session = Sessions(unexpected, is_deleting_rooms=is_deleting_rooms), Session()
    job = Job(session, is_fake=is_fake)
    sessions.met(session, IDENTITY, job)

    assert sessions.end(IDENTITY.session_id, "", "test")
    await eventually(lambda: job.did == did)
    assert not sessions.is_carried(IDENTITY.session_id)


async def test_session_beside_a_job_s_own_ends_without_the_job() -> None:
    sessions, session, other = Sessions(unexpected), Session(), Session()
    job = Job(other)
    live = sessions.met(session, IDENTITY, job)

    sessions.end(IDENTITY.session_id, "", "test")
    await eventually(lambda: live.is_closed and live.task is None)

    assert job.did == []


async def test_session_that_does_not_close_loses_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goodbye, "CLOSED_WITHIN_S", 0.01)
    sessions, session = Sessions(unexpected), Session(closes=False)
    job = Job(session)
    sessions.met(session, IDENTITY, job)

    sessions.end(IDENTITY.session_id, "", "test")

    await eventually(lambda: "voicegateway: test" in job.did)


async def test_handle_keeps_neither_session_nor_job_alive() -> None:
    sessions, session = Sessions(unexpected), Session()
    job = Job(session)
    live = sessions.met(session, IDENTITY, job)
    known = weakref.ref(session), weakref.ref(job)
    assert sessions.met(session, IDENTITY, job) is live

    del session, job
    gc.collect()

    assert [ref() for ref in known] == [None, None]
    sessions.end(IDENTITY.session_id, "", "test")
    await eventually(lambda: live.is_closed)


def test_session_whose_loop_has_ended_is_closed_by_its_end() -> None:
    sessions, session = Sessions(unexpected), Session()

    async def met() -> None:
        sessions.met(session, IDENTITY)

    asyncio.run(met())

    assert sessions.end(IDENTITY.session_id, "", "test")
    assert not sessions.end(IDENTITY.session_id, "", "test")


async def test_handles_and_directives_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 3)
    sessions, kept = Sessions(unexpected), [Session(closes=False) for _ in range(5)]

    for number, session in enumerate(kept):
        sessions.met(session, identity(number))
    sessions.obey(Directive(id=f"d{number}", session_id="AJ_4") for number in range(2 * DIRECTIVES_MAX))

    assert [sessions.is_carried(f"AJ_{number}") for number in range(5)] == [False, False, True, True, True]
    assert len(sessions._directives) == DIRECTIVES_MAX


async def test_what_belongs_to_one_request_is_not_kept_for_the_session() -> None:
    sessions, session = Sessions(unexpected), Session()
    token = CURRENT.set(object())  # type: ignore[arg-type]  # any request
    live = sessions.met(session, IDENTITY)
    CURRENT.reset(token)

    assert CURRENT not in live.context
