"""Routing over HTTP: declare chains, stacks and defaults, see them, ask who would serve a request now."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from voicegateway_controller.declared.http import expected_revision, read_model, takes
from voicegateway_controller.errors import Forbidden
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.resources import Resources
from voicegateway_controller.routing import schemas

router = APIRouter(prefix="/api/v1", tags=["routing"])


@router.get("/routing", summary="The declared chains, stacks and defaults")
async def routing(request: Request, response: Response, access: Reader) -> schemas.RoutingDeclared:
    """What is declared, as given. A token of some projects sees their sections and everybody's."""
    definitions = _resources(request).routings.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.RoutingDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        routing=definitions.document_for(access.allows),
    )


@router.put("/routing", summary="Declare chains, stacks and defaults", openapi_extra=takes(schemas.NewRouting))
async def declare(
    request: Request,
    access: Operator,
    if_match: Annotated[
        str | None, Header(description="The revision this set was made from; 409 when another one holds by now.")
    ] = None,
) -> schemas.RoutingApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    if access.projects is not None:
        raise Forbidden("routing holds for the whole fleet: this needs a token that reaches all projects")
    expected = expected_revision(if_match, kind="routing")
    asked = await read_model(request, schemas.NewRouting, kind="routing")
    applied = await _resources(request).routings.apply(asked.routing, by=access.token_id, expected=expected)
    return schemas.RoutingApplied(
        revision=applied.revision,
        is_changed=applied.is_changed,
        chains=len(applied.routing.chains),
        stacks=len(applied.routing.stacks),
        warnings=list(applied.warnings),
    )


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources
