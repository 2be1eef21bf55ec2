"""What one webhook tells: instants that are believed, kinds, and no number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from livekit.protocol.ingress import IngressInfo, IngressInput, IngressState
from livekit.protocol.models import DisconnectReason
from livekit.protocol.webhook import WebhookEvent

from voicegateway.testing.livekit_webhooks import CallScript
from voicegateway_controller.calls.event import CallEvent, LegTold, read_event
from voicegateway_controller.calls.telephony import read_telephony

START = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)
START_US = 1_795_341_600_250_000
NOW = START + timedelta(minutes=10)
SCRIPT = CallScript(room="r", job_id="AJ_1", duration_s=180, started_at=START)
TELEPHONY = read_telephony('legs: [{number: "+15105550199", carrier: twilio/us-sip-inbound, project: phones}]')


def _read(message: Any, *, now: datetime = NOW) -> CallEvent | None:
    return read_event(message, b"body", telephony=TELEPHONY, now_us=int(now.timestamp() * 1_000_000))


def _leg(name: str, who: str, script: CallScript = SCRIPT, *, now: datetime = NOW) -> LegTold:
    for message in script.events():
        about = message.participant.identity or message.egress_info.egress_id
        if message.event == name and about.startswith(who):
            event = _read(message, now=now)
            assert event is not None
            assert event.leg is not None
            return event.leg
    raise AssertionError(f"no {name} of {who}")


def test_joining_is_told_in_milliseconds_and_leaving_in_seconds() -> None:
    joined, left = _leg("participant_joined", "agent"), _leg("participant_left", "agent")

    assert (joined.started_us, joined.ended_us) == (START_US, None)
    assert (left.started_us, left.ended_us) == (START_US, START_US - 250_000 + 180_000_000)
    assert joined.leg_id == left.leg_id
    assert (left.kind, left.session_id, left.livekit_model) == ("agent", "AJ_1", "agent-session")


def test_numbers_choose_the_rule_and_are_not_kept() -> None:
    leg = _leg("participant_joined", "sip_")

    assert (leg.carrier_provider, leg.carrier_model, leg.project) == ("twilio", "us-sip-inbound", "phones")
    assert (leg.direction, leg.trunk_id, leg.call_id) == ("inbound", "ST_simulated", "SCL_simulated")
    assert "5105550" not in repr(leg)


def test_a_call_that_no_dispatch_rule_let_in_went_out_unless_it_says_so() -> None:
    attributes = {"sip.trunkID": "ST_1", "sip.phoneNumber": "+442071234567"}
    out = replace(SCRIPT, sip_attributes=attributes, disconnect_reason=DisconnectReason.USER_REJECTED)
    said = replace(SCRIPT, sip_attributes={**attributes, "sip.callDirection": "inbound"})

    assert (_leg("participant_left", "sip_", out).direction, _leg("participant_left", "sip_", out).is_unanswered) == (
        "outbound",
        True,
    )
    assert _leg("participant_left", "sip_", said).direction == "inbound"


def test_whoever_goes_to_another_node_stays_in_the_room() -> None:
    moved = replace(SCRIPT, disconnect_reason=DisconnectReason.MIGRATION)

    assert _leg("participant_left", "agent", moved).ended_us is None


def test_an_agent_with_a_name_of_its_own_says_no_job() -> None:
    assert _leg("participant_joined", "bob", replace(SCRIPT, agent_identity="bob")).session_id == ""
    assert _leg("participant_joined", "agent-x", replace(SCRIPT, agent_identity="agent-x")).session_id == ""


def test_recordings_are_told_in_nanoseconds() -> None:
    leg = _leg("egress_ended", "EG_", replace(SCRIPT, is_recorded=True))

    assert (leg.kind, leg.livekit_model) == ("egress", "egress-room-composite")
    assert (leg.started_us, leg.ended_us) == (START_US, START_US + 180_000_000)


def test_a_recording_that_failed_before_it_began_was_never_connected() -> None:
    message = next(each for each in replace(SCRIPT, is_recorded=True).events() if each.event == "egress_ended")
    message.egress_info.started_at = 0
    event = _read(message)

    assert event is not None
    assert event.leg is not None
    assert not event.leg.is_connected


def test_each_use_of_an_ingress_is_a_leg_of_its_own() -> None:
    def used(start_ns: int) -> LegTold:
        info = IngressInfo(ingress_id="IN_1", input_type=IngressInput.WHIP_INPUT, room_name="r")
        info.state.CopyFrom(IngressState(room_id="RM_1", started_at=start_ns, ended_at=start_ns + 5 * 10**9))
        message = WebhookEvent(id=str(start_ns), event="ingress_ended", ingress_info=info)
        event = _read(message)
        assert event is not None
        assert event.leg is not None
        return event.leg

    first, second = used(START_US * 1_000), used(START_US * 1_000 + 10**10)

    assert first.leg_id != second.leg_id
    assert (first.kind, first.livekit_model) == ("ingress", "ingress-whip")


@pytest.mark.parametrize("distance", [timedelta(days=-8), timedelta(minutes=6)])
def test_an_absurd_clock_is_not_believed(distance: timedelta) -> None:
    joined = _leg("participant_left", "agent", replace(SCRIPT, started_at=NOW + distance))

    assert (joined.started_us, joined.is_estimated) == (None, True)


def test_an_end_from_the_future_is_now() -> None:
    left = _leg("participant_left", "agent", now=START - timedelta(minutes=10))

    assert left.ended_us == int((START - timedelta(minutes=10)).timestamp() * 1_000_000)


def test_what_is_too_old_is_stale() -> None:
    event = _read(SCRIPT.events()[0], now=START + timedelta(days=7, seconds=1))

    assert event is not None
    assert event.is_stale


@pytest.mark.parametrize("name", ["track_published", "track_unpublished", "something_new", ""])
def test_what_costs_nothing_is_not_kept(name: str) -> None:
    message = SCRIPT.events()[1]
    message.event = name

    assert _read(message) is None


def test_an_event_without_an_id_is_known_by_its_bytes() -> None:
    message = SCRIPT.events()[0]
    message.id = ""
    event = _read(message)

    assert event is not None
    assert len(event.event_id) == 64


@pytest.mark.parametrize(
    ("metadata", "project"),
    [('{"voicegateway.project": "acme"}', "acme"), ('{"voicegateway.project": 7}', ""), ("{", ""), ("acme", "")],
)
def test_a_room_may_say_who_pays(metadata: str, project: str) -> None:
    event = _read(replace(SCRIPT, room_metadata=metadata).events()[0])

    assert event is not None
    assert event.project == project
