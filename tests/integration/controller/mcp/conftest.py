"""A controller that listens, with two projects' calls in its books, for assistants to ask."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.assistant import Assistant, over_http
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

Ask = Callable[..., AbstractAsyncContextManager[Assistant]]
TokenOf = Callable[..., Awaitable[str]]


@pytest.fixture
def serve(make_settings: Callable[..., Settings]) -> Callable[..., AbstractAsyncContextManager[str]]:
    """Return a context manager that runs a controller with changed settings and yields its address."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[str]:
        app = create_app(make_settings(**changes))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            assert not serving.done(), "the controller did not start"
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await serving

    return run


@pytest_asyncio.fixture
async def url(serve: Callable[..., AbstractAsyncContextManager[str]]) -> AsyncIterator[str]:
    """The address of a controller with its default settings."""
    async with serve() as address:
        yield address


@pytest.fixture
def token_of(engine: AsyncEngine) -> TokenOf:
    """Return a maker of tokens' texts."""

    async def make(role: Role = Role.VIEWER, **details: Any) -> str:
        return await create_token(engine, role=role, name="test", **details)

    return make


@pytest.fixture
def ask(url: str, token_of: TokenOf) -> Ask:
    """Return a context manager that yields an assistant with a fresh token of a role and of projects."""

    @asynccontextmanager
    async def begin(role: Role = Role.VIEWER, *, mode: str = "auto", **details: Any) -> AsyncIterator[Assistant]:
        async with over_http(url, await token_of(role, **details), mode=mode) as assistant:
            yield assistant

    return begin


@pytest_asyncio.fixture
async def books(url: str, worker: dict[str, str], make_ledger: Any) -> None:
    """A call of acme with three requests, the second one dear, and one of beta."""
    now = time.time_ns()
    spans = [
        a_span(ended_ns=now - 9 * 10**9),
        a_span(ended_ns=now - 6 * 10**9, usage={"input_tokens": 500_000, "output_tokens": 60}, lasted_ms=2_000),
        a_span(
            ended_ns=now, usage={"audio_sent_ms": 10_000}, lasted_ms=10_000,
            MODALITY="stt", PROVIDER="deepgram", REQUEST_MODEL="nova-3", LANGUAGE="en",
        ),
        a_span(ended_ns=now, PROJECT="beta", SESSION_ID="AJ_2", ROOM_NAME="call-2", AGENT_NAME="secret-agent"),
    ]  # fmt: skip
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{url}/v1/traces", content=a_request(*spans), headers=worker)
    assert (response.status_code, response.content) == (200, b"")
    await make_ledger().drain(limit_s=10)
