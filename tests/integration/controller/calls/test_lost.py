"""Legs whose end no webhook told: closed at their last sign of life, and never while somebody is there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from livekit.protocol.egress import EgressInfo, WebEgressRequest
from livekit.protocol.ingress import IngressInfo, IngressState
from livekit.protocol.models import ParticipantInfo, Room
from livekit.protocol.room import ListParticipantsRequest, ListParticipantsResponse, ListRoomsResponse
from livekit.protocol.webhook import WebhookEvent
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.controller.calls.conftest import KEY, SECRET

from voicegateway.testing.livekit_webhooks import CallScript
from voicegateway_controller.calls.livekit_server import LiveKitPresences, LiveKitUnanswered
from voicegateway_controller.calls.lost import Lost

NOW = timedelta(0)
CALL = CallScript(room="call-1", job_id="AJ_1", duration_s=600)
LEGS = "SELECT kind, lost_at IS NOT NULL AS is_lost, settled_at IS NOT NULL AS is_settled FROM call_leg ORDER BY kind"


@dataclass(slots=True)
class LiveKit:
    """A LiveKit server that says who is in its rooms."""

    url: str = ""
    rooms: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    """Name: SID, and participants' SIDs."""
    is_down: bool = False

    async def handle(self, request: web.Request) -> web.Response:
        answer: Any
        if self.is_down:
            return web.json_response({"code": "unavailable", "msg": "down"}, status=503)
        if request.match_info["method"] == "ListRooms":
            answer = ListRoomsResponse(rooms=[Room(sid=sid, name=name) for name, (sid, _) in self.rooms.items()])
        else:
            room = ListParticipantsRequest.FromString(await request.read()).room
            answer = ListParticipantsResponse(participants=[ParticipantInfo(sid=sid) for sid in self.rooms[room][1]])
        return web.Response(body=answer.SerializeToString(), content_type="application/protobuf")


@pytest_asyncio.fixture
async def livekit() -> AsyncIterator[LiveKit]:
    server = LiveKit()
    application = web.Application()
    application.router.add_post("/twirp/livekit.RoomService/{method}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
def lost(engine: AsyncEngine, livekit: LiveKit) -> Lost:
    """A search that takes no leg for busy, however lately it spoke."""
    return Lost(engine, LiveKitPresences(livekit.url, KEY, SECRET), quiet=NOW)


async def _join(deliver: Any, script: CallScript = CALL) -> None:
    await deliver(*(each for each in script.events() if each.event in ("room_started", "participant_joined")))


def _sids(*people: Any) -> set[str]:
    return {person.sid for person in people}


async def test_who_is_in_his_room_is_left_alone(deliver: Any, db: Any, livekit: LiveKit, lost: Lost) -> None:
    await _join(deliver)
    livekit.rooms = {"call-1": (CALL.room_sid, _sids(CALL.agent(), CALL.person()))}
    before = await db.fetchval("SELECT min(seen_at) FROM call_leg")

    await lost.step()

    assert [tuple(row.values()) for row in await db.fetch(LEGS)] == [("agent", False, False), ("sip", False, False)]
    assert await db.fetchval("SELECT min(seen_at) FROM call_leg") > before


async def test_who_left_unheard_is_closed_at_his_last_sign_of_life(
    deliver: Any, db: Any, livekit: LiveKit, lost: Lost, make_settling: Any
) -> None:
    await _join(deliver)
    seen_at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    await db.execute("UPDATE call_leg SET seen_at = $1", seen_at)
    livekit.rooms = {"call-1": (CALL.room_sid, _sids(CALL.person()))}

    await lost.step()
    await make_settling().step()

    assert [tuple(row.values()) for row in await db.fetch(LEGS)] == [("agent", True, True), ("sip", False, False)]
    [span] = await db.fetch("SELECT model, outcome, estimated, ended_at, usage::text FROM usage_span")
    assert tuple(span.values())[:4] == ("agent-session", "interrupted", True, seen_at)


async def test_a_room_that_is_gone_has_nobody_in_it(deliver: Any, db: Any, lost: Lost) -> None:
    await _join(deliver, replace(CALL, is_recorded=True))

    await lost.step()

    assert {row["is_lost"] for row in await db.fetch(LEGS)} == {True}


async def test_what_is_in_no_room_is_not_lost_for_want_of_one(
    deliver: Any, db: Any, lost: Lost, make_settling: Any
) -> None:
    """A web page's recording has no room ever, an ingress none at first: no list of rooms says that they are over."""
    now_s = int(datetime.now(UTC).timestamp())
    began_ns = (now_s - 600) * 10**9
    for is_ended in (False, True):
        name, ended_ns = ("ended", now_s * 10**9) if is_ended else ("started", 0)
        at_s = now_s if is_ended else now_s - 600
        state = IngressState(resource_id="RES_1", started_at=began_ns, ended_at=ended_ns)
        web_page = WebEgressRequest(url="https://example.com")
        egress = EgressInfo(egress_id="EG_1", started_at=began_ns, ended_at=ended_ns, web=web_page)
        told = {"egress": egress, "ingress": IngressInfo(ingress_id="IN_1", state=state)}
        for kind, info in told.items():
            facts: dict[str, Any] = {f"{kind}_info": info}
            await deliver(WebhookEvent(id=f"{kind}{name}", event=f"{kind}_{name}", created_at=at_s, **facts))
        await lost.step()
        await make_settling().step()

    spans = await db.fetch("SELECT model, outcome, estimated, duration_ms FROM usage_span ORDER BY model")
    assert [tuple(row.values()) for row in spans] == [
        ("egress-web", "ok", False, 600_000),
        ("ingress-rtmp", "ok", False, 600_000),
    ]


async def test_an_end_that_is_told_after_all_holds(deliver: Any, db: Any, lost: Lost, make_settling: Any) -> None:
    await _join(deliver)
    await lost.step()
    await deliver(*CALL.events())
    await make_settling().step()

    spans = await db.fetch("SELECT outcome, estimated, usage::text FROM usage_span")
    assert [tuple(row.values()) for row in spans] == [("ok", False, '{"participant_ms": 600000}')] * 2


async def test_a_server_that_does_not_answer_closes_nobody(deliver: Any, db: Any, livekit: LiveKit, lost: Lost) -> None:
    await _join(deliver)
    livekit.is_down = True

    with pytest.raises(LiveKitUnanswered, match="503"):
        await lost.step()
    assert {row["is_lost"] for row in await db.fetch(LEGS)} == {False}


async def test_without_a_server_to_ask_a_day_of_silence_closes_a_leg(
    deliver: Any, db: Any, engine: AsyncEngine
) -> None:
    await _join(deliver)
    await Lost(engine, None).step()
    before = [row["is_lost"] for row in await db.fetch(LEGS)]
    await db.execute(
        "UPDATE call_leg SET seen_at = now() - interval '25 hours', changed_at = now() - interval '25 hours'"
    )

    await Lost(engine, None).step()

    assert before == [False, False]
    assert [row["is_lost"] for row in await db.fetch(LEGS)] == [True, True]


async def test_what_is_long_in_the_books_is_forgotten(
    deliver: Any, db: Any, engine: AsyncEngine, make_settling: Any
) -> None:
    await deliver(*CALL.events())
    await make_settling().step()
    await _join(deliver, replace(CALL, room="r2", job_id="AJ_2"))
    await db.execute("UPDATE call_event SET received_at = now() - interval '9 days'")
    await db.execute("UPDATE call_leg SET settled_at = now() - interval '9 days' WHERE settled_at IS NOT NULL")
    await db.execute("UPDATE call_room SET seen_at = now() - interval '9 days'")

    await Lost(engine, None).step()

    counts = [await db.fetchval(f"SELECT count(*) FROM call_{what}") for what in ("event", "leg", "room")]
    assert counts == [0, 2, 1]
