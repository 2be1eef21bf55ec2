"""Tools that look at how things stand: limits, budgets, vendors, who would serve."""

from typing import Annotated, Any

from pydantic import Field

from voicegateway_controller.mcp_server import results
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Project


async def get_limits(ctx: Ctx, rows: Rows = ROWS_DEFAULT) -> results.Limits:
    """The rate limits in force: as declared, how full each pool is, who waits, and what vendors say of theirs."""
    report = await api_of(ctx).get("/api/v1/limits")
    pools = report["pools"]
    found = results.Limits.model_validate(
        {
            **{name: report[name] for name in ("revision", "is_live", "learned", "effective")},
            "pools": pools[:rows],
            "left_out": max(0, len(pools) - rows),
        }
    )
    return fitted(found, "pools", "effective", "learned")


async def get_budgets(ctx: Ctx, project: Project = None) -> results.Budgets:
    """The budgets: spent, reserved and left of each open window, when it will run out, what the month will come to.

    `anomalies` are hours that cost far more than usual.
    """
    status = await api_of(ctx).get("/api/v1/budgets/status")
    if project is not None:
        status["budgets"] = [each for each in status["budgets"] if each["selector"].get("project") == project]
        for name in ("projects", "anomalies"):
            status[name] = [each for each in status[name] if each["project"] == project]
    return fitted(results.Budgets.model_validate(status), "budgets", "projects", "anomalies")


async def get_providers(ctx: Ctx) -> results.Providers:
    """How vendors fare by what all workers see: breakers, causes, time to first byte; and what is switched off."""
    return fitted(results.Providers.model_validate(await api_of(ctx).get("/api/v1/providers/health")), "targets")


async def explain_resolve(
    ctx: Ctx,
    asked: Annotated[
        list[str] | None,
        Field(max_length=32, description="Models, or the name of one chain or stack; without, the project's defaults."),
    ] = None,
    project: Annotated[str, Field(max_length=256, description="Who pays.")] = "default",
    modality: Annotated[str | None, Field(description="`stt`, `llm`, `tts` or `realtime`; all when absent.")] = None,
    session: Annotated[str, Field(max_length=256, description="For `sticky` chains: the session that asks.")] = "",
) -> results.Resolution:
    """Who would serve a request now, in which order, and why not the others: breakers, limits, budgets, prices."""
    query: dict[str, Any] = {"project": project, "modality": modality, "session": session, "asked": asked or []}
    return fitted(results.Resolution.model_validate(await api_of(ctx).get("/api/v1/resolve", **query)))
