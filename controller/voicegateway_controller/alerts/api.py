"""Alerts over HTTP: see them and whether they arrived, deliver them again, try the channels."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from voicegateway_controller.access.rules import require_all_projects
from voicegateway_controller.alerts import schemas
from voicegateway_controller.alerts.alert import Kind, Severity
from voicegateway_controller.alerts.service import Alerts
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])


@router.get("", summary="The alerts, the newest first")
async def alerts(
    request: Request,
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    cursor: Cursor = None,
    project: Annotated[str | None, Query(description="Only this project's; all that the token reaches.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    severity: Annotated[Severity | None, Query(description="Only this severe.")] = None,
    state: Annotated[schemas.DeliveryState | None, Query(description="Only with a delivery in this state.")] = None,
) -> schemas.AlertsPage:
    """What was told and whether it arrived. Alerts of no project are shown to tokens that reach all projects."""
    return await _alerts(request).page(
        access,
        cursor=cursor,
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
    require_all_projects(access, "a test goes to the whole fleet's channels")
    return schemas.Tested(id=await _alerts(request).test(by=access.token_id))


def _alerts(request: Request) -> Alerts:
    return resources_of(request).alerts
