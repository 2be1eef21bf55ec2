"""Take agents and rooms away through the LiveKit server's API. The only file here that knows livekit-api."""

import asyncio
from typing import Final

import aiohttp
from livekit.api import LiveKitAPI
from livekit.api.twirp_client import ServerError, ServerErrorCode
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import DeleteRoomRequest, ListParticipantsRequest, RoomParticipantIdentity

from voicegateway_controller.alerts.alert import one_line
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError

TIMEOUT_S: Final = 10.0
"""For everything that one attempt asks of the server."""
ERROR_CHARS: Final = 300
AGENT_IDENTITY: Final = "agent-{}"
"""What livekit-agents calls the participant of a job unless the agent chose a name of its own."""


class LiveKitFailed(ControllerError):
    """The LiveKit server refused, or did not answer; whether it did what was asked is not known."""

    code = "livekit_failed"
    retryable = True


class LiveKitRooms:
    """Lives as long as the runner. Each attempt has a connection of its own, so nothing needs closing."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url = url
        self._key = key
        self._secret = secret

    async def remove_agent(self, room: str, *, session_id: str) -> str:
        """Remove the session's agent from its room; return what was done, in words.

        The room is deleted instead when nobody can tell which of several agents it is. Raises LiveKitFailed.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), self._open() as api:
                present = await api.room.list_participants(ListParticipantsRequest(room=room))
                agents = [each.identity for each in present.participants if _is_agent(each)]
                named = AGENT_IDENTITY.format(session_id)
                identity = named if named in agents else agents[0] if len(agents) == 1 else None
                if identity is None and agents:
                    await api.room.delete_room(DeleteRoomRequest(room=room))
                    return f"deleted the room: which of {len(agents)} agents carries the session is not known"
                if identity is None:
                    return "no agent was in the room"
                await api.room.remove_participant(RoomParticipantIdentity(room=room, identity=identity))
                return "removed the agent from the room"
        except (ServerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return _gone_or_raised(error)

    async def delete_room(self, room: str) -> str:
        """End the room for everybody in it; return what was done, in words. Raises LiveKitFailed."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._open() as api:
                await api.room.delete_room(DeleteRoomRequest(room=room))
                return "deleted the room"
        except (ServerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return _gone_or_raised(error)

    def _open(self) -> LiveKitAPI:
        return LiveKitAPI(self._url, self._key, self._secret, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def open_rooms(settings: Settings) -> LiveKitRooms | None:
    """Return what the settings name, None when they name nothing; ConfigurationError when they name a part."""
    secret = "" if settings.livekit_api_secret is None else settings.livekit_api_secret.get_secret_value()
    parts = {
        "VOICEGATEWAY_LIVEKIT_URL": settings.livekit_url,
        "VOICEGATEWAY_LIVEKIT_API_KEY": settings.livekit_api_key,
        "VOICEGATEWAY_LIVEKIT_API_SECRET": secret,
    }
    if not any(parts.values()):
        return None
    if missing := [name for name, value in parts.items() if not value]:
        raise ConfigurationError(f"{missing[0]} is not set: LiveKit needs the URL, the key and the secret")
    scheme, _, rest = settings.livekit_url.partition("://")
    if scheme not in ("wss", "https", "ws", "http") or not rest:
        raise ConfigurationError("VOICEGATEWAY_LIVEKIT_URL is wrong: it must look like wss://host")
    return LiveKitRooms(settings.livekit_url, settings.livekit_api_key, secret)


def _is_agent(participant: ParticipantInfo) -> bool:
    return participant.kind == ParticipantInfo.Kind.AGENT


def _gone_or_raised(error: Exception) -> str:
    """What is not there needs no removing; anything else is our error."""
    if isinstance(error, ServerError) and error.code == ServerErrorCode.NOT_FOUND:
        return "the room, or the agent in it, was gone already"
    if isinstance(error, ServerError):
        said = one_line(f"{error.status} {error.code} {error.message}", chars_max=ERROR_CHARS)
        raise LiveKitFailed(f"the LiveKit server answered {said}") from error
    reason = "it did not answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    raise LiveKitFailed(f"the LiveKit server cannot be asked: {reason}") from error
