"""One webhook as values: what it tells of a room and of one leg in it. Pure; protobuf in, frozen values out."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from voicegateway_controller.calls.telephony import Telephony
from voicegateway_shared.telemetry.attributes import PROJECT

LegKind = Literal["agent", "sip", "participant", "egress", "ingress"]

LEG_NAMESPACE: Final = UUID("6d2f0b0e-7f0c-5f0e-9a55-1f4f9f0c5e11")
SECOND_US: Final = 1_000_000
CLOCK_AHEAD_US: Final = 300 * SECOND_US
"""A server whose clock is further ahead is not believed; the same bound as for spans."""
EVENT_AGE_MAX_US: Final = 7 * 86_400 * SECOND_US
"""LiveKit gives a webhook up within minutes; what is older than this is a replay, and no leg is longer."""
TEXT_CHARS_MAX: Final = 256
LEG_EVENTS: Final = frozenset(
    {"participant_joined", "participant_left", "participant_connection_aborted", "egress_started", "egress_updated",
     "egress_ended", "ingress_started", "ingress_ended"}
)  # fmt: skip
EVENTS: Final = LEG_EVENTS | {"room_started", "room_finished"}
"""What is kept; tracks come and go without costing anything."""
AGENT_MODEL: Final = "agent-session"
PARTICIPANT_MODEL: Final = "webrtc-participant"
_KINDS: Final[dict[int, LegKind]] = {0: "participant", 3: "sip", 4: "agent", 7: "participant"}
"""LiveKit's `ParticipantInfo.Kind`; recorders (2), ingresses (1) and bridges are legs of their own or none."""
_UNANSWERED: Final = frozenset({11, 12, 13})
"""`DisconnectReason`: user unavailable, user rejected, SIP trunk failure."""
_MIGRATION: Final = 8
"""`DisconnectReason`: whoever goes to another node of LiveKit is in the room all the time."""
_EGRESS: Final = {
    "room_composite": "egress-room-composite", "web": "egress-web", "participant": "egress-participant",
    "track_composite": "egress-track-composite", "track": "egress-track",
}  # fmt: skip
_INGRESS: Final = {0: "ingress-rtmp", 1: "ingress-whip", 2: "ingress-url"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTold:
    """What one event says of one leg; instants in µs since 1970, None where it does not say."""

    leg_id: UUID
    kind: LegKind
    resource_id: str
    session_id: str = ""
    direction: str = ""
    trunk_id: str = ""
    livekit_model: str
    carrier_provider: str = ""
    carrier_model: str = ""
    call_id: str = ""
    carrier_call_id: str = ""
    project: str = ""
    is_connected: bool
    is_unanswered: bool = False
    is_estimated: bool = False
    started_us: int | None
    ended_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One webhook. `is_stale` when it is too old to be anything but a replay."""

    event_id: str
    name: str
    at_us: int
    is_stale: bool
    room_sid: str
    room_name: str
    project: str
    room_started_us: int | None
    room_finished_us: int | None
    leg: LegTold | None


def read_event(message: Any, body: bytes, *, telephony: Telephony, now_us: int) -> CallEvent | None:
    """Return what a `livekit.protocol` WebhookEvent tells; None when it is about nothing that costs."""
    name = message.event
    if name not in EVENTS:
        return None
    told_us = message.created_at * SECOND_US
    at_us = _believed(told_us, now_us) or now_us
    room_sid, room_name = message.room.sid, message.room.name
    leg: LegTold | None = None
    if name.startswith("participant_"):
        leg = _participant(message, room_sid, telephony, at_us=at_us, now_us=now_us)
    elif name.startswith("egress_"):
        egress = message.egress_info
        room_sid, room_name = room_sid or egress.room_id or egress.egress_id, room_name or egress.room_name
        leg = _egress(message, room_sid, at_us=at_us, now_us=now_us)
    elif name.startswith("ingress_"):
        ingress = message.ingress_info
        room_sid = room_sid or ingress.state.room_id or ingress.ingress_id
        room_name = room_name or ingress.room_name
        leg = _ingress(message, at_us=at_us, now_us=now_us)
    if not room_sid or (leg is None and name in LEG_EVENTS):
        return None
    created_us = message.room.creation_time_ms * 1_000 or message.room.creation_time * SECOND_US
    return CallEvent(
        event_id=_text(message.id) or hashlib.sha256(body).hexdigest(),
        name=name,
        at_us=at_us,
        is_stale=bool(told_us) and told_us < now_us - EVENT_AGE_MAX_US,
        room_sid=_text(room_sid),
        room_name=_text(room_name),
        project=_project_in(message.room.metadata),
        room_started_us=_believed(created_us, now_us),
        room_finished_us=at_us if name == "room_finished" else None,
        leg=leg,
    )


def _participant(message: Any, room_sid: str, telephony: Telephony, *, at_us: int, now_us: int) -> LegTold | None:
    participant = message.participant
    kind = _KINDS.get(participant.kind)
    if kind is None or not participant.sid or not room_sid:
        return None
    joined_us = participant.joined_at_ms * 1_000 or participant.joined_at * SECOND_US
    started_us = _believed(joined_us, now_us)
    is_join = message.event == "participant_joined"
    is_end = not is_join and participant.disconnect_reason != _MIGRATION
    attributes = participant.attributes
    facts: dict[str, Any] = {"livekit_model": AGENT_MODEL if kind == "agent" else PARTICIPANT_MODEL}
    if kind == "agent":
        prefix, _, job_id = participant.identity.partition("agent-")
        facts["session_id"] = _text(job_id) if not prefix and job_id.startswith("AJ_") else ""
    elif kind == "sip":
        facts = _sip(attributes, telephony)
        facts["is_unanswered"] = facts["direction"] == "outbound" and participant.disconnect_reason in _UNANSWERED
    facts["project"] = _text(attributes.get(PROJECT, "")) or facts.get("project", "")
    return LegTold(
        leg_id=leg_id(room_sid, participant.sid),
        kind=kind,
        resource_id=_text(participant.sid),
        is_connected=message.event != "participant_connection_aborted",
        is_estimated=bool(joined_us) and started_us is None,
        started_us=started_us or (at_us if is_join else None),
        ended_us=at_us if is_end else None,
        **facts,
    )


def _sip(attributes: Any, telephony: Telephony) -> dict[str, Any]:
    """Numbers choose the rule here, and go no further: none of them is kept."""
    direction = attributes.get("sip.callDirection", "")
    if direction not in ("inbound", "outbound"):
        # Only a call that came in was sent to a room by a dispatch rule.
        direction = "inbound" if attributes.get("sip.ruleID") else "outbound"
    trunk = attributes.get("sip.trunkID", "")
    rule = telephony.rule(
        trunk=trunk,
        number=attributes.get("sip.trunkPhoneNumber", ""),
        remote=attributes.get("sip.phoneNumber", ""),
        direction=direction,
    )
    return {
        "direction": direction,
        "trunk_id": _text(trunk),
        "livekit_model": rule.livekit,
        "carrier_provider": rule.carrier_provider,
        "carrier_model": rule.carrier_model,
        "call_id": _text(attributes.get("sip.callID", "")),
        "carrier_call_id": _text(attributes.get("sip.twilio.callSid", "")),
        "project": rule.project,
    }


def _egress(message: Any, room_sid: str, *, at_us: int, now_us: int) -> LegTold | None:
    info = message.egress_info
    if not info.egress_id:
        return None
    model = _EGRESS.get(info.WhichOneof("request") or "", "egress")
    return _resource(
        message, room_sid, "egress", info.egress_id, model, started_ns=info.started_at, ended_ns=info.ended_at,
        at_us=at_us, now_us=now_us,
    )  # fmt: skip


def _ingress(message: Any, *, at_us: int, now_us: int) -> LegTold | None:
    info = message.ingress_info
    if not info.ingress_id:
        return None
    # One ingress may be used many times: each use has an id, or at least a start, of its own.
    resource_id = info.state.resource_id or f"{info.ingress_id}:{info.state.started_at}"
    model = _INGRESS.get(info.input_type, "ingress")
    # Not of the room: the beginning may be told before it is in one.
    return _resource(
        message, info.ingress_id, "ingress", resource_id, model, started_ns=info.state.started_at,
        ended_ns=info.state.ended_at, at_us=at_us, now_us=now_us,
    )  # fmt: skip


def _resource(
    message: Any, owner_id: str, kind: LegKind, resource_id: str, model: str, *, started_ns: int, ended_ns: int,
    at_us: int, now_us: int,
) -> LegTold:  # fmt: skip
    started_us = _believed(started_ns // 1_000, now_us)
    is_end = message.event.endswith("_ended")
    return LegTold(
        leg_id=leg_id(owner_id, resource_id),
        kind=kind,
        resource_id=_text(resource_id),
        livekit_model=model,
        # A recording that failed before it began has no start and costs nothing.
        is_connected=started_ns > 0,
        is_estimated=started_ns > 0 and started_us is None,
        started_us=started_us,
        ended_us=(_believed(ended_ns // 1_000, now_us) or at_us) if is_end else None,
    )


def leg_id(owner_id: str, resource_id: str) -> UUID:
    """Return the id of a leg in a room, or of an ingress: the same for whoever hears of it, whenever."""
    return uuid5(LEG_NAMESPACE, f"{owner_id}:{resource_id}")


def _believed(us: int, now_us: int) -> int | None:
    """Return the instant unless it is missing, in the future, or longer ago than any leg lasts."""
    return us if now_us - EVENT_AGE_MAX_US <= us <= now_us + CLOCK_AHEAD_US else None


def _project_in(metadata: str) -> str:
    """What the room's metadata says of who pays, as the shim reads it."""
    if not metadata.startswith("{"):
        return ""
    try:
        value = json.loads(metadata).get(PROJECT)
    except (ValueError, RecursionError):
        return ""
    return _text(value) if isinstance(value, str) else ""


def _text(text: str) -> str:
    """Ids and names are short, and hold nothing that would break a row."""
    return "".join(each for each in text[:TEXT_CHARS_MAX] if each >= " ")
