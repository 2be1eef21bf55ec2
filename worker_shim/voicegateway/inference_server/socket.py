"""Socket: a websocket of LiveKit Inference, with a bound on everything a client may send."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web
from livekit.agents import APIConnectOptions

from voicegateway.inference_server.problems import Problem, bad_request
from voicegateway.registry.keys import CREDENTIAL_NAMES, KEY_NAMES
from voicegateway.registry.region import ADDRESS_NAMES, REGION_NAMES

MESSAGE_BYTES_MAX: Final = 256 * 1024
"""A second of audio at 48 kHz, in base64, twice over."""
CREATED_WITHIN_S: Final = 10.0
"""A client says what it wants right after it has connected."""
IDLE_S_MAX: Final = 900.0
"""LiveKit's clients keep a voice's socket for five minutes, and an ear's as long as the call."""
HEARTBEAT_S: Final = 20.0
"""A client that vanished without a word is noticed within this."""
TIMEOUT_S_MAX: Final = 30.0
RETRIES_MAX: Final = 1
"""The client's own retries come on top."""
_OURS: Final = frozenset((*KEY_NAMES, *CREDENTIAL_NAMES, *ADDRESS_NAMES, *REGION_NAMES))
_OUR_WORDS: Final = frozenset(
    (
        "url", "uri", "endpoint", "host", "proxy", "region", "key", "secret", "token", "credentials", "auth", "headers",
        "session", "client", "path", "file", "dir",
    )
)  # fmt: skip
"""Parts of names of arguments by which plugins learn where a vendor is and who asks it, or read files."""


class Socket:
    """Lives as long as its connection."""

    def __init__(self, response: web.WebSocketResponse) -> None:
        self._response = response

    @classmethod
    async def open(cls, request: web.Request) -> "Socket":
        """Take the connection."""
        response = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX, compress=False, autoping=True
        )
        await response.prepare(request)
        return cls(response)

    @property
    def response(self) -> web.WebSocketResponse:
        """For aiohttp, at the end."""
        return self._response

    async def created(self) -> Mapping[str, Any]:
        """Return the first message, which must be `session.create`.

        Raises:
            Problem: it is something else, or did not come in time.
            ConnectionResetError: the client has left.
        """
        message = await self._receive(CREATED_WITHIN_S)
        if message is None:
            raise ConnectionResetError
        if message.get("type") != "session.create":
            raise bad_request("the first message must be `session.create`")
        return message

    async def messages(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what the client sends, until it leaves.

        Raises:
            Problem: a message breaks the protocol, or none has come for too long.
        """
        while (message := await self._receive(IDLE_S_MAX)) is not None:
            yield message

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; waits while the client does not read.

        Raises:
            ConnectionResetError: the client has left.
        """
        await self._response.send_str(msgspec.json.encode(message).decode())

    async def fail(self, problem: Problem) -> None:
        """Tell why it ends, if the client still listens."""
        try:
            await self.send(problem.as_message())
        except (ConnectionError, RuntimeError):
            return

    async def close(self) -> None:
        """End it."""
        await self._response.close()

    async def _receive(self, timeout_s: float) -> Mapping[str, Any] | None:
        try:
            received = await self._response.receive(timeout=timeout_s)
        except TimeoutError as error:
            raise Problem(status=408, code="idle", message=f"nothing came for {timeout_s:g} s") from error
        if received.type is WSMsgType.ERROR:
            raise bad_request(f"the connection was broken: {self._response.exception()}")
        if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            return None
        if received.type is not WSMsgType.TEXT:
            raise bad_request("messages are texts of JSON")
        try:
            message = msgspec.json.decode(received.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise bad_request(f"a message is no JSON: {error}") from error
        if not isinstance(message, dict):
            raise bad_request("a message is no JSON object")
        return message


def text_of(message: Mapping[str, Any], name: str) -> str:
    """Return a text of a message; empty where it says nothing, or something else."""
    value = message.get(name)
    return value if isinstance(value, str) else ""


def mapping_of(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of a message; an empty one where it says nothing.

    Raises:
        Problem: it says something else.
    """
    value = message.get(name) or {}
    if not isinstance(value, dict):
        raise bad_request(f"`{name}` must be an object")
    return value


def extra_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a client tells a vendor's plugin beyond what the protocol has words for.

    Raises:
        Problem: it is no object, or tells what is the gateway's own to say: our key must not be sent to an address of
            a client's choice.
    """
    extra = mapping_of(message, "extra")
    ours = sorted(name for name in extra if name in _OURS or _OUR_WORDS & set(name.lower().split("_")))
    if ours:
        raise bad_request(f"`extra.{ours[0]}` cannot be given here: where a vendor is and its key are the gateway's")
    return extra


def sample_rate_of(message: Mapping[str, Any], default: int) -> int:
    """Return the sample rate that a client asks for, which LiveKit's write as text.

    Raises:
        Problem: it is none.
    """
    try:
        rate = int(message.get("sample_rate") or default)
    except (TypeError, ValueError) as error:
        raise bad_request("`sample_rate` must be a number") from error
    if not 8_000 <= rate <= 48_000:
        raise bad_request(f"`sample_rate` is {rate}; give 8000 to 48000")
    return rate


def fallbacks_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the models that shall stand behind the first.

    Raises:
        Problem: they are none.
    """
    models = mapping_of(message, "fallback").get("models") or []
    if not isinstance(models, list) or not all(isinstance(each, dict) and text_of(each, "model") for each in models):
        raise bad_request("`fallback.models` must be a list of objects with a `model`")
    return models


def options_of(message: Mapping[str, Any]) -> APIConnectOptions:
    """Return how long and how often the vendor is tried, within bounds."""
    told = mapping_of(message, "connection")
    timeout, retries = told.get("timeout"), told.get("retries")
    return APIConnectOptions(
        timeout=min(max(float(timeout), 0.1), TIMEOUT_S_MAX) if isinstance(timeout, int | float) else 10.0,
        max_retry=min(max(retries, 0), RETRIES_MAX) if isinstance(retries, int) else RETRIES_MAX,
        retry_interval=0.5,
    )
