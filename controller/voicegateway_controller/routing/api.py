"""Routing over HTTP: declare chains, stacks and defaults, see them, ask who would serve a request now."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.declared.shown import effective_for, managed_for
from voicegateway_controller.errors import Forbidden, NotFound
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.documented import refuses
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.routing import schemas
from voicegateway_controller.routing.definitions import joined, split
from voicegateway_controller.routing.explaining import Question

router = APIRouter(prefix="/api/v1", tags=["routing"])


@router.get("/routing", summary="The declared chains, stacks and defaults")
async def routing(request: Request, response: Response, access: Reader) -> schemas.RoutingDeclared:
    """What is managed, as PUT takes it, and what holds of all layers.

    A token of some projects sees their sections and everybody's.
    """
    definitions = resources_of(request).routings.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.RoutingDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        routing=joined(split(managed_for(resources_of(request).routings, access.allows))),
        effective=effective_for(resources_of(request).routings, access.allows),
    )


@router.put("/routing", summary="Declare chains, stacks and defaults", openapi_extra=takes(schemas.NewRouting))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.RoutingApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    require_all_projects(access, "routing holds for the whole fleet")
    expected = expected_revision(if_match, kind="routing")
    asked = await read_model(request, schemas.NewRouting, kind="routing")
    applied = await resources_of(request).routings.apply(asked.routing, by=access.actor, expected=expected)
    return schemas.RoutingApplied(
        revision=applied.revision,
        is_changed=applied.is_changed,
        chains=len(applied.routing.chains),
        stacks=len(applied.routing.stacks),
        warnings=list(applied.warnings),
    )


@router.get("/resolve", summary="Who would serve a request now", responses=refuses(NotFound))
async def resolve(
    request: Request,
    access: Reader,
    asked: Annotated[
        list[str] | None,
        Query(description="Model strings, or the name of one chain or stack; without any, the project's defaults."),
    ] = None,
    project: Annotated[str, Query(description="Who pays.", max_length=256)] = "default",
    modality: Annotated[str | None, Query(description="`stt`, `llm`, `tts` or `realtime`; all when absent.")] = None,
    session: Annotated[str, Query(description="For `sticky`: the session that asks.", max_length=256)] = "",
    account: Annotated[
        list[str] | None,
        Query(description="`provider:fingerprint` of a key that would be used; without, breakers of any key count."),
    ] = None,
) -> schemas.Resolution:
    """The decision as it would be taken now, each candidate with its reasons, its price and its speed.

    By what the fleet knows: breakers, what is switched off, limits, budgets, prices; not by what a worker alone knows,
    its packages and keys.
    """
    if not access.allows(project):
        raise Forbidden(f"the token does not reach project {project!r}")
    accounts = dict(each.split(":", 1) for each in account or () if ":" in each)
    question = Question(
        asked=tuple(asked or ()), modality=modality, project=project, session=session, accounts=accounts
    )
    now = datetime.now(UTC)
    explanation = await resources_of(request).explainer.explain(question, allows=access.allows, now=now)
    return schemas.Resolution.of(explanation, project=project, as_of=now)
