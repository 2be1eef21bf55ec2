"""`/mcp`: streamable HTTP, with the tokens of the admin API. Stateless: any replica answers any message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from voicegateway_controller.access.rules import READERS
from voicegateway_controller.errors import Forbidden, Unauthenticated
from voicegateway_controller.http.auth import admit
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.mcp_server import rebinding
from voicegateway_controller.mcp_server.reach import InProcess
from voicegateway_controller.mcp_server.server import build_server

BODY_BYTES_MAX: Final = 1024 * 1024
"""One tool call: as much as the largest set of declarations that the API takes."""


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[None]:
    """Answer `/mcp` as long as the block runs; part of the application's lifespan."""
    server = build_server(InProcess(app))
    # Host, Origin and size are checked by Endpoint, in the words of our API.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(stateless_http=True, json_response=True, transport_security=unchecked)
    is_running, is_over = asyncio.Event(), asyncio.Event()
    # A task of its own: what the manager opens must be closed by the task that opened it, and a lifespan may be left
    # by another than the one that entered it.
    running = asyncio.create_task(_run(server.session_manager, is_running, is_over))
    running.add_done_callback(lambda _: is_running.set())
    try:
        await is_running.wait()
        if running.done():
            await running
        app.state.mcp = server.session_manager
        yield
    finally:
        is_over.set()
        await running


async def _run(manager: StreamableHTTPSessionManager, is_running: asyncio.Event, is_over: asyncio.Event) -> None:
    async with manager.run():
        is_running.set()
        await is_over.wait()


class Endpoint:
    """An ASGI application that admits, bounds and hands on. Holds nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one message of an assistant."""
        request = Request(scope, receive)
        _check_origin(request)
        if "authorization" not in request.headers:
            # A browser's cookie is no leave to speak here: only what says its token on purpose is heard.
            raise Unauthenticated("a token is needed: send `Authorization: Bearer vgw_<id>_<secret>`")
        await admit(request, READERS)
        if request.method != "POST":
            raise HTTPException(405, "Send messages by POST; there is no session to open or to end", {"Allow": "POST"})
        body = await read_body(request, limit=BODY_BYTES_MAX, setting="what one message to /mcp may be")
        await request.app.state.mcp.handle_request(scope, _again(body, receive), send)


async def _no_metadata(request: Request) -> Response:
    """Say that nobody signs in by OAuth here: assistants look for it, and must not be given the dashboard's page."""
    raise HTTPException(404, "There is nothing at this address: assistants bring a token of ours")


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/mcp", Endpoint(), include_in_schema=False),
    Route("/mcp/", Endpoint(), include_in_schema=False),
    Route("/.well-known/{rest:path}", _no_metadata, include_in_schema=False),
)


def _check_origin(request: Request) -> None:
    resources = resources_of(request)
    hosts = resources.settings.mcp_host_names
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    is_browser = origin is not None or "sec-fetch-site" in request.headers
    if wrong := rebinding.wrong_host(host, hosts=hosts, is_browser=is_browser):
        raise HTTPException(421, wrong)
    if wrong := rebinding.wrong_origin(origin, host, hosts=hosts):
        raise Forbidden(wrong)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already, and then what comes after it."""
    is_told = False

    async def receive_again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
