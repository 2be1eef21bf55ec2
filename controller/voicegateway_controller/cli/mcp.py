"""`voicegw mcp`: the MCP server over stdin and stdout, for assistants that start it as their child."""

from typing import Annotated

import typer

from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client


def mcp(
    is_read_only: Annotated[
        bool, typer.Option("--read-only", help="Leave out the tools that change anything, whatever the token may.")
    ] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Serve an assistant (Claude Desktop, Claude Code, …) over stdin and stdout; it starts this command itself.

    It asks the controller that other commands would ask, with the same token: see `voicegw --help`.
    """
    # Half a second of imports that no other command needs.
    from voicegateway_controller.mcp_server.stdio import serve_stdio

    def find() -> tuple[str, str]:
        return api_client(url, token, home.expanduser()).reached

    serve_stdio(find, may_change=not is_read_only)
