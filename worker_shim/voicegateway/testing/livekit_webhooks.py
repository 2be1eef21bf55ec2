"""LiveKit's webhooks for a scripted call, signed as LiveKit signs them: for tests, and to try a set-up without a call.

script = CallScript(room="demo", job_id="AJ_demo", duration_s=180, caller="sip")
sender = WebhookSender("http://127.0.0.1:8580", api_key="key", api_secret="secret")
for event in script.events():
    sender.send(event)
"""

import base64
import datetime
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, uuid5

import requests
from google.protobuf.json_format import MessageToJson
from livekit.api import AccessToken
from livekit.protocol.egress import EgressInfo, EgressStatus, RoomCompositeEgressRequest
from livekit.protocol.models import DisconnectReason, ParticipantInfo, Room
from livekit.protocol.webhook import WebhookEvent

PATH: Final = "/v1/livekit/webhook"
CONTENT_TYPE: Final = "application/webhook+json"
TOKEN_LIFE: Final = datetime.timedelta(minutes=5)
"""As LiveKit's server makes them."""
TIMEOUT_S: Final = 30.0
JUST_ENDED: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)

Caller = Literal["sip", "web", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScript:
    """One call: an agent, somebody who calls, perhaps a recording. All ids follow from room and job."""

    room: str
    job_id: str
    duration_s: float
    started_at: datetime.datetime = JUST_ENDED
    """Default: so long ago that the call has just ended."""
    caller: Caller = "sip"
    agent_identity: str | None = None
    """Default: `agent-<job id>`, as livekit-agents names it."""
    agent_leaves_after_s: float | None = None
    """Default: when the call ends."""
    is_agent_connected: bool = True
    is_recorded: bool = False
    room_metadata: str = ""
    sip_attributes: Mapping[str, str] = field(
        default_factory=lambda: {
            "sip.callID": "SCL_simulated",
            "sip.callStatus": "active",
            "sip.phoneNumber": "+15105550100",
            "sip.ruleID": "SDR_simulated",
            "sip.trunkID": "ST_simulated",
            "sip.trunkPhoneNumber": "+15105550199",
        }
    )
    disconnect_reason: int = DisconnectReason.CLIENT_INITIATED

    def __post_init__(self) -> None:
        if self.started_at == JUST_ENDED:
            now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
            object.__setattr__(self, "started_at", now - datetime.timedelta(seconds=self.duration_s))

    def events(self) -> list[WebhookEvent]:
        """Return the call's webhooks in LiveKit's order."""
        ended_s = self.duration_s
        agent_s = ended_s if self.agent_leaves_after_s is None else self.agent_leaves_after_s
        agent, caller = self.agent(), self.person()
        timed: list[tuple[float, WebhookEvent]] = [(0.0, self._event("room_started", 0.0))]
        if self.is_agent_connected:
            timed += [
                (0.0, self._event("participant_joined", 0.0, participant=agent)),
                (agent_s, self._event("participant_left", agent_s, participant=agent)),
            ]
        else:
            timed.append((0.0, self._event("participant_connection_aborted", 0.0, participant=agent)))
        if caller is not None:
            timed += [
                (0.0, self._event("participant_joined", 0.0, participant=caller)),
                (ended_s, self._event("participant_left", ended_s, participant=caller)),
            ]
        if self.is_recorded:
            timed += [
                (0.0, self._event("egress_started", 0.0, egress_info=self._egress(is_ended=False))),
                (ended_s, self._event("egress_ended", ended_s, egress_info=self._egress(is_ended=True))),
            ]
        timed.append((ended_s, self._event("room_finished", ended_s)))
        return [event for _, event in sorted(timed, key=lambda each: each[0])]

    @property
    def room_sid(self) -> str:
        """The room's SID."""
        return self._sid("RM", "room")

    def agent(self) -> ParticipantInfo:
        """The agent as LiveKit describes it."""
        identity = self.agent_identity or f"agent-{self.job_id}"
        return self._participant(identity, ParticipantInfo.Kind.AGENT, {})

    def person(self) -> ParticipantInfo | None:
        """Whoever calls, as LiveKit describes them."""
        if self.caller == "none":
            return None
        if self.caller == "web":
            return self._participant("visitor", ParticipantInfo.Kind.STANDARD, {})
        number = self.sip_attributes.get("sip.phoneNumber", "")
        return self._participant(f"sip_{number}", ParticipantInfo.Kind.SIP, self.sip_attributes)

    def _participant(self, identity: str, kind: int, attributes: Mapping[str, str]) -> ParticipantInfo:
        joined_ms = self._ms(0.0)
        told: dict[str, Any] = {"kind": kind, "disconnect_reason": self.disconnect_reason}
        return ParticipantInfo(
            sid=self._sid("PA", identity),
            identity=identity,
            joined_at=joined_ms // 1_000,
            joined_at_ms=joined_ms,
            attributes=dict(attributes),
            **told,
        )

    def _egress(self, *, is_ended: bool) -> EgressInfo:
        status = EgressStatus.EGRESS_COMPLETE if is_ended else EgressStatus.EGRESS_ACTIVE
        return EgressInfo(
            egress_id=self._sid("EG", "egress"),
            room_id=self.room_sid,
            room_name=self.room,
            status=status,
            started_at=self._ms(0.0) * 1_000_000,
            ended_at=self._ms(self.duration_s) * 1_000_000 if is_ended else 0,
            room_composite=RoomCompositeEgressRequest(room_name=self.room),
        )

    def _event(self, name: str, after_s: float, **told: Any) -> WebhookEvent:
        about = told.get("participant") or told.get("egress_info")
        who = getattr(about, "sid", "") or getattr(about, "egress_id", "")
        return WebhookEvent(
            id=self._sid("EV", f"{name}:{who}"),
            event=name,
            created_at=self._ms(after_s) // 1_000,
            room=Room(
                sid=self.room_sid, name=self.room, metadata=self.room_metadata, creation_time=self._ms(0.0) // 1_000
            ),
            **told,
        )

    def _ms(self, after_s: float) -> int:
        return round((self.started_at.timestamp() + after_s) * 1_000)

    def _sid(self, prefix: str, what: str) -> str:
        return f"{prefix}_{uuid5(NAMESPACE_URL, f'{self.room}:{self.job_id}:{what}').hex[:14]}"


def disturbed(
    events: Sequence[WebhookEvent],
    *,
    seed: int,
    copies_max: int = 1,
    is_reordered: bool = False,
    lost: frozenset[str] = frozenset(),
) -> list[WebhookEvent]:
    """Return what a bad network makes of webhooks: some twice or more, in another order, some (by name) never."""
    chance = random.Random(seed)
    kept = [each for each in events if each.event not in lost]
    sent = [each for each in kept for _ in range(chance.randint(1, max(1, copies_max)))]
    if is_reordered:
        chance.shuffle(sent)
    return sent


def signed(
    event: WebhookEvent,
    *,
    api_key: str,
    api_secret: str,
    life: datetime.timedelta = TOKEN_LIFE,
    is_tampered: bool = False,
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of one webhook; a tampered one's body is not what was signed."""
    body = MessageToJson(event, indent=None).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = AccessToken(api_key, api_secret).with_sha256(digest).with_ttl(life).to_jwt()
    return body + b" " if is_tampered else body, {"Authorization": token, "Content-Type": CONTENT_TYPE}


class WebhookSender:
    """Sends webhooks as one LiveKit project does. Lives as long as its user; nothing needs closing."""

    def __init__(self, url: str, *, api_key: str, api_secret: str) -> None:
        self._url = f"{url.rstrip('/')}{PATH}"
        self._key = api_key
        self._secret = api_secret

    def send(self, event: WebhookEvent, *, is_tampered: bool = False) -> requests.Response:
        """Send one webhook once, and return the answer, whatever it is."""
        body, headers = signed(event, api_key=self._key, api_secret=self._secret, is_tampered=is_tampered)
        return requests.post(self._url, data=body, headers=headers, timeout=TIMEOUT_S)
