"""Allowances over HTTP: declare them, see how much is left, book their credits now."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.allowances import schemas
from voicegateway_controller.allowances.drawing import month_of
from voicegateway_controller.allowances.posting import AllowancePosting
from voicegateway_controller.allowances.view import Standing, standings
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.declared.shown import effective_for, managed_for
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.months import parse_month
from voicegateway_shared.money import format_usd

router = APIRouter(prefix="/api/v1/allowances", tags=["allowances"])


@router.get("", summary="The declared allowances")
async def allowances(request: Request, response: Response, access: Reader) -> schemas.AllowancesDeclared:
    """What is managed, as PUT takes it, and what holds of all layers.

    A token of some projects sees theirs and those of no project.
    """
    definitions = resources_of(request).allowances.current()
    response.headers["ETag"] = f'"{definitions.revision}"'
    return schemas.AllowancesDeclared(
        revision=definitions.revision,
        created_at=definitions.created_at,
        created_by=definitions.created_by,
        allowances=managed_for(resources_of(request).allowances, access.allows),
        effective=effective_for(resources_of(request).allowances, access.allows),
    )


@router.put("", summary="Declare the allowances", openapi_extra=takes(schemas.NewAllowances))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.AllowancesApplied:
    """Replace the whole set; refused with the reason when anything in it is wrong. What was booked stays booked."""
    require_all_projects(access, "allowances are the whole organisation's")
    expected = expected_revision(if_match, kind="allowances")
    asked = await read_model(request, schemas.NewAllowances, kind="allowances")
    revision, is_changed = await resources_of(request).allowances.apply(
        asked.allowances, by=access.actor, expected=expected
    )
    return schemas.AllowancesApplied(revision=revision, is_changed=is_changed, allowances=len(asked.allowances))


@router.get("/status", summary="How much of the allowances is left")
async def status(
    request: Request,
    access: Reader,
    month: Annotated[
        str | None, Query(pattern=r"^\d{4}-\d{2}$", description="`2026-10`; default: this month (UTC).")
    ] = None,
) -> schemas.Standings:
    """Used, left, what that is worth, and where the month will end. A token of some projects sees theirs only."""
    now = datetime.now(UTC)
    of_month = month_of(now) if month is None else parse_month(month)
    definitions = resources_of(request).allowances.current()
    # How much of a shared allowance is left tells of everybody's usage.
    seen = tuple(each for each in definitions.allowances if access.projects is None or access.allows(each.project))
    drawn = definitions.allowances
    found = await standings(resources_of(request).engine, drawn, month=of_month, now=now)
    return schemas.Standings(
        revision=definitions.revision,
        month=f"{of_month:%Y-%m}",
        as_of=now,
        allowances=[_standing(each) for each in found if each.allowance in seen],
    )


@router.post("/post", summary="Book the credits of a month now", openapi_extra=takes(schemas.PostMonth))
async def post(request: Request, access: Operator) -> schemas.PostedMonth:
    """Book the difference between what is due and what is booked. The runner does it each hour for this month and the
    last; this is for others, and for those who cannot wait."""
    require_all_projects(access, "the books are the whole organisation's")
    asked = await read_model(request, schemas.PostMonth, kind="allowances")
    now = datetime.now(UTC)
    if asked.month.day != 1 or asked.month > month_of(now):
        raise BadRequest("month: write one that has begun, such as 2026-10")
    posted = await AllowancePosting(resources_of(request).engine).post(
        first=asked.month, last=asked.month, now=now, actor=access.actor
    )
    return schemas.PostedMonth(
        posted=[
            schemas.Posted(
                name=each.name,
                what=each.what,
                kind=each.kind,
                month=f"{each.month:%Y-%m}",
                entries=each.entries,
                amount_usd=format_usd(each.pico_usd),
            )
            for each in posted
        ]
    )


def _standing(standing: Standing) -> schemas.Standing:
    allowance = standing.allowance
    unit = allowance.quantity.base if allowance.quantity is not None else "usd"

    def shown(value: int) -> str:
        return format_usd(value) if unit == "usd" else str(value)

    return schemas.Standing(
        name=allowance.name,
        kind=allowance.kind,
        provider=allowance.provider,
        models=list(allowance.models),
        meters=list(allowance.meters),
        project=allowance.project,
        unit=unit,
        given=shown(standing.given),
        used=shown(standing.used),
        left=shown(standing.left),
        over=shown(standing.over),
        projected=None if standing.projected is None else shown(standing.projected),
        credit_usd=format_usd(standing.credit_pico_usd),
        booked_usd=format_usd(standing.booked_pico_usd),
        fee_usd=format_usd(allowance.fee_pico_usd),
        bought_on=allowance.bought_on,
        expires_on=allowance.expires_on,
    )
