"""When a worker does not end a session, LiveKit is asked: the agent, then the room; what came of it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.livekit_server import KEY, SECRET, LiveKitServer, livekit_serving

from voicegateway_controller import runner
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.fleet.store import PresenceStore
from voicegateway_controller.redis_client import open_redis
from voicegateway_controller.sessions import Directives
from voicegateway_controller.sessions.ending import ATTEMPTS_MAX, RECHECK_MS, RETRY_MS, patience_ms
from voicegateway_controller.sessions.escalation import LEASE_MS, Escalation
from voicegateway_controller.sessions.livekit_rooms import LiveKitRooms
from voicegateway_shared.wire import SessionPresence, SyncRequest

Connection = asyncpg.Connection
PATIENCE_MS = patience_ms("")


class Fleet:
    """One holder that carries sessions; presence is written as the API does."""

    def __init__(self, redis: Redis, *, project: str = "acme") -> None:
        self._store = PresenceStore(redis)
        self._seq = 0
        self._project = project

    async def carries(self, *session_ids: str, room: str | None = None) -> None:
        """Say which sessions are carried from now on."""
        self._seq += 1
        sessions = tuple(
            SessionPresence(
                session_id=each,
                project=self._project,
                room=f"room-{each}" if room is None else room,
                started_at="2026-11-21T09:00:00Z",
            )
            for each in session_ids
        )
        message = SyncRequest(
            incarnation=f"host-{self._project}", seq=self._seq, host="h", pid=1, shim_version="0", sessions=sessions
        )
        await self._store.note(
            incarnation=f"host-{self._project}", seq=self._seq, message=msgspec.json.encode(message), about=b"{}",
            ttl_ms=600_000, is_leaving=False,
        )  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def livekit() -> AsyncIterator[LiveKitServer]:
    async with livekit_serving() as server:
        server.rooms = {"room-AJ_1": {"caller", "agent-AJ_1"}, "room-AJ_2": {"caller", "agent-AJ_2"}}
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directives(redis: Redis, clock: Clock) -> Directives:
    return Directives(redis, now_ms=clock.now_ms)


@pytest.fixture
def fleet(redis: Redis) -> Fleet:
    return Fleet(redis)


@pytest.fixture
def make_escalation(
    redis: Redis, directives: Directives, engine: AsyncEngine, livekit: LiveKitServer
) -> Callable[..., Escalation]:
    """Return a maker of what a runner has."""

    def make(*, is_set_up: bool = True) -> Escalation:
        rooms = LiveKitRooms(livekit.url, KEY, SECRET) if is_set_up else None
        return Escalation(directives, Presence(redis).holders, Alerts(engine), rooms)

    return make


async def _alerts(db: "Connection[Any]") -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT kind, severity, project, title, details->>'last_error' FROM alert ORDER BY position")
    return [tuple(row) for row in rows]


async def _outcome(directives: Directives) -> tuple[str, str, int]:
    [ending] = await directives.endings()
    return ending.state, ending.outcome, ending.attempts


async def test_a_session_that_ended_in_time_is_left_alone(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer, db: Any
) -> None:
    await fleet.carries("AJ_1")
    directive = await directives.end("AJ_1", "", "", "x", "acme")
    escalation = make_escalation()
    await escalation.step()
    await directives.done([directive.id])
    await fleet.carries()
    clock.ms += PATIENCE_MS
    await escalation.step()

    assert livekit.asked == []
    assert await _outcome(directives) == ("ended", "obeyed", 0)
    assert await directives.claim(limit=10, lease_ms=1) == []
    assert await _alerts(db) == []


async def test_the_agent_is_removed_when_its_worker_does_not_end_the_session(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer, db: Any
) -> None:
    await fleet.carries("AJ_1", "AJ_2")
    await directives.end("AJ_1", "", "too dear", "x", "acme")
    escalation = make_escalation()
    clock.ms += PATIENCE_MS - 1
    await escalation.step()
    early = list(livekit.asked)
    clock.ms += 1
    await escalation.step()
    await escalation.step()
    in_between = await _outcome(directives)
    await fleet.carries("AJ_2")
    clock.ms += RECHECK_MS
    await escalation.step()

    assert early == []
    assert livekit.asked == [("ListParticipants", "room-AJ_1"), ("RemoveParticipant", "room-AJ_1/agent-AJ_1")]
    assert livekit.rooms == {"room-AJ_1": {"caller"}, "room-AJ_2": {"caller", "agent-AJ_2"}}
    assert in_between == ("escalated", "", 1)
    assert await _outcome(directives) == ("ended", "removed", 1)
    assert await _alerts(db) == [
        ("session_ended", "warning", "acme",
         "Session AJ_1 did not end when it was told to: LiveKit ended it", "")
    ]  # fmt: skip


async def test_a_goodbye_that_is_being_spoken_is_not_cut_off(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer
) -> None:
    await fleet.carries("AJ_1")
    directive = await directives.end("AJ_1", "x" * 100, "", "x", "acme")
    escalation = make_escalation()
    clock.ms += 17_000
    await directives.done([directive.id])
    clock.ms += 17_999
    await escalation.step()
    before = list(livekit.asked)
    clock.ms += 1
    await escalation.step()

    assert before == []
    assert livekit.rooms["room-AJ_1"] == {"caller"}


async def test_the_room_is_deleted_when_removing_the_agent_did_not_end_it(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer, db: Any
) -> None:
    await fleet.carries("AJ_1")
    await directives.end("AJ_1", "", "", "x", "acme")
    escalation = make_escalation()
    for _ in range(2):
        clock.ms += max(PATIENCE_MS, RECHECK_MS)
        await escalation.step()
    deleted = dict(livekit.rooms)
    await fleet.carries()
    clock.ms += RECHECK_MS
    await escalation.step()

    assert livekit.asked[2:] == [("DeleteRoom", "room-AJ_1")]
    assert "room-AJ_1" not in deleted
    assert await _outcome(directives) == ("ended", "removed", 2)
    assert len(await _alerts(db)) == 1


async def test_failures_are_tried_again_and_then_a_person_is_told(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer, db: Any
) -> None:
    livekit.failures = [(503, "unavailable")] * ATTEMPTS_MAX
    await fleet.carries("AJ_1")
    await directives.end("AJ_1", "", "", "x", "acme")
    escalation = make_escalation()
    clock.ms += PATIENCE_MS
    for _ in range(ATTEMPTS_MAX + 1):
        await escalation.step()
        clock.ms += RETRY_MS
    await escalation.step()

    assert len(livekit.asked) == ATTEMPTS_MAX
    assert await _outcome(directives) == ("failed", "failed", ATTEMPTS_MAX)
    assert await _alerts(db) == [
        ("session_ended", "critical", "acme", "Session AJ_1 was told to end and is still live",
         "the LiveKit server answered 503 unavailable as told")
    ]  # fmt: skip
    # Its worker is still told.
    assert len(await directives.pending_for({"AJ_1": "acme"})) == 1


@pytest.mark.parametrize(
    ("is_set_up", "room", "error"),
    [
        (False, None, "its worker did not comply, and VOICEGATEWAY_LIVEKIT_URL, _API_KEY and _API_SECRET are not set"),
        (True, "", "its worker did not comply, and told no room"),
    ],
)
async def test_where_nobody_can_be_asked_a_person_is_told(
    make_escalation: Any,
    directives: Directives,
    fleet: Fleet,
    clock: Clock,
    livekit: LiveKitServer,
    db: Any,
    is_set_up: bool,
    room: str | None,
    error: str,
) -> None:
    await fleet.carries("AJ_1", room=room)
    await directives.end("AJ_1", "", "", "x", "acme")
    clock.ms += PATIENCE_MS

    await make_escalation(is_set_up=is_set_up).step()

    assert livekit.asked == []
    assert [(alert[1], alert[4]) for alert in await _alerts(db)] == [("critical", error)]
    assert await _outcome(directives) == ("failed", "failed", 0)


@pytest.mark.parametrize(("project", "deleted"), [("acme", False), ("", True)])
async def test_another_project_cannot_have_its_room_taken_for_the_sessions(
    make_escalation: Any,
    directives: Directives,
    redis: Redis,
    clock: Clock,
    livekit: LiveKitServer,
    project: str,
    deleted: bool,
) -> None:
    await Fleet(redis, project="beta").carries("AJ_1", room="room-AJ_2")
    await directives.end("AJ_1", "", "", "x", project)
    clock.ms += PATIENCE_MS

    await make_escalation().step()

    assert (livekit.asked != []) is deleted


async def test_two_runners_ask_livekit_once(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer, db: Any
) -> None:
    ids = [f"AJ_{n}" for n in range(1, 9)]
    livekit.rooms = {f"room-{each}": {"caller", f"agent-{each}"} for each in ids}
    await fleet.carries(*ids)
    for each in ids:
        await directives.end(each, "", "", "x", "acme")
    clock.ms += PATIENCE_MS

    await asyncio.gather(*(make_escalation().step() for _ in range(4)))
    await fleet.carries()
    clock.ms += RECHECK_MS
    await make_escalation().step()

    assert {each.outcome for each in await directives.endings()} == {"removed"}
    # One order, one alert.
    assert len(await _alerts(db)) == 1
    removed = [what for method, what in livekit.asked if method == "RemoveParticipant"]
    assert sorted(removed) == [f"room-{each}/agent-{each}" for each in ids]


async def test_another_runner_goes_on_where_one_died(
    make_escalation: Any, directives: Directives, fleet: Fleet, clock: Clock, livekit: LiveKitServer
) -> None:
    await fleet.carries("AJ_1")
    await directives.end("AJ_1", "", "", "x", "acme")
    clock.ms += PATIENCE_MS
    # The one that died had claimed it and done nothing.
    assert len(await directives.claim(limit=10, lease_ms=LEASE_MS)) == 1
    await make_escalation().step()
    meanwhile = list(livekit.asked)
    clock.ms += LEASE_MS
    await make_escalation().step()

    assert meanwhile == []
    assert livekit.rooms["room-AJ_1"] == {"caller"}


async def test_the_runner_escalates(
    make_settings: Any, redis: Redis, fleet: Fleet, livekit: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegateway_controller.sessions.directives.patience_ms", lambda sentence: 0)
    removed = asyncio.Event()
    livekit.on_change = removed.set
    await fleet.carries("AJ_1")
    await Directives(redis).end("AJ_1", "", "", "x", "acme")
    settings = make_settings(livekit_url=livekit.url, livekit_api_key=KEY, livekit_api_secret=SECRET)
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(settings, stop))
    await asyncio.wait_for(removed.wait(), timeout=30)
    stop.set()
    await running

    assert livekit.rooms["room-AJ_1"] == {"caller"}
