"""Arguments that many tools take, said once."""

from datetime import UTC, datetime
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from voicegateway_controller.health.switches import REASON_CHARS_MAX
from voicegateway_controller.instants import read_instant
from voicegateway_shared.errors import ConfigurationError

Since = Annotated[
    str | None,
    Field(
        max_length=64,
        description="From then on: `2026-10-01` (UTC), `2026-10-01T09:00:00Z`, or a time back from now: `24h`, `7d`.",
    ),
]
Until = Annotated[str | None, Field(max_length=64, description="Up to then, written as `since`; now when absent.")]
Project = Annotated[
    str | None, Field(max_length=256, description="Only this project; all that the token reaches when absent.")
]

Reason = Annotated[
    str, Field(min_length=1, max_length=REASON_CHARS_MAX, description="Why; kept, for those who wonder.")
]


def instant(text: str | None) -> str | None:
    """Return what the API takes for an instant. Raises ToolError when it is none."""
    if text is None:
        return None
    try:
        return read_instant(text.strip(), now=datetime.now(UTC)).isoformat()
    except ConfigurationError as error:
        raise ToolError(str(error)) from error
