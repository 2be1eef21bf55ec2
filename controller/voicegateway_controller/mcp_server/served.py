"""Resources: what an assistant may attach to a conversation without calling a tool, as JSON."""

from datetime import UTC, datetime

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.asking import Refused
from voicegateway_controller.mcp_server.bounds import ROWS_MAX, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of, api_of_current
from voicegateway_controller.mcp_server.tools.calls import timeline

TIMELINE_URI = "voicegateway://sessions/{session_id}/timeline"
COSTS_URI = "voicegateway://costs/this-month"


async def session_timeline(session_id: str, ctx: Ctx) -> str:
    """One whole call along its time: each request and leg with when, how long, what it used and what it cost."""
    try:
        found = await timeline(api_of(ctx), session_id, order="time", rows=ROWS_MAX)
    except Refused as error:
        raise _unreadable(error) from error
    return found.model_dump_json(indent=1)


async def costs_this_month() -> str:
    """What was spent since the first of this month (UTC), by project."""
    since = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    try:
        found = await api_of_current().get("/api/v1/costs", by="project", since=since.isoformat())
    except Refused as error:
        raise _unreadable(error) from error
    return fitted(results.Costs.model_validate(found), "rows").model_dump_json(indent=1)


def _unreadable(error: Refused) -> ResourceError:
    return ResourceNotFoundError(str(error)) if error.status == 404 else ResourceError(str(error))
