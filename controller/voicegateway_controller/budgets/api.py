"""Budgets over HTTP: declare them, see what is declared, and how much of it is spent."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.budgets import schemas
from voicegateway_controller.budgets.definitions import with_zone
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.declared.shown import effective_for, managed_for
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of

router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])


@router.get("", summary="The declared budgets")
async def budgets(request: Request, response: Response, access: Reader) -> schemas.BudgetsDeclared:
    """What is managed, as PUT takes it, and what holds of all layers.

    A token of some projects sees their budgets and those of no project.
    """
    definitions = resources_of(request).budgets.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.BudgetsDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        budgets=managed_for(resources_of(request).budgets, access.allows),
        effective=effective_for(resources_of(request).budgets, access.allows),
    )


@router.put("", summary="Declare the budgets", openapi_extra=takes(schemas.NewBudgets))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.BudgetsApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    require_all_projects(access, "budgets hold for the whole fleet")
    expected = expected_revision(if_match, kind="budgets")
    asked = await read_model(request, schemas.NewBudgets, kind="budgets")
    document = with_zone(asked.budgets, asked.zone)
    applied = await resources_of(request).budgets.apply(document, by=access.actor, expected=expected)
    return schemas.BudgetsApplied(
        revision=applied.revision,
        is_changed=applied.is_changed,
        budgets=len(document),
        warnings=list(applied.warnings),
    )


@router.get("/status", summary="How much of the budgets is spent")
async def status(request: Request, access: Reader) -> schemas.BudgetsStatus:
    """Each budget's open window, what it and each project will come to, and hours that are odd."""
    return await resources_of(request).budgets_view.status(access, now=datetime.now(UTC))
