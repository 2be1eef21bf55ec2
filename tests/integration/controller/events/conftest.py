"""Controllers that listen on sockets, and who listens to them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

HEARD_S = 10.0
"""Longer than anything takes on a machine that is busy with other things."""

StartReplica = Callable[[], AbstractAsyncContextManager[str]]


class Listener:
    """One answer of Server-Sent Events, read piece by piece."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def line(self) -> str:
        """Return the next line that is not empty."""
        async with asyncio.timeout(HEARD_S):
            while True:
                line = await anext(self._lines)
                if line:
                    return line

    async def heard(self) -> tuple[str, dict[str, Any]]:
        """Return the next event: its kind, and its data."""
        kind = ""
        while True:
            line = await self.line()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            if line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))

    async def heard_of(self, kind: str) -> dict[str, Any]:
        """Return the next event of a kind."""
        while True:
            told, data = await self.heard()
            if told == kind:
                return data


@asynccontextmanager
async def listening(url: str, headers: dict[str, str], **query: Any) -> AsyncIterator[Listener]:
    """Listen to a controller's events."""
    async with (
        httpx.AsyncClient(timeout=HEARD_S) as client,
        client.stream("GET", f"{url}/api/v1/events", params=query, headers=headers) as response,
    ):
        assert response.status_code == 200, (await response.aread()).decode()
        assert response.headers["content-type"].startswith("text/event-stream")
        listener = Listener(response.aiter_lines())
        assert await listener.line() == "retry: 2000"
        yield listener


@pytest.fixture
def start_replica(make_settings: Callable[..., Settings]) -> StartReplica:
    """Return a context manager that runs one more replica and yields its address."""

    @asynccontextmanager
    async def start() -> AsyncIterator[str]:
        app = create_app(make_settings())
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            assert not serving.done(), "the controller did not start"
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            app.state.resources.events_hub.let_go()
            server.should_exit = True
            await serving

    return start


@pytest_asyncio.fixture
async def url(start_replica: StartReplica) -> AsyncIterator[str]:
    """The address of a controller that listens."""
    async with start_replica() as address:
        yield address
