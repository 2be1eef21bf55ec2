"""Tools that list what there is: projects, models, keys, chains, requests, prices, changes."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from voicegateway_controller.mcp_server import listings
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, Rows, fitted
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Project, Since, Until, instant
from voicegateway_controller.models.service import Only
from voicegateway_controller.requests.schemas import Outcome

ATTRIBUTES_MAX: Final = 64
"""Of one span; a worker of ours writes half as many."""
Provider = Annotated[str, Field(max_length=64, description="Only this vendor's, as in model strings: `openai`.")]
Session = Annotated[str, Field(max_length=256, description="One call's, whenever it was.")]


async def list_projects(ctx: Ctx, rows: Rows = ROWS_DEFAULT) -> listings.Projects:
    """The projects: who pays, what each spent today and this month, where it is declared."""
    found = await api_of(ctx).get("/api/v1/projects", limit=rows)
    return fitted(listings.Projects.model_validate(found), "projects")


async def list_models(
    ctx: Ctx,
    provider: Provider = "",
    project: Project = None,
    only: Annotated[Only, Field(description="`used`: within the last 24 hours.")] = "all",
    rows: Rows = ROWS_DEFAULT,
) -> listings.Models:
    """The models: what a typical request costs now, how each fares, which chains have it, how much it is asked."""
    query = {"provider": provider, "project": project, "only": only, "limit": rows}
    return fitted(listings.Models.model_validate(await api_of(ctx).get("/api/v1/models", **query)), "models")


async def list_requests(
    ctx: Ctx,
    session: Session = "",
    project: Project = None,
    outcome: Annotated[Outcome | None, Field(description="How they ended.")] = None,
    since: Since = None,
    until: Until = None,
    rows: Rows = ROWS_DEFAULT,
) -> listings.Requests:
    """Single requests, the newest first: of the last 24 hours, or of one call, unless told."""
    query = {
        "session": session, "project": project, "outcome": outcome, "since": instant(since), "until": instant(until),
        "limit": rows,
    }  # fmt: skip
    return fitted(listings.Requests.model_validate(await api_of(ctx).get("/api/v1/requests", **query)), "requests")


async def get_request(
    ctx: Ctx, request_id: Annotated[UUID, Field(description="As lists and timelines show it.")]
) -> listings.RequestDetail:
    """One request: what the worker delivered, and every line that the books have of it."""
    found = await api_of(ctx).get(f"/api/v1/requests/{request_id}")
    found["span"]["attributes"] = dict(list(found["span"]["attributes"].items())[:ATTRIBUTES_MAX])
    return fitted(listings.RequestDetail.model_validate(found), "entries")


async def get_routing(ctx: Ctx) -> listings.Routing:
    """The declared chains, stacks and defaults, of everybody and of each project."""
    return fitted(listings.Routing.model_validate(await api_of(ctx).get("/api/v1/routing")), "effective")


async def get_prices(
    ctx: Ctx,
    provider: Provider = "",
    model: Annotated[str, Field(max_length=256, description="Its name or an alias.")] = "",
    project: Annotated[str, Field(max_length=256, description="What reaches this project, contracts too.")] = "",
    rows: Rows = ROWS_DEFAULT,
) -> listings.Prices:
    """The prices that hold now, with where each was read, when, and by which layer it wins."""
    query = {"provider": provider, "model": model, "project": project, "limit": rows}
    found = listings.Prices.model_validate(await api_of(ctx).get("/api/v1/prices", **query))
    return fitted(found.model_copy(update={"left_out": found.total - len(found.prices)}), "prices")


async def list_keys(ctx: Ctx, provider: Provider = "", rows: Rows = ROWS_DEFAULT) -> listings.Keys:
    """The vendors' keys, masked: who may use each, its state, who holds it now, what the vendor said of it last."""
    found = await api_of(ctx).get("/api/v1/keys", provider=provider or None, limit=rows)
    return fitted(listings.Keys.model_validate(found), "keys")


async def get_audit(
    ctx: Ctx,
    action: Annotated[str | None, Field(max_length=256, description="`limits.declare`, or `limits.` for all.")] = None,
    resource: Annotated[str | None, Field(max_length=256, description="Only of this, such as `tokens/1f2e…`.")] = None,
    since: Since = None,
    until: Until = None,
    rows: Rows = ROWS_DEFAULT,
) -> listings.Audit:
    """Who changed what and when, with what it was before and after; the newest first. Needs an admin's token."""
    query = {
        "action": action, "resource": resource, "since": instant(since), "until": instant(until), "limit": rows,
    }  # fmt: skip
    return fitted(listings.Audit.model_validate(await api_of(ctx).get("/api/v1/audit", **query)), "records")
