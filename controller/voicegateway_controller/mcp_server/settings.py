"""The settings of the MCP server; a part of all settings."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class McpSettings(BaseSettings):
    """How assistants reach the controller."""

    mcp_hosts: Annotated[
        str,
        Field(
            max_length=4_096,
            description="Names under which `/mcp` may be asked, separated by commas, without ports. When empty, any "
            "name will do for what is no browser; from browsers only `localhost` and plain addresses are taken.",
        ),
    ] = ""

    @property
    def mcp_host_names(self) -> frozenset[str]:
        """The names, in lower case."""
        return frozenset(name for each in self.mcp_hosts.lower().split(",") if (name := each.strip().rstrip(".")))
