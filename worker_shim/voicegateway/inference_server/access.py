"""Access: callers prove themselves by a token that they signed with LiveKit's API secret, as for LiveKit Cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from voicegateway.inference_server.problems import Problem
from voicegateway.inference_server.settings import Key

TOKEN_BYTES_MAX: Final = 8_192
_BEARER: Final = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a good token says."""

    key: Key
    attributes: Mapping[str, str]
    metadata: str


class Access:
    """Checks tokens. Lives as long as the server; does no I/O."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = {key.api_key: key for key in keys}

    def check(self, authorization: str | None) -> Credentials:
        """Return what a good token says.

        Raises:
            Problem: 401, there is none, or it is not signed by a key we know, has ended, or may not use inference.
        """
        token = (authorization or "").removeprefix(_BEARER)
        if not token or token == authorization or len(token) > TOKEN_BYTES_MAX:
            raise _unauthorized("no token: send `Authorization: Bearer …`, as LiveKit's clients do")
        key = self._keys.get(_issuer(token))
        if key is None:
            raise _unauthorized("the token is of an API key that is not known here")
        claims = _verified(token, key)
        if not claims.inference or not claims.inference.perform:
            raise _unauthorized("the token does not grant inference")
        attributes = claims.attributes if isinstance(claims.attributes, dict) else {}
        return Credentials(key=key, attributes=attributes, metadata=claims.metadata or "")


def _issuer(token: str) -> str:
    """Who a token says it is of, not proved yet."""
    import jwt

    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
    except jwt.PyJWTError as error:
        raise _unauthorized("the token cannot be read") from error


def _verified(token: str, key: Key) -> Any:
    import jwt
    from livekit.api import TokenVerifier

    try:
        return TokenVerifier(key.api_key, key.api_secret).verify(token)
    except jwt.ExpiredSignatureError as error:
        raise _unauthorized("the token has ended; is the clock of the caller right?") from error
    except Exception as error:
        # Whatever a stranger puts into a token, the answer is the same.
        raise _unauthorized("the token is not signed with the secret of its API key") from error


def _unauthorized(message: str) -> Problem:
    return Problem(status=401, code="unauthorized", message=message)
