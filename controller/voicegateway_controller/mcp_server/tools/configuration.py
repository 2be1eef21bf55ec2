"""Tools for the configuration as a whole: what holds and where it is declared, its versions, back to one; projects."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from voicegateway_controller.mcp_server import listings
from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.bounds import ROWS_DEFAULT, ROWS_MAX, Rows, fitted
from voicegateway_controller.mcp_server.declaring import Change, plan
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Plan, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Reason

PATH: Final = "/api/v1/config"
Section = Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]
ProjectId = Annotated[str, Field(min_length=1, max_length=256, description="As calls name it: `acme`.")]


async def get_configuration(
    ctx: Ctx, section: Annotated[Section, Field(description="Which kind of resources.")], rows: Rows = ROWS_DEFAULT
) -> listings.Configuration:
    """What holds of a kind, each resource with the layer it is from: environment, managed, or voicegw.yaml."""
    found = await api_of(ctx).get(PATH)
    resources = found["sections"].get(section, {"resources": []})["resources"]
    made = {
        "version": found["version"],
        "section": section,
        "resources": resources[:rows],
        "left_out": max(0, len(resources) - rows),
    }
    return fitted(listings.Configuration.model_validate(made), "resources")


async def list_configuration_versions(ctx: Ctx, rows: Rows = ROWS_DEFAULT) -> listings.ConfigurationVersions:
    """Every change of the configuration, the newest first: who, when, which layer, what. `roll_back` takes a number."""
    found = await api_of(ctx).get(f"{PATH}/versions", limit=rows)
    return fitted(listings.ConfigurationVersions.model_validate(found), "versions")


async def roll_back_configuration(
    ctx: Ctx,
    number: Annotated[int, Field(ge=1, le=2**53, description="As `list_configuration_versions` tells it.")],
    reason: Reason,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Let all that is managed be what it was as of a version, as a new version; files and variables stay theirs.

    Previews first: call without `confirm`, show the diff, then call again with `confirm` and its `revision`.
    """
    api, path = api_of(ctx), f"{PATH}/versions/{number}/rollback"
    etag = (await api.ask("GET", PATH)).etag
    tried = (await api.ask("POST", path, document={"dry_run": True, "reason": reason}, if_match=etag)).document

    async def do() -> list[str]:
        await api.ask("POST", path, document={"dry_run": False, "reason": reason}, if_match=etag)
        return []

    made = Plan(
        summary=f"what is managed is what it was as of version {number}",
        before=_by_id(tried, "before"),
        after=_by_id(tried, "after"),
        do=do,
        etag=etag,
        warnings=tuple(tried["warnings"]),
    )
    return await carry_out(made, confirm=confirm, revision=revision)


async def set_project(
    ctx: Ctx,
    project: ProjectId,
    name: Annotated[str, Field(max_length=256, description="For people.")] = "",
    owner: Annotated[str, Field(max_length=256, description="Whom to ask: a person, a team or an address.")] = "",
    labels: Annotated[dict[str, str] | None, Field(description="`{tier: gold}`.")] = None,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Declare one project, or change what is declared of it; what is left out stays as it is. Previews first."""
    api = api_of(ctx)
    held = await _declared(api, project)
    given = {"name": name, "owner": owner, "labels": labels}
    declared = {**held, "id": project, **{key: value for key, value in given.items() if value}}
    change = Change(section="projects", path=(project,), declared=declared)
    return await carry_out(await plan(api, change), confirm=confirm, revision=revision)


async def archive_project(ctx: Ctx, project: ProjectId, confirm: Confirm = False, revision: Revision = None) -> Outcome:
    """Leave a project out of lists; its calls are still carried and paid for, the books keep it. Previews first."""
    api = api_of(ctx)
    declared = {**await _declared(api, project), "id": project, "is_archived": True}
    change = Change(section="projects", path=(project,), declared=declared)
    return await carry_out(await plan(api, change), confirm=confirm, revision=revision)


async def remove_project(ctx: Ctx, project: ProjectId, confirm: Confirm = False, revision: Revision = None) -> Outcome:
    """Take a project's declaration away; its calls go on, and the books keep what it spent. Previews first."""
    change = Change(section="projects", path=(project,), declared=None)
    return await carry_out(await plan(api_of(ctx), change), confirm=confirm, revision=revision)


async def _declared(api: AdminApi, project: str) -> dict[str, Any]:
    """Return what holds of a project as it was declared, empty where nothing is."""
    sections = (await api.get(PATH))["sections"]
    held = [each for each in sections["projects"]["resources"] if each["id"] == project]
    return dict(held[0]["declared"]) if held else {}


def _by_id(tried: dict[str, Any], side: Literal["before", "after"]) -> dict[str, Any]:
    """Return one side of what would change, resource by resource, as many as one looks through."""
    return {f"{each['section']}: {each['id']}": each[side] for each in tried["changes"][:ROWS_MAX]}
