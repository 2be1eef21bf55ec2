"""Alerts over HTTP: see them and whether they arrived, deliver them again, try the channels."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from voicegateway_controller.alerts import schemas
from voicegateway_controller.alerts.alert import Kind, Severity
from voicegateway_controller.alerts.service import Alerts
from voicegateway_controller.errors import BadRequest, Forbidden
from voicegateway_controller.http.auth import Operator, Reader

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])


@router.get("", summary="The alerts, the newest first")
async def alerts(
    request: Request,
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    before: Annotated[str | None, Query(description="`next` of the page before.", max_length=19)] = None,
    project: Annotated[str | None, Query(description="Only this project's; all that the token reaches.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    severity: Annotated[Severity | None, Query(description="Only this severe.")] = None,
    state: Annotated[schemas.DeliveryState | None, Query(description="Only with a delivery in this state.")] = None,
) -> schemas.AlertsPage:
    """What was told and whether it arrived. Alerts of no project are shown to tokens that reach all projects."""
    if before is not None and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise BadRequest(f"before={before!r} is no page: send the `next` that the page before told")
    return await _alerts(request).page(
        access,
        before=None if before is None else int(before),
        project=project,
        kind=kind or "",
        severity=severity or "",
        state=state or "",
        limit=limit,
    )


@router.post("/{alert_id}/redeliver", summary="Deliver an alert again")
async def redeliver(
    request: Request,
    access: Operator,
    alert_id: UUID,
    channel: Annotated[str, Query(description="Only to this one; to all when absent.", max_length=50)] = "",
) -> schemas.Redelivered:
    """Let what was given up, or delivered, begin anew at once; what is under way is left alone."""
    return schemas.Redelivered(channels=await _alerts(request).redeliver(access, alert_id, channel=channel))


@router.post("/test", summary="Raise an alert to try the channels")
async def test(request: Request, access: Operator) -> schemas.Tested:
    """Raise an alert of kind `test`, which goes to every channel; its deliveries say what came of it."""
    if access.projects is not None:
        raise Forbidden("a test goes to the whole fleet's channels: this needs a token that reaches all projects")
    return schemas.Tested(id=await _alerts(request).test(by=access.token_id))


def _alerts(request: Request) -> Alerts:
    found: Alerts = request.app.state.resources.alerts
    return found
