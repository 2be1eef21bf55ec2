"""From LiveKit's webhooks to the books: each leg once, whatever the network does, in the session and the project it
belongs to."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from livekit.protocol.ingress import IngressInfo, IngressInput, IngressState
from livekit.protocol.models import DisconnectReason
from livekit.protocol.webhook import WebhookEvent
from tests.fixtures.traces import a_request, a_span
from tests.integration.controller.calls.conftest import KEY, SECRET, TELEPHONY, Webhooks

from voicegateway.testing.livekit_webhooks import CallScript, disturbed
from voicegateway_controller.ledger import verify_rollups

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CALL = CallScript(room="call-1", job_id="AJ_1", duration_s=180)
BOOKED = """
SELECT provider || '/' || model AS what, project, session_id, quantity, amount_usd, estimated
FROM ledger_entry WHERE modality IN ('transport', 'telephony', 'recording') ORDER BY session_id, 1, request_id
"""
AGENT = ("livekit/agent-session", "default", "AJ_1", 180_000, Decimal("0.03"), False)
PHONE = ("livekit/us-local-inbound", "default", "AJ_1", 180_000, Decimal("0.03"), False)


@pytest.fixture
def books(db: Any, make_settling: Any, make_ledger: Any) -> Any:
    """Settle and rate; return what is booked of legs."""

    async def read(**settling: Any) -> list[tuple[Any, ...]]:
        await make_settling(**settling).step()
        await make_ledger().drain(limit_s=20)
        assert await verify_rollups(make_ledger()._engine, since=LONG_AGO) == []
        return [tuple(row.values()) for row in await db.fetch(BOOKED)]

    return read


@pytest.fixture
def spend(api: httpx.AsyncClient, worker: dict[str, str], make_ledger: Any) -> Any:
    """Post a session's request and rate it."""

    async def post(session_id: str = "AJ_1", **changes: Any) -> None:
        span = a_span(SESSION_ID=session_id, **changes)
        assert (await api.post("/v1/traces", content=a_request(span), headers=worker)).status_code == 200
        await make_ledger().drain(limit_s=20)

    return post


async def test_a_call_of_three_minutes_costs_its_agent_and_its_phone_minutes(deliver: Any, books: Any) -> None:
    answers = await deliver(*CALL.events())

    assert set(answers) == {(200, "taken")}
    assert await books() == [AGENT, PHONE]


async def test_whatever_the_network_does_the_books_are_the_same(start_api: Any, db: Any, books: Any) -> None:
    """Twice, in disorder, at once on two replicas."""
    settings = {"livekit_api_key": KEY, "livekit_api_secret": SECRET, "telephony": TELEPHONY}
    jobs = [f"AJ_{seed}" for seed in range(8)]
    async with start_api(**settings) as one, start_api(**settings) as other:
        replicas = [Webhooks(one), Webhooks(other)]
        for seed, job in enumerate(jobs):
            events = disturbed(
                replace(CALL, job_id=job, room=f"room-{job}").events(), seed=seed, copies_max=3, is_reordered=True
            )
            await asyncio.gather(*(replicas[n % 2](each) for n, each in enumerate(events)))
            # And all of it again from both, after it was committed.
            await asyncio.gather(*(replica(*events) for replica in replicas))

    booked = await books()

    assert booked == [(what, project, job, *rest) for job in jobs for what, project, _, *rest in (AGENT, PHONE)]
    assert await db.fetchval("SELECT count(*) FROM call_event") == 6 * len(jobs)


async def test_what_comes_again_after_it_was_booked_changes_nothing(deliver: Any, db: Any, books: Any) -> None:
    events = CALL.events()
    await deliver(*events)
    before = await books()
    # As if the note of having had it were lost too.
    await db.execute("DELETE FROM call_event")

    answers = await deliver(*events)

    assert [answer for _, answer in answers] == ["taken", "late", "late", "late", "late", "taken"]
    assert await books() == before


async def test_runners_that_settle_at_once_settle_each_leg_once(
    deliver: Any, db: Any, make_settling: Any, books: Any
) -> None:
    for n in range(20):
        await deliver(*replace(CALL, job_id=f"AJ_{n}", room=f"room-{n}").events())

    await asyncio.gather(*(make_settling().step() for _ in range(4)))

    assert len(await books()) == 40
    assert await db.fetchval("SELECT sum(spans) FROM call_leg") == 40


async def test_an_agent_that_never_connected_is_free(deliver: Any, db: Any, books: Any) -> None:
    await deliver(*replace(CALL, is_agent_connected=False, caller="none").events())

    assert await books() == []
    assert await db.fetchval("SELECT count(*) FROM call_leg WHERE settled_at IS NULL") == 0


async def test_an_agents_minutes_end_when_it_leaves_before_the_room_does(deliver: Any, books: Any) -> None:
    await deliver(*replace(CALL, agent_leaves_after_s=70).events())

    assert [row[3:5] for row in await books()] == [(70_000, Decimal("0.02")), (180_000, Decimal("0.03"))]


async def test_a_leaving_without_a_joining_is_a_whole_leg(deliver: Any, books: Any) -> None:
    await deliver(*disturbed(CALL.events(), seed=1, lost=frozenset({"participant_joined", "room_started"})))

    assert await books() == [AGENT, PHONE]


async def test_the_rooms_end_ends_whoever_is_in_it(deliver: Any, books: Any) -> None:
    await deliver(*disturbed(CALL.events(), seed=1, lost=frozenset({"participant_left"})))

    assert await books() == [(*AGENT[:5], True), (*PHONE[:5], True)]


async def test_a_leaving_that_comes_after_the_rooms_end_still_counts(deliver: Any, books: Any) -> None:
    events = replace(CALL, agent_leaves_after_s=70, caller="none").events()
    left = next(each for each in events if each.event == "participant_left")
    await deliver(*(each for each in events if each is not left), left)

    assert [row[3:] for row in await books()] == [(70_000, Decimal("0.02"), False)]


async def test_events_in_disorder_are_waited_for(deliver: Any, books: Any) -> None:
    await deliver(*CALL.events())

    assert await books(settle_s=30.0) == []
    assert len(await books()) == 2


async def test_legs_wait_for_the_agents_spans_to_say_who_pays(deliver: Any, spend: Any, books: Any) -> None:
    await deliver(*CALL.events())
    before = await books(patience_s=60.0)

    await spend()

    assert before == []
    assert [row[1] for row in await books(patience_s=60.0)] == ["acme", "acme"]


async def test_without_spans_the_default_project_pays_in_the_end(deliver: Any, spend: Any, books: Any) -> None:
    """And what fell back says nothing of who pays: the session's next leg waits for spans again."""
    agent_first = replace(CALL, agent_leaves_after_s=60)
    *first, left, finished = agent_first.events()
    await deliver(*first)
    fell_back = await books(telephony=TELEPHONY + "default_project: house\n")
    await deliver(left, finished)
    waiting = await books(patience_s=60.0)
    await spend()

    assert [row[:2] for row in fell_back] == [("livekit/agent-session", "house")]
    assert waiting == fell_back
    assert [row[:2] for row in await books(patience_s=60.0)] == [
        ("livekit/agent-session", "house"),
        ("livekit/us-local-inbound", "acme"),
    ]


async def test_a_worker_that_carries_the_call_says_who_pays(
    calls_api: httpx.AsyncClient, make_token: Any, deliver: Any, engine: Any, redis_url: str, books: Any
) -> None:
    """A call without a single request: presence is the only witness."""
    from voicegateway_controller.calls.owners import Owners
    from voicegateway_controller.fleet.presence import Presence
    from voicegateway_controller.redis_client import open_redis

    *live, agent_left, phone_left, finished = CALL.events()
    await deliver(*live)
    session = {"session_id": "AJ_1", "project": "acme", "agent": "a", "room": "call-1"}
    message = {
        "incarnation": "host-1-1", "seq": 1, "host": "h", "pid": 1, "shim_version": "0.1.0",
        "sessions": [{**session, "started_at": "2026-11-21T09:00:00Z"}],
    }  # fmt: skip
    told = await calls_api.post("/v1/sync", json=message, headers=await make_token())
    assert told.status_code == 200
    redis = open_redis(redis_url)
    await Owners(engine, Presence(redis).holders).step()
    await redis.aclose()
    await deliver(agent_left, phone_left, finished)

    assert [row[1] for row in await books(patience_s=60.0)] == ["acme", "acme"]


async def test_a_room_or_a_trunk_may_say_who_pays(deliver: Any, books: Any) -> None:
    trunk = {"sip.trunkID": "ST_twilio", "sip.callDirection": "inbound", "sip.twilio.callSid": "CA_1"}
    said = replace(
        CALL, room_metadata='{"voicegateway.project": "acme"}', sip_attributes={**CALL.sip_attributes, **trunk}
    )
    await deliver(*said.events())
    await deliver(*replace(CALL, job_id="AJ_2", room="r2", sip_attributes=trunk).events())

    assert [(row[0], row[1], row[4]) for row in await books()] == [
        ("livekit/agent-session", "acme", Decimal("0.03")),
        ("livekit/sip-third-party", "acme", Decimal("0.012")),
        ("twilio/us-sip-inbound", "acme", Decimal("0.012")),
        ("livekit/agent-session", "phones", Decimal("0.03")),
        ("livekit/sip-third-party", "phones", Decimal("0.012")),
        ("twilio/us-sip-inbound", "phones", Decimal("0.012")),
    ]


async def test_what_nobody_answered_costs_no_carrier(deliver: Any, books: Any) -> None:
    out = {"sip.trunkID": "ST_twilio", "sip.callDirection": "outbound", "sip.phoneNumber": "+15105550100"}
    unanswered = replace(CALL, duration_s=20, sip_attributes=out, disconnect_reason=DisconnectReason.USER_UNAVAILABLE)
    await deliver(*unanswered.events())
    await deliver(*replace(CALL, job_id="AJ_2", room="r2", sip_attributes=out).events())

    booked = [(row[2], row[0], row[5]) for row in await books() if "agent" not in row[0]]

    assert booked == [
        ("AJ_1", "livekit/sip-third-party", True),
        ("AJ_2", "livekit/sip-third-party", True),
        ("AJ_2", "twilio/us-local-outbound", True),
    ]


async def test_callers_belong_to_the_first_agent_and_without_one_to_the_room(deliver: Any, db: Any, books: Any) -> None:
    start = CALL.started_at
    second = replace(CALL, job_id="AJ_2", started_at=start + timedelta(seconds=60), duration_s=120)
    first = replace(CALL, caller="web")
    late = [each for each in second.events() if each.participant.identity == "agent-AJ_2"]
    for each in late:
        each.room.sid = first.room_sid
    alone = replace(CALL, room="lobby", job_id="none", caller="web")
    nobody = [each for each in alone.events() if not each.participant.identity.startswith("agent-")]
    await deliver(*late, *first.events(), *nobody)
    await books()

    assert {tuple(row.values()) for row in await db.fetch("SELECT kind, settled_session, spans FROM call_leg")} == {
        ("agent", "AJ_1", 1),
        ("agent", "AJ_2", 1),
        ("participant", "AJ_1", 1),
        ("participant", alone.room_sid, 1),
    }


async def test_an_agent_with_a_name_of_its_own_is_found_by_its_room(deliver: Any, spend: Any, books: Any) -> None:
    meanwhile = CALL.started_at + timedelta(seconds=60)
    await spend("AJ_earlier", ended_ns=int((CALL.started_at - timedelta(minutes=1)).timestamp()) * 10**9)
    await spend(ended_ns=int(meanwhile.timestamp()) * 10**9)
    await deliver(*replace(CALL, agent_identity="bob").events())

    assert [row[:3] for row in await books(patience_s=60.0)] == [
        ("livekit/agent-session", "acme", "AJ_1"),
        ("livekit/us-local-inbound", "acme", "AJ_1"),
    ]


async def test_a_recording_is_counted_and_shows_that_it_has_no_price(deliver: Any, db: Any, books: Any) -> None:
    await deliver(*replace(CALL, caller="none", is_recorded=True).events())
    await books()

    [span] = await db.fetch(
        "SELECT modality, provider, model, usage::text FROM usage_span WHERE modality = 'recording'"
    )
    assert tuple(span.values()) == ("recording", "livekit", "egress-room-composite", '{"participant_ms": 180000}')
    assert await db.fetchval("SELECT count(*) FROM ledger_entry WHERE modality = 'recording'") == 1


async def test_no_phone_number_is_kept_anywhere(deliver: Any, db: Any, books: Any) -> None:
    await deliver(*replace(CALL, room="house").events())
    await books()

    tables = [row[0] for row in await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    texts = [str(row[0]) for table in tables for row in await db.fetch(f'SELECT t::text FROM "{table}" AS t')]
    assert len(texts) > 10
    assert [text for text in texts if "510555" in text] == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_leg_is_billed_by_one_rule_although_the_rules_changed_during_the_call(
    start_api: Any, db: Any, books: Any, order: tuple[int, int]
) -> None:
    """Joined under one carrier, left under another: never one's name with the other's model."""
    carriers = ("aaa/zone-9", "zzz/zone-1")
    events = _over("ST_x").events()
    cut = len(events) // 2
    for half, which in zip((events[:cut], events[cut:]), order, strict=True):
        rules = f"legs:\n  - {{trunk: ST_x, livekit: us-local-inbound, carrier: {carriers[which]}}}\n"
        async with start_api(livekit_api_key=KEY, livekit_api_secret=SECRET, telephony=rules) as api:
            assert {answer for answer, _ in await Webhooks(api)(*half)} == {200}

    assert [row[0] for row in await books()] == ["livekit/agent-session", "livekit/us-local-inbound", "zzz/zone-1"]


async def test_a_leaving_without_attributes_takes_no_rule_away(deliver: Any, books: Any) -> None:
    events = _over("ST_twilio").events()
    for event in events:
        if event.event == "participant_left":
            event.participant.attributes.clear()
            event.participant.disconnect_reason = DisconnectReason.USER_REJECTED

    await deliver(*disturbed(events, seed=3, is_reordered=True))

    assert [(row[0], row[-1]) for row in await books()] == [
        ("livekit/agent-session", False),
        ("livekit/sip-third-party", False),
        ("twilio/us-sip-inbound", False),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_an_ingress_that_began_before_it_was_in_a_room_is_one_leg(
    deliver: Any, db: Any, books: Any, seed: int
) -> None:
    """Its beginning is told when somebody sends, its end with the room that it was in at last."""
    events = CALL.events()
    start_ns = int(CALL.started_at.timestamp()) * 10**9
    began = IngressState(resource_id="RES_1", started_at=start_ns)
    ended = IngressState(
        resource_id="RES_1", room_id=CALL.room_sid, started_at=start_ns, ended_at=start_ns + 90 * 10**9
    )
    events += [
        WebhookEvent(
            id=name, event=name, created_at=start_ns // 10**9 + 90,
            ingress_info=IngressInfo(
                ingress_id="IN_1", input_type=IngressInput.WHIP_INPUT, room_name=CALL.room, state=state
            ),
        )
        for name, state in (("ingress_started", began), ("ingress_ended", ended))
    ]  # fmt: skip

    await deliver(*disturbed(events, seed=seed, copies_max=2, is_reordered=True))

    assert [row[:4] for row in await books()] == [
        AGENT[:4],
        ("livekit/ingress-whip", "default", "AJ_1", 90_000),
        PHONE[:4],
    ]
    assert await db.fetchval("SELECT count(*) FROM call_leg WHERE settled_at IS NULL") == 0


def _over(trunk_id: str) -> CallScript:
    return replace(CALL, sip_attributes={**CALL.sip_attributes, "sip.trunkID": trunk_id})
