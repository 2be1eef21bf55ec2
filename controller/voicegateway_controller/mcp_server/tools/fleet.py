"""Tools for workers: see them, let one take no new job, let it take jobs again."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from voicegateway_controller.mcp_server import listings
from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Plan, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Reason

PATH = "/api/v1/workers"
WorkerId = Annotated[str, Field(min_length=1, max_length=256, description="As `list_workers` tells it.")]


async def list_workers(
    ctx: Ctx,
    kind: Annotated[Literal["worker", "job"] | None, Field(description="Only these.")] = "worker",
    rows: Rows = ROWS_DEFAULT,
) -> listings.Workers:
    """The LiveKit workers, or their job processes: agent, host, version, load, calls, drained, configuration known."""
    found = await api_of(ctx).get(PATH, kind=kind, limit=rows)
    return fitted(listings.Workers.model_validate(found), "workers")


async def drain_worker(
    ctx: Ctx, worker_id: WorkerId, reason: Reason, confirm: Confirm = False, revision: Revision = None
) -> Outcome:
    """Let a worker take no new job; its calls go on to their end. Others must have room for what it no longer takes.

    Previews first: call without `confirm`, show the result, then call again with `confirm` and its `revision`.
    """
    plan = await _plan(api_of(ctx), worker_id, reason, is_drained=True)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def undrain_worker(
    ctx: Ctx, worker_id: WorkerId, reason: Reason, confirm: Confirm = False, revision: Revision = None
) -> Outcome:
    """Let a drained worker take jobs again. Previews first, as `drain_worker` does."""
    plan = await _plan(api_of(ctx), worker_id, reason, is_drained=False)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def _plan(api: AdminApi, worker_id: str, reason: str, *, is_drained: bool) -> Plan:
    path = f"{PATH}/{quote(worker_id, safe='')}"
    worker = await api.get(path)
    if worker["kind"] != "worker":
        raise ToolError(f"{worker_id} is a job process: drain the worker that it belongs to. Nothing was changed")

    async def do() -> list[str]:
        await api.ask("POST", f"{path}/{'drain' if is_drained else 'undrain'}", document={"reason": reason})
        return []

    def shown(is_ordered: bool) -> dict[str, Any]:
        return {"worker": worker_id, "host": worker["host"], "agent": worker["agent"], "is_drain_ordered": is_ordered}

    carried = f"it carries {worker['active_jobs'] or 0} calls, which go on"
    return Plan(
        summary=f"{worker_id} takes {'no new jobs' if is_drained else 'jobs again'}",
        before=shown(worker["is_drain_ordered"]),
        after=shown(is_drained),
        do=do,
        warnings=(carried,) if is_drained else (),
    )
