"""Tools that look at money and speed over a span of time."""

from typing import Annotated

from pydantic import Field

from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Project, Since, Until, instant
from voicegateway_controller.reports.schemas import Bucket, CostsBy, SpendBy


async def get_costs(
    ctx: Ctx,
    by: Annotated[CostsBy, Field(description="One row per …")] = "provider",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    rows: Rows = ROWS_DEFAULT,
) -> results.Costs:
    """What was spent, exact to the last digit, by provider, model, project, session, agent, modality, day or hour.

    Full hours are counted; today (UTC) unless a span is given. `total` holds all rows, those left out too.
    """
    query = {"by": by, "since": instant(since), "until": instant(until), "project": project}
    found = results.Costs.model_validate(await api_of(ctx).get("/api/v1/costs", **query))
    return fitted(
        found.model_copy(update={"rows": found.rows[:rows], "left_out": max(0, len(found.rows) - rows)}), "rows"
    )


async def get_spend(
    ctx: Ctx,
    by: Annotated[SpendBy, Field(description="One line per …")] = "provider",
    bucket: Annotated[Bucket, Field(description="`minute` shows at most the last hour.")] = "hour",
    since: Since = None,
    until: Until = None,
    project: Project = None,
) -> results.Spend:
    """How spending went over time: one point per hour (the last day unless told) or minute, and key.

    The earliest points come first; of too many, the earliest are kept: ask for a shorter time.
    """
    query = {"by": by, "bucket": bucket, "since": instant(since), "until": instant(until), "project": project}
    return fitted(results.Spend.model_validate(await api_of(ctx).get("/api/v1/spend", **query)), "points")


async def get_latency(ctx: Ctx, since: Since = None, project: Project = None) -> results.Latency:
    """Time to first byte of each model, median and 95th percentile; the last 24 hours unless told."""
    found = await api_of(ctx).get("/api/v1/latency", since=instant(since), project=project)
    return fitted(results.Latency.model_validate(found), "rows")
