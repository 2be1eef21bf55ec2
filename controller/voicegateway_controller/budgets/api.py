"""Budgets over HTTP: declare them, see what is declared, and how much of it is spent."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from voicegateway_controller.budgets import schemas
from voicegateway_controller.budgets.definitions import with_zone
from voicegateway_controller.declared.http import expected_revision, read_model, takes
from voicegateway_controller.errors import Forbidden
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.resources import Resources

router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])


@router.get("", summary="The declared budgets")
async def budgets(request: Request, response: Response, access: Reader) -> schemas.BudgetsDeclared:
    """What is declared, as given. A token of some projects sees their budgets and those of no project."""
    definitions = _resources(request).budgets.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.BudgetsDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        budgets=[dict(each) for each in definitions.document_for(access.allows)],
    )


@router.put("", summary="Declare the budgets", openapi_extra=takes(schemas.NewBudgets))
async def declare(
    request: Request,
    access: Operator,
    if_match: Annotated[
        str | None, Header(description="The revision this set was made from; 409 when another one holds by now.")
    ] = None,
) -> schemas.BudgetsApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    if access.projects is not None:
        raise Forbidden("budgets hold for the whole fleet: this needs a token that reaches all projects")
    expected = expected_revision(if_match, kind="budgets")
    asked = await read_model(request, schemas.NewBudgets, kind="budgets")
    document = with_zone(asked.budgets, asked.zone)
    applied = await _resources(request).budgets.apply(document, by=access.token_id, expected=expected)
    return schemas.BudgetsApplied(
        revision=applied.revision,
        is_changed=applied.is_changed,
        budgets=len(document),
        warnings=list(applied.warnings),
    )


@router.get("/status", summary="How much of the budgets is spent")
async def status(request: Request, access: Reader) -> schemas.BudgetsStatus:
    """Each budget's open window, what it and each project will come to, and hours that are odd."""
    return await _resources(request).budgets_view.status(access, now=datetime.now(UTC))


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources
