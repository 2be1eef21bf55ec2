"""Tools that look at calls: those that were, one along its time, those that are live."""

from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from voicegateway_controller.calls.timeline import Moment, lasts_ms, moments
from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Project

SessionId = Annotated[str, Field(min_length=1, max_length=256, description="The LiveKit job's id, `AJ_…`.")]
Order = Literal["time", "amount"]


async def list_sessions(ctx: Ctx, project: Project = None, rows: Rows = ROWS_DEFAULT) -> results.Sessions:
    """The last calls with what they cost, the one that started last first.

    For the dearest calls of a time, ask `get_costs` by session.
    """
    found = await api_of(ctx).get("/api/v1/sessions", limit=rows, project=project)
    return fitted(results.Sessions.model_validate(found), "rows")


async def get_session(
    ctx: Ctx,
    session_id: SessionId,
    order: Annotated[Order, Field(description="`amount`: the dearest requests first.")] = "time",
    rows: Rows = ROWS_DEFAULT,
) -> results.Timeline:
    """One whole call along its time: each request and leg with when, how long, what it used and what it cost.

    To find out why a call was dear, order by amount, look at `parts`, and compare with `get_costs` by session.
    """
    return await timeline(api_of(ctx), session_id, order=order, rows=rows)


async def get_live_calls(ctx: Ctx) -> results.Live:
    """The calls that are running now and what each has cost so far."""
    return fitted(results.Live.model_validate(await api_of(ctx).get("/api/v1/live")), "sessions")


async def timeline(api: AdminApi, session_id: str, *, order: Order, rows: int) -> results.Timeline:
    """Return a call along its time, within bounds. Raises Refused when there is none that the caller may see."""
    session = await api.get(f"/api/v1/sessions/{quote(session_id, safe='')}")
    found = moments(session)
    if order == "amount":
        found.sort(key=lambda each: each.amount_usd, reverse=True)
    head = {name: session[name] for name in results.Timeline.model_fields if name in session}
    head |= {"lasts_ms": lasts_ms(session), "left_out": session["left_out"] + max(0, len(found) - rows)}
    made = results.Timeline.model_validate({**head, "rows": [_row(each) for each in found[:rows]]})
    return fitted(made, "rows")


def _row(moment: Moment) -> results.TimelineRow:
    return results.TimelineRow(
        request_id=moment.id,
        part=moment.part,
        model=moment.model,
        at_ms=moment.starts_ms,
        lasts_ms=moment.lasts_ms,
        outcome=moment.outcome,
        amount_usd=f"{moment.amount_usd:f}",
        usage=dict(moment.quantities),
        notes=list(moment.notes),
    )
