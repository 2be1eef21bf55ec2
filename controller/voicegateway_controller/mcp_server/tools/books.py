"""Tools that look at whether the numbers are right: vendors' bills against ours, counts against counts."""

from typing import Annotated

from pydantic import Field

from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Project, Since, Until, instant
from voicegateway_controller.reconcile.schemas import By, Month, Provider
from voicegateway_controller.validation.rules import Finding

PATH = "/api/v1/reconciliations"


async def list_reconciliations(
    ctx: Ctx,
    provider: Annotated[Provider | None, Field(description="Only of this vendor.")] = None,
    month: Annotated[Month | None, Field(description="Only of this month: `2026-10`.")] = None,
    rows: Rows = ROWS_DEFAULT,
) -> results.Reconciliations:
    """Comparisons of vendors' months with our books, the newest first, with the difference of each."""
    found = await api_of(ctx).get(PATH, provider=provider, month=month, limit=rows)
    return fitted(results.Reconciliations.model_validate(found), "reconciliations")


async def get_reconciliation(
    ctx: Ctx,
    number: Annotated[int, Field(ge=1, le=2**31 - 1, description="As `list_reconciliations` tells it.")],
    by: Annotated[By, Field(description="What the differences are summed by.")] = "model",
    rows: Rows = ROWS_DEFAULT,
) -> results.Reconciliation:
    """One comparison: what the vendor billed, what we have, what explains the difference, and where it is."""
    api = api_of(ctx)
    run = await api.get(f"{PATH}/{number}")
    groups = (await api.get(f"{PATH}/{number}/groups", by=by))["groups"] if run.get("report") else []
    made = {"run": run, "groups": groups[:rows], "left_out": max(0, len(groups) - rows)}
    return fitted(results.Reconciliation.model_validate(made), "groups")


async def get_validation(
    ctx: Ctx, since: Since = None, until: Until = None, project: Project = None, rows: Rows = ROWS_DEFAULT
) -> results.Validation:
    """Our counts of usage beside the plugin's and the vendor's own, by model and meter; the last week unless told."""
    query = {"since": instant(since), "until": instant(until), "project": project}
    found = results.Validation.model_validate(await api_of(ctx).get("/api/v1/validation", **query))
    cut = {"rows": found.rows[:rows], "left_out": max(0, len(found.rows) - rows)}
    return fitted(found.model_copy(update=cut), "rows")


async def list_disagreements(
    ctx: Ctx,
    since: Since = None,
    project: Project = None,
    finding: Annotated[Finding | None, Field(description="Only with this reason.")] = None,
    rows: Rows = ROWS_DEFAULT,
) -> results.Disagreements:
    """Single requests whose usage somebody else counted otherwise, the newest first; the last week unless told."""
    query = {"since": instant(since), "project": project, "finding": finding, "limit": rows}
    return fitted(
        results.Disagreements.model_validate(await api_of(ctx).get("/api/v1/validation/requests", **query)), "rows"
    )
