"""What LiveKit signs and what it says is there. The only file of calls that knows livekit-api."""

import asyncio
import base64
import binascii
import datetime
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import jwt
from google.protobuf.json_format import Parse, ParseError
from livekit.api import LiveKitAPI, TokenVerifier
from livekit.api.twirp_client import ServerError
from livekit.protocol.room import ListParticipantsRequest, ListRoomsRequest
from livekit.protocol.webhook import WebhookEvent

from voicegateway_controller.errors import BadRequest, ControllerError, Unauthenticated
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError

LEEWAY: Final = datetime.timedelta(seconds=60)
"""How far the clocks of LiveKit and ours may be apart for a signature to hold; LiveKit signs for five minutes."""
KEYS_MAX: Final = 16
"""Each is tried until one fits."""
TIMEOUT_S: Final = 20.0
"""For all that one look at the rooms asks."""
ROOMS_ASKED_MAX: Final = 50
"""Rooms whose participants one look asks for."""


class LiveKitUnanswered(ControllerError):
    """The LiveKit server refused or did not answer: what is in its rooms is not known."""

    code = "livekit_unanswered"
    retryable = True


@dataclass(frozen=True, slots=True)
class Presences:
    """What one look found: the rooms that exist, and who is in those that were asked about."""

    rooms: frozenset[str]
    participants: Mapping[str, frozenset[str]]
    """Room SID: SIDs of participants; a room that is missing here was not asked about."""


class Signatures:
    """Checks webhooks against every key that may sign them; lives as long as its process."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._verifiers = [TokenVerifier(key, secret, leeway=LEEWAY) for key, secret in keys.items()]

    @property
    def is_configured(self) -> bool:
        """Whether any key may sign."""
        return bool(self._verifiers)

    def check(self, authorization: str) -> None:
        """Raise Unauthenticated unless one of our keys signed something: before anything of a body is read."""
        token = _token(authorization)
        if not any(_signed(verifier, token, None) for verifier in self._verifiers):
            raise Unauthenticated(_NOT_OURS)

    def open(self, body: bytes, authorization: str) -> Any:
        """Return the WebhookEvent of a body that one of our keys signed.

        Raises Unauthenticated, or BadRequest when what was signed is no webhook.
        """
        token = _token(authorization)
        digest = hashlib.sha256(body).digest()
        if not any(_signed(verifier, token, digest) for verifier in self._verifiers):
            raise Unauthenticated(_NOT_OURS)
        try:
            return Parse(body.decode(), WebhookEvent(), ignore_unknown_fields=True)
        except (ParseError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest("the body is signed and is no LiveKit webhook") from error


_NOT_OURS: Final = "no API key of ours signed this webhook: is it sent with the key that is set here?"


def _token(authorization: str) -> str:
    token = authorization.strip()
    scheme, _, rest = token.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else token


def _signed(verifier: TokenVerifier, token: str, digest: bytes | None) -> bool:
    """Say whether a key signed this digest; None: whatever it signed."""
    try:
        claims = verifier.verify(token)
        return digest is None or hmac.compare_digest(base64.b64decode(claims.sha256 or "", validate=True), digest)
    # TypeError and AttributeError: a token of somebody else's with claims of another shape.
    except (jwt.PyJWTError, binascii.Error, ValueError, TypeError, AttributeError):
        return False


def webhook_keys(settings: Settings) -> dict[str, str]:
    """Return every API key that may sign webhooks. Raises ConfigurationError."""
    keys: dict[str, str] = {}
    secret = "" if settings.livekit_api_secret is None else settings.livekit_api_secret.get_secret_value()
    if settings.livekit_api_key and secret:
        keys[settings.livekit_api_key] = secret
    more = "" if settings.livekit_webhook_keys is None else settings.livekit_webhook_keys.get_secret_value()
    for pair in filter(None, (each.strip() for each in more.split(","))):
        key, colon, its_secret = (part.strip() for part in pair.partition(":"))
        if not (key and colon and its_secret):
            raise ConfigurationError(
                "VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS is wrong: it must look like key:secret, key:secret"
            )
        keys[key] = its_secret
    if len(keys) > KEYS_MAX:
        raise ConfigurationError(f"VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS is wrong: more than {KEYS_MAX} keys")
    return keys


class LiveKitPresences:
    """Looks into the rooms of one LiveKit server; each look has a connection of its own, so nothing needs closing."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url = url
        self._key = key
        self._secret = secret

    async def look(self, rooms: frozenset[str]) -> Presences:
        """Return which rooms exist, and who is in these of them, by SID. Raises LiveKitUnanswered."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._open() as api:
                found = await api.room.list_rooms(ListRoomsRequest())
                names = {each.sid: each.name for each in found.rooms}
                participants: dict[str, frozenset[str]] = {}
                for sid in sorted(rooms & names.keys())[:ROOMS_ASKED_MAX]:
                    present = await api.room.list_participants(ListParticipantsRequest(room=names[sid]))
                    participants[sid] = frozenset(each.sid for each in present.participants)
                return Presences(frozenset(names), participants)
        except (ServerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            said = f"{error.status} {error.code}" if isinstance(error, ServerError) else type(error).__name__
            raise LiveKitUnanswered(f"the LiveKit server did not say who is in its rooms: {said}") from error

    def _open(self) -> LiveKitAPI:
        return LiveKitAPI(self._url, self._key, self._secret, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def open_presences(settings: Settings) -> LiveKitPresences | None:
    """Return the server that the settings name; None when they do not name it whole."""
    secret = "" if settings.livekit_api_secret is None else settings.livekit_api_secret.get_secret_value()
    if not (settings.livekit_url and settings.livekit_api_key and secret):
        return None
    return LiveKitPresences(settings.livekit_url, settings.livekit_api_key, secret)
