"""Projects over HTTP: who pays, what they spend, and how they are declared."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.projects import schemas
from voicegateway_controller.projects.definitions import ID_CHARS_MAX

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])
_PAGES = Keyset("projects", str)


@router.get("", summary="The projects and what they spend")
async def projects(
    request: Request,
    response: Response,
    access: Reader,
    limit: Limit = 200,
    cursor: Cursor = None,
    with_archived: Annotated[bool, Query(description="Also those that are archived.")] = False,
) -> schemas.ProjectList:
    """Declared projects and those that spent within the last 31 days without being declared, by id.

    A token of some projects sees these.
    """
    filters = {"with_archived": with_archived}
    after = _PAGES.read(cursor, filters=filters)
    found = await resources_of(request).projects_view.shown(
        access, after=after[0] if after else "", with_archived=with_archived, now=datetime.now(UTC)
    )
    page = _PAGES.cut(found.projects[: limit + 1], limit=limit, key=lambda row: (row.id,), filters=filters)
    response.headers["ETag"] = f'"{found.revision}"'
    return found.model_copy(update={"projects": page.rows, "next": page.next})


@router.put("", summary="Declare the projects", openapi_extra=takes(schemas.NewProjects))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.ProjectsApplied:
    """Replace the managed set; refused with the reason when anything in it is wrong. Holds within a second."""
    require_all_projects(access, "projects are declared for the whole fleet")
    expected = expected_revision(if_match, kind="projects")
    asked = await read_model(request, schemas.NewProjects, kind="projects")
    service = resources_of(request).projects
    applied = await service.apply(asked.projects, by=access.actor, expected=expected)
    return schemas.ProjectsApplied(
        revision=applied.revision, is_changed=applied.is_changed, projects=len(service.current().projects)
    )


@router.get("/{project}", summary="One project")
async def project(
    request: Request,
    access: Reader,
    project: Annotated[str, Path(max_length=ID_CHARS_MAX, description="As calls name it.")],
) -> schemas.ProjectRow:
    """What is declared of it, and what it spends; 404 when nobody has heard of it, or the token does not reach it."""
    return await resources_of(request).projects_view.one(access, project, now=datetime.now(UTC))
