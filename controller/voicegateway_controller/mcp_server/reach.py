"""How tools reach the admin API: in this process with the caller's own token, or elsewhere with the user's."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

import httpx
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request
from starlette.types import ASGIApp

from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_shared.errors import VoiceGatewayError


class Reach(Protocol):
    """Knows where the admin API is and who asks it."""

    def api(self, request: Any) -> AdminApi:
        """Return the API as the caller of this request sees it; raise ToolError where there is none to ask."""
        ...

    def secret(self, variable: str) -> str:
        """Return what a variable of the user's own machine holds; raise ToolError where there is none."""
        ...


Ctx = Context[Any, Any]
"""What each tool is given; its lifespan's value is the server's Reach."""


_current: ContextVar[ServerRequestContext[Any, Any]] = ContextVar("the message that is being answered")


def api_of(ctx: Ctx) -> AdminApi:
    """Return the admin API as the one who called this tool sees it."""
    reach: Reach = ctx.request_context.lifespan_context
    return reach.api(ctx.request_context.request)


def secret_of(ctx: Ctx, variable: str) -> str:
    """Return the key that the user keeps in a variable; it goes from there to the vault, past the conversation."""
    reach: Reach = ctx.request_context.lifespan_context
    return reach.secret(variable)


def api_of_current() -> AdminApi:
    """Return the same where no context is handed in: the SDK gives none to resources without parameters."""
    context = _current.get()
    reach: Reach = context.lifespan_context
    return reach.api(context.request)


async def keep_current(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware that `api_of_current` needs."""
    token = _current.set(ctx)
    try:
        return await call_next(ctx)
    finally:
        _current.reset(token)


class InProcess:
    """Asks the application that this server is a part of, with the very token that came with the tool call.

    So the API alone decides who may do what. Lives as long as the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def api(self, request: Request) -> AdminApi:
        """Return the API for the caller's token, seen from the caller's address."""
        client = (request.client.host, request.client.port) if request.client is not None else ("127.0.0.1", 0)

        def open_http() -> AbstractAsyncContextManager[httpx.AsyncClient]:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False, client=client)
            return httpx.AsyncClient(transport=transport, trust_env=False)

        kept = {name: request.headers[name] for name in ("authorization", "host") if name in request.headers}
        return AdminApi(open_http, url=f"{request.url.scheme}://controller", headers=kept)

    def secret(self, variable: str) -> str:
        """Refuse: this process's variables are the operator's, and a key must not stand in a conversation."""
        raise ToolError(
            "a key cannot be handed over here without being written down in the conversation: use `voicegw keys add`, "
            "the dashboard, or an assistant that runs `voicegw mcp` where the variable is set. Nothing was changed"
        )


class Elsewhere:
    """Asks a controller over HTTP with the token that the user's own commands would use. `opened` closes it.

    Where the controller is, is asked at each call: an assistant starts us long before `voicegw up` runs, or goes on
    after it was restarted with another token.
    """

    def __init__(self, http: httpx.AsyncClient, find: Callable[[], tuple[str, str]]) -> None:
        self._http = http
        self._find = find

    @classmethod
    @asynccontextmanager
    async def opened(cls, find: Callable[[], tuple[str, str]]) -> AsyncIterator["Elsewhere"]:
        """Yield one whose connections end with the block; `find` returns an address and a token."""
        async with httpx.AsyncClient() as http:
            yield cls(http, find)

    def api(self, request: Any) -> AdminApi:
        """Return the API of the controller that the user's commands would ask now."""
        try:
            url, token = self._find()
        except VoiceGatewayError as error:
            raise ToolError(str(error)) from error
        return AdminApi(lambda: nullcontext(self._http), url=url, headers={"Authorization": f"Bearer {token}"})

    def secret(self, variable: str) -> str:
        """Return what the variable holds in the environment that the assistant started us with."""
        found = os.environ.get(variable, "").strip()
        if not found:
            raise ToolError(
                f"{variable} is not set where `voicegw mcp` runs: set it in the assistant's `env` of this server, or "
                "use `voicegw keys add`. Nothing was changed"
            )
        return found
