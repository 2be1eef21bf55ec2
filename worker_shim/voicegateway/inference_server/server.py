"""Server: the paths of LiveKit Inference, who may use them, and an end that cuts nobody off."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiohttp
from aiohttp import web

from voicegateway import Gateway
from voicegateway.inference_server.access import Access
from voicegateway.inference_server.attribution import PROVIDER_HEADER, identity_of
from voicegateway.inference_server.caller import Caller
from voicegateway.inference_server.chat import BODY_BYTES_MAX, chat
from voicegateway.inference_server.listening import listen
from voicegateway.inference_server.plugins import Plugins
from voicegateway.inference_server.problems import Problem, of_error
from voicegateway.inference_server.remote import RemoteSessions
from voicegateway.inference_server.settings import Settings
from voicegateway.inference_server.socket import Socket
from voicegateway.inference_server.speaking import Speaking

logger = logging.getLogger("voicegateway")

PATH: Final = "/v1"
PREFIXES: Final = ("", "/projects/{project}", "/agents/{agent}", "/projects/{project}/agents/{agent}")
"""Before it: who pays, and which agent it is, for workers that can set nothing but a URL."""
LOOK_S: Final = 5.0
"""How often sessions without a connection are let go."""
DRAIN_LOOK_S: Final = 0.1
GOING_AWAY: Final = 1001
"""LiveKit's clients connect again."""


class InferenceServer:
    """Serves between `start` and `aclose`. Made and used on one event loop of the main thread."""

    def __init__(self, settings: Settings, gateway: Gateway) -> None:
        self._settings, self._gateway = settings, gateway
        self._access = Access(settings.keys)
        self._plugins = Plugins(gateway, settings)
        self._sessions = RemoteSessions(gateway._runtime)
        self._runner: web.AppRunner | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._open = 0
        """Connections that are being served."""
        self._voices: dict[Socket, Speaking] = {}
        self._ears: set[Socket] = set()
        self.is_draining = False
        self.port = settings.port

    @property
    def url(self) -> str:
        """What agents set as LIVEKIT_INFERENCE_URL."""
        return f"http://{self._settings.host}:{self.port}{PATH}"

    @property
    def connections(self) -> int:
        """How many are being served."""
        return self._open

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is in use.
        """
        self._plugins.preload()
        runtime = self._gateway._runtime()
        if runtime.limits is not None:
            # Before the first request, for what the fleet allows must be known by then.
            runtime.limits.syncer.ask()
        runtime.start()
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        for prefix in PREFIXES:
            app.router.add_get(f"{prefix}{PATH}/stt", self._stt)
            app.router.add_get(f"{prefix}{PATH}/tts", self._tts)
            app.router.add_post(f"{prefix}{PATH}/chat/completions", self._chat)
            app.router.add_get(f"{prefix}{PATH}/models", self._models)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        # A request whose client has left is cancelled, and with it the vendor's.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._sweeping = asyncio.create_task(self._sweep(), name="voicegateway-inference-sweep")

    async def drain(self) -> None:
        """Take nobody new, and wait for those that are here, as long as the settings say; ears are then cut off.

        A voice that says nothing is let go at once: its client connects again when it has something to say.
        """
        self.is_draining = True
        deadline_s = asyncio.get_running_loop().time() + self._settings.drain_s
        while self._open and asyncio.get_running_loop().time() < deadline_s:
            for socket, speaking in list(self._voices.items()):
                if not speaking.is_speaking:
                    await socket.response.close(code=GOING_AWAY)
            await asyncio.sleep(DRAIN_LOOK_S)
        for socket in (*self._ears, *self._voices):
            await socket.response.close(code=GOING_AWAY)

    async def aclose(self) -> None:
        """Stop, cancel what is left, and close the vendors' plugins."""
        self.is_draining = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        if self._runner is not None:
            for socket in (*self._ears, *self._voices):
                await socket.response.close(code=GOING_AWAY)
            await self._runner.cleanup()
        self._sessions.close()
        await self._plugins.aclose()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._served(request, lambda caller: chat(request, caller, self._plugins))

    async def _models(self, request: web.Request) -> web.StreamResponse:
        """What LiveKit's client asks for to open its connection; which models there are is the vendors' to say."""

        async def models(caller: Caller) -> web.StreamResponse:
            return web.json_response({"object": "list", "data": []})

        return await self._served(request, models)

    async def _stt(self, request: web.Request) -> web.StreamResponse:
        async def hear(caller: Caller) -> web.StreamResponse:
            if caller.sentence:
                raise caller.refusal_of_ears()
            socket = await Socket.open(request)
            self._ears.add(socket)
            try:
                await _ended(socket, listen(socket, request.query.get("model", ""), caller, self._plugins))
            finally:
                self._ears.discard(socket)
            return socket.response

        return await self._served(request, hear)

    async def _tts(self, request: web.Request) -> web.StreamResponse:
        async def speak(caller: Caller) -> web.StreamResponse:
            if (refusal := caller.refusal()) is not None:
                raise refusal
            socket = await Socket.open(request)
            speaking = Speaking(socket, request.query.get("model", ""), caller, self._plugins)
            self._voices[socket] = speaking
            try:
                await _ended(socket, speaking.serve())
            finally:
                del self._voices[socket]
            return socket.response

        return await self._served(request, speak)

    async def _served(
        self, request: web.Request, serve: Callable[[Caller], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let in who may come in, and answer what goes wrong before an answer has begun."""
        try:
            if self.is_draining or self._open >= self._settings.connections_max:
                why = "it is being stopped" if self.is_draining else "it serves as many connections as it may"
                raise Problem(
                    status=503,
                    code="unavailable",
                    message=f"this server takes nobody: {why}",
                    headers={"Retry-After": "1"},
                )
            caller = self._caller(request)
        except Problem as problem:
            return _answered(problem)
        self._open += 1
        session = caller.session
        if session is not None:
            session.connections += 1
        try:
            return await serve(caller)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a foreign plugin raises, its caller is answered
            told = of_error(error, self._units_of)
            _log(request, told, error)
            return _answered(told)
        finally:
            self._open -= 1
            if session is not None:
                session.connections -= 1
                session.seen_s = time.monotonic()

    def _caller(self, request: web.Request) -> Caller:
        credentials = self._access.check(request.headers.get("Authorization"))
        identity = identity_of(request.headers, request.match_info, credentials)
        session = self._sessions.met(identity)
        return Caller(
            identity=identity if session is None else session.identity,
            session=session,
            provider=request.headers.get(PROVIDER_HEADER, ""),
        )

    def _units_of(self, pool: str) -> int:
        limits = self._gateway._runtime().limits
        return 0 if limits is None else next((each.units for each in limits.book.pools if each.id == pool), 0)

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        if self.is_draining:
            return web.Response(status=503, text="draining\n")
        return web.Response(text="ok\n")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._sessions.forget_those_gone()


async def _ended(socket: Socket, work: Awaitable[None]) -> None:
    """Serve a socket to its end, and tell the client why where it is not the client's own wish."""
    try:
        await work
    except ConnectionResetError:
        return
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign plugin raises, its caller is told
        problem = of_error(error)
        logger.info("voicegateway: a socket ended: %s", problem)
        await socket.fail(problem)
    finally:
        await socket.close()


def _answered(problem: Problem) -> web.Response:
    return web.json_response(problem.as_body(), status=problem.status, headers=dict(problem.headers))


def _log(request: web.Request, problem: Problem, error: Exception) -> None:
    level = logging.WARNING if problem.status >= 500 else logging.INFO
    logger.log(level, "voicegateway: %s %s: %s (%s)", request.method, request.path, problem, type(error).__name__)


@contextlib.asynccontextmanager
async def vendors_client() -> AsyncIterator[None]:
    """Give plugins one HTTP client without LiveKit's bound of fifty connections to a vendor: here are many calls."""
    from livekit.agents.utils import http_context

    variable: Any = getattr(http_context, "_ContextVar", None)
    if variable is None:
        async with http_context.open():
            yield
        return
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=120, ssl=http_context._create_ssl_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        token = variable.set(lambda: session)
        try:
            yield
        finally:
            variable.reset(token)
