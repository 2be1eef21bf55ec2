"""A controller that listens, for commands that ask one."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio
import uvicorn

from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings


@pytest_asyncio.fixture
async def url(make_settings: Callable[..., Settings]) -> AsyncIterator[str]:
    """The address of a controller that listens."""
    config = uvicorn.Config(create_app(make_settings()), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving
