"""The MCP server over stdin and stdout, for an assistant that starts us as its child."""

import logging
import sys
from collections.abc import Callable

import anyio

from voicegateway_controller.mcp_server.reach import Elsewhere
from voicegateway_controller.mcp_server.server import build_server


def serve_stdio(find: Callable[[], tuple[str, str]], *, may_change: bool) -> None:
    """Serve until stdin ends. `find` tells the controller's address and the token, at each call."""
    # stdout is the wire; what is to be said to people goes to stderr, which assistants keep as a log.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="voicegw mcp: %(message)s")
    anyio.run(_serve, find, may_change)


async def _serve(find: Callable[[], tuple[str, str]], may_change: bool) -> None:
    async with Elsewhere.opened(find) as reach:
        await build_server(reach, may_change=may_change).run_stdio_async()
