"""What the dashboard, the CLI and the demo read."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from voicegateway_controller.http.auth import Reader
from voicegateway_controller.http.instants import Instant
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import LIMIT_DEFAULT, Cursor, Limit
from voicegateway_controller.reports import schemas
from voicegateway_controller.reports.service import Reports

router = APIRouter(prefix="/api/v1", tags=["reports"])


Since = Annotated[Instant | None, Query(description="RFC 3339 with a zone, for example 2026-11-21T00:00:00Z.")]
Until = Annotated[Instant | None, Query(description="RFC 3339 with a zone; now when absent.")]
Project = Annotated[str | None, Query(description="Only this project; all that the token reaches when absent.")]


def _reports(request: Request) -> Reports:
    return resources_of(request).reports


@router.get("/costs", summary="Spend by key")
async def costs(
    request: Request,
    access: Reader,
    by: schemas.CostsBy = "provider",
    since: Since = None,
    until: Until = None,
    project: Project = None,
) -> schemas.Costs:
    """What was spent in the full hours of a span of time, by key; today (UTC) when no span is given."""
    return await _reports(request).costs(
        access, by=by, since=since, until=until, project=project, now=datetime.now(UTC)
    )


@router.get("/spend", summary="Spend over time")
async def spend(
    request: Request,
    access: Reader,
    by: schemas.SpendBy = "provider",
    bucket: schemas.Bucket = "hour",
    since: Since = None,
    until: Until = None,
    project: Project = None,
) -> schemas.Spend:
    """Spend per hour (the last 24 unless told) or per minute (at most the last 60)."""
    return await _reports(request).spend(
        access, by=by, bucket=bucket, since=since, until=until, project=project, now=datetime.now(UTC)
    )


@router.get("/latency", summary="Time to first byte by model")
async def latency(request: Request, access: Reader, since: Since = None, project: Project = None) -> schemas.Latency:
    """Median and 95th percentile, from histograms; the last 24 hours unless told."""
    return await _reports(request).latency(access, since=since, project=project, now=datetime.now(UTC))


@router.get("/sessions", summary="The last calls")
async def sessions(
    request: Request,
    access: Reader,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
    project: Project = None,
) -> schemas.Sessions:
    """Calls with what they cost, the one that started last first."""
    return await _reports(request).sessions(access, cursor=cursor, limit=limit, project=project)


@router.get("/live", summary="What is running now")
async def live(request: Request, access: Reader) -> schemas.Live:
    """Calls and worker processes now present; 503 while Redis is away."""
    return await _reports(request).live(access)


@router.get("/ledger/status", summary="How far the ledger is")
async def ledger_status(request: Request, access: Reader) -> schemas.LedgerStatus:
    """Spans waiting, the oldest one's age, totals."""
    return await _reports(request).ledger_status()
