"""Limits over HTTP: see them and how they are, declare them, hold them against what was."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.declared.http import IfMatch, expected_revision, read_model, takes
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.limits import schemas

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])


@router.get("", summary="The limits and how their pools are")
async def limits(request: Request, response: Response, access: Reader) -> schemas.LimitsReport:
    """What is declared, and level, leases, waiters and refusals of each pool; what vendors say beside it.

    A token of some projects sees their limits and those of no project.
    """
    report = await resources_of(request).limits_view.report(allows=access.allows)
    response.headers["ETag"] = f'"{report.revision}"'
    return report


@router.put("", summary="Declare the limits", openapi_extra=takes(schemas.NewLimits))
async def declare(
    request: Request,
    access: Operator,
    if_match: IfMatch = None,
) -> schemas.Applied:
    """Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
    require_all_projects(access, "limits hold for the whole fleet")
    expected = expected_revision(if_match, kind="limits")
    asked = await read_model(request, schemas.NewLimits, kind="limits")
    service = resources_of(request).limits
    revision, is_changed = await service.apply(asked.limits, by=access.actor, expected=expected)
    return schemas.Applied(revision=revision, is_changed=is_changed, pools=len(service.validate(asked.limits)))


@router.post("/simulate", summary="Would these limits have held", openapi_extra=takes(schemas.Simulate))
async def simulate(request: Request, access: Reader) -> schemas.Simulation:
    """Replay recorded requests against limits; changes nothing. A token of some projects replays theirs only."""
    asked = await read_model(request, schemas.Simulate, kind="limits")
    return await resources_of(request).simulations.run(asked, access, now=datetime.now(UTC))
