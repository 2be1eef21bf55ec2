"""What simulated vendors have in common: a loopback server, refusals, broken connections, fault control."""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, ClassVar, Final, TypedDict
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.credentials import key_fact, presented_key
from voicegateway.testing.vendors.faults import FaultBook, FaultRule, parse_faults
from voicegateway.testing.vendors.truth import (
    CLIENT_CLOSED,
    KEY_FACT,
    REQUEST_FACTS,
    TAGS_FACT,
    VENDOR_CLOSED,
    TruthLog,
    Vendor,
)
from voicegateway_shared.usage import Modality

logger = logging.getLogger("voicegateway.testing.vendors")

HOST: Final = "127.0.0.1"
API_KEY: Final = "simulated-key"
"""Any key is accepted; this one makes it plain in a log that no real one was used."""
SHUTDOWN_S_MAX: Final = 1.0
"""How long a client may take to answer a close frame, and a handler to end before it is cancelled."""
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""A long conversation is some hundred kilobytes; more is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the facade gives to each of its simulators."""

    truth_dir: Path
    faults: FaultBook
    seed: int


class PluginKwargs(TypedDict):
    """Arguments that every simulated vendor's plugin takes."""

    base_url: str
    api_key: str


class VendorSimulator:
    """One vendor on a port of its own. Lives between `start` and `aclose`; the facade does both."""

    vendor: ClassVar[Vendor]
    base_path: ClassVar[str] = ""
    # True: aiohttp cancels the handler when the client leaves. WebSocket handlers must not be cancelled:
    # what the client sent last still waits to be read, and belongs on the bill.
    cancels_on_disconnect: ClassVar[bool] = False

    def __init__(self, surroundings: Surroundings) -> None:
        self.seed = surroundings.seed
        self.faults = surroundings.faults
        self.truth = TruthLog(surroundings.truth_dir, self.vendor)
        self.is_closing = False
        self.sockets: WeakSet[web.WebSocketResponse] = WeakSet()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the vendor's endpoints."""
        raise NotImplementedError

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return the vendor's own JSON for an HTTP error."""
        raise NotImplementedError

    def refusal_headers(self, status: int) -> dict[str, str]:
        """Return headers that the vendor adds to an HTTP error."""
        return {}

    @property
    def base_url(self) -> str:
        """What the vendor's plugin takes as `base_url`."""
        return f"http://{HOST}:{self._port}{self.base_path}"

    @property
    def control_url(self) -> str:
        """Where `POST` sets the fault plan of all simulators: `none`, `demo` or a JSON list of rules."""
        return f"http://{HOST}:{self._port}/_control/faults"

    def plugin_kwargs(self) -> PluginKwargs:
        """Return the arguments that point the vendor's LiveKit plugin here."""
        return PluginKwargs(base_url=self.base_url, api_key=API_KEY)

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_know_request])
        app.add_routes([*self.routes(), web.post("/_control/faults", self._set_faults)])
        app.on_shutdown.append(self._close_sockets)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=self.cancels_on_disconnect,
            shutdown_timeout=SHUTDOWN_S_MAX,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self._port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Stop listening, end what is open, close the truth log."""
        self.is_closing = True
        if self._runner is not None:
            await self._runner.cleanup()
        self.truth.close()

    @property
    def outcome_of_break(self) -> str:
        """Who broke off a request that neither ended nor met a fault."""
        return VENDOR_CLOSED if self.is_closing else CLIENT_CLOSED

    def refuse(
        self, *, request_id: str, modality: Modality, model: str, status: int, rule: FaultRule | None = None
    ) -> web.Response:
        """Log a request that is not accepted and return its answer."""
        self.truth.reject(
            request_id=request_id,
            modality=modality,
            model=model,
            fault=None if rule is None else rule.kind,
            status=status,
        )
        headers = {"x-request-id": request_id, **self.refusal_headers(status)}
        if rule is not None and rule.kind == "rate_limited":
            headers["Retry-After"] = str(rule.retry_after_s)
        return web.json_response(self.refusal_body(status, request_id), status=status, headers=headers)

    async def stall(self, rule: FaultRule | None) -> None:
        """Say nothing for a while, if that is the fault."""
        if rule is not None and rule.kind == "stall":
            await asyncio.sleep(rule.stall_s)

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults.set(parse_faults(await request.text()))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _close_sockets(self, app: web.Application) -> None:
        closes = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"simulator stopped") for socket in list(self.sockets)
        ]
        await asyncio.gather(*closes)

    async def accept_socket(self, request: web.Request, *, headers: dict[str, str]) -> web.WebSocketResponse:
        """Complete a WebSocket handshake; the socket is closed when the simulator stops."""
        socket = web.WebSocketResponse(timeout=SHUTDOWN_S_MAX)
        socket.headers.update(headers)
        await socket.prepare(request)
        self.sockets.add(socket)
        return socket


@web.middleware
async def _know_request(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let the truth log know by which key, and with which tags, a request was made."""
    facts: dict[str, int | str] = {}
    if key := presented_key(request.headers, request.query):
        facts[KEY_FACT] = key_fact(key)
    if tags := request.query.getall("tag", []):
        facts[TAGS_FACT] = " ".join(sorted(set(tags)))
    known = REQUEST_FACTS.set(facts)
    try:
        return await handler(request)
    finally:
        REQUEST_FACTS.reset(known)


def abort(request: web.Request) -> None:
    """Reset the connection: the client gets ECONNRESET, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    socket = transport.get_extra_info("socket")
    # Lingering for zero seconds makes the kernel send RST instead of FIN.
    socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def send_close(socket: web.WebSocketResponse, *, code: int, reason: bytes) -> None:
    """Send a close frame and nothing else.

    `socket.close` would also read and throw away what the client sent before it saw the frame; a vendor
    bills that, so our caller goes on reading until the client's own close comes.
    """
    await socket.send_frame(struct.pack("!H", code) + reason, WSMsgType.CLOSE)
