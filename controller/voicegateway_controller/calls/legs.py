"""Which spans a leg becomes when it has ended: one for LiveKit, one for the carrier. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import msgspec

from voicegateway_controller.calls.event import CLOCK_AHEAD_US, EVENT_AGE_MAX_US, LEG_NAMESPACE, LegKind
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.usage.columns import COLUMNS, INDEX, SEPARATOR, Row
from voicegateway_shared.telemetry import attributes as names

LIVEKIT: Final = "livekit"
METER: Final = "participant_ms"
NOBODY: Final = ""
"""Whose spans these are: no worker's, so that no budget takes LiveKit for a holder of its leases."""
LEG_MAX: Final = timedelta(microseconds=EVENT_AGE_MAX_US)
SHORTEST_MS: Final = 1
"""Who was connected at all is billed for a minute: LiveKit tells ends in whole seconds, so a leg may seem to end
before it began."""
NUMBER_DIGITS: Final = 7
"""A run of so many digits in a room's name may be somebody's number."""
MODALITIES: Final[dict[LegKind, str]] = {
    "agent": "transport", "participant": "transport", "ingress": "transport", "sip": "telephony",
    "egress": "recording",
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLeg:
    """A leg with all that is known of it when it goes into the books."""

    leg_id: UUID
    kind: LegKind
    resource_id: str
    direction: str
    livekit_model: str
    carrier_provider: str
    carrier_model: str
    call_id: str
    carrier_call_id: str
    is_connected: bool
    is_unanswered: bool
    is_estimated: bool
    is_end_guessed: bool
    """The leg's own end was never told: it is the room's, or its last sign of life."""
    is_lost: bool
    started_at: datetime | None
    end_at: datetime
    room_name: str
    session_id: str
    project: str
    agent: str


def billed_as(leg: EndedLeg, telephony: Telephony) -> list[tuple[str, str, str]]:
    """Return who bills this leg, as which model, under which name its span is made."""
    if not leg.is_connected:
        return []
    billed = []
    if telephony.is_cloud and leg.livekit_model:
        billed.append((LIVEKIT, leg.livekit_model, "livekit"))
    # Carriers bill nothing for a call that nobody answered; one that came in was, whatever its leaving says.
    is_unanswered = leg.is_unanswered and leg.direction == "outbound"
    if leg.carrier_provider and not is_unanswered:
        billed.append((leg.carrier_provider, leg.carrier_model, "carrier"))
    return billed


def span_rows(leg: EndedLeg, telephony: Telephony, *, now: datetime) -> list[Row]:
    """Return the inbox rows of a leg; their ids follow from the leg's, so a second time changes nothing."""
    started = max(leg.started_at or leg.end_at, leg.end_at - LEG_MAX)
    duration_ms = max(round((leg.end_at - started) / timedelta(milliseconds=1)), SHORTEST_MS)
    # How long an outgoing call rang is not told, and carriers do not bill it.
    is_ringing_in_it = leg.kind == "sip" and leg.direction == "outbound"
    is_estimated = leg.is_estimated or leg.is_end_guessed or is_ringing_in_it or leg.started_at is None
    rows = []
    for provider, model, part in billed_as(leg, telephony):
        request_id = uuid5(leg.leg_id, part)
        context: dict[str, str] = {"voicegateway.call.leg": leg.kind}
        if leg.direction:
            context["voicegateway.call.direction"] = leg.direction
        if telephony.plan and provider == LIVEKIT:
            context[names.MODE.removesuffix("mode") + "plan"] = telephony.plan
        ended_us, now_us = _us(leg.end_at), _us(now)
        is_suspect = not now_us - EVENT_AGE_MAX_US <= ended_us <= now_us + CLOCK_AHEAD_US
        rows.append(
            _row(
                request_id=str(request_id),
                trace_id=uuid5(LEG_NAMESPACE, leg.session_id).hex,
                span_id=request_id.hex[-16:],
                incarnation=NOBODY,
                project=leg.project,
                session_id=leg.session_id,
                agent=leg.agent,
                room="" if holds_a_number(leg.room_name) else leg.room_name,
                modality=MODALITIES[leg.kind],
                provider=provider,
                model=model,
                response_id=(leg.carrier_call_id or leg.call_id) if part == "carrier" else leg.resource_id,
                outcome="interrupted" if leg.is_lost else "ok",
                estimated="t" if is_estimated else "f",
                attempts="1",
                duration_ms=str(duration_ms),
                started_at=str(min(_us(started), ended_us)),
                ended_at=str(ended_us),
                clock_suspect="t" if is_suspect else "f",
                usage=_json({METER: duration_ms}).decode(),
                attributes=_json(context).decode(),
            )
        )
    return rows


def columns(rows: Iterable[Row]) -> list[str]:
    """Return rows as the inbox takes them: one joined text per column."""
    return [SEPARATOR.join(column) for column in zip(*rows, strict=True)]


def holds_a_number(text: str) -> bool:
    """Say whether a name may hold a phone number, as those of rooms for single callers do."""
    run = 0
    for each in text:
        run = run + 1 if each.isdecimal() else run if each in " -.()" and run else 0
        if run >= NUMBER_DIGITS:
            return True
    return False


def _row(**values: str) -> Row:
    row = [""] * len(COLUMNS)
    for name, value in values.items():
        row[INDEX[name]] = value.replace(SEPARATOR, "").replace("\0", "")
    return row


def _us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
