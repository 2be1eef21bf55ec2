"""Where counts disagree, over HTTP."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, Query, Request

from voicegateway_controller.access.rules import reachable
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.http.auth import Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import LIMIT_DEFAULT, Cursor, Keyset, Limit
from voicegateway_controller.reports.api import Project, Since, Until
from voicegateway_controller.validation import schemas
from voicegateway_controller.validation.rules import EXPLAINED, Finding

router = APIRouter(prefix="/api/v1/validation", tags=["validation"])
ROWS_MAX: Final = 1_000
DAYS: Final = 7
"""Looked back unless told otherwise."""
TIMEOUT_S: Final = 15.0
_REQUESTS: Final = Keyset("validation", datetime, UUID, str, str)
_findings: Final = msgspec.json.Decoder(dict[str, int]).decode


@router.get("", summary="Our counts beside others', by model")
async def by_model(
    request: Request, access: Reader, since: Since = None, until: Until = None, project: Project = None
) -> schemas.Validation:
    """Every meter that somebody else counted too, over whole days (UTC); the last week unless told."""
    now = datetime.now(UTC)
    first = (since or now - timedelta(days=DAYS)).astimezone(UTC).date()
    last = (until or now).astimezone(UTC).date()
    rows = await _fetch(request, "by_model", first, last + timedelta(days=1), reachable(access, project), ROWS_MAX)
    return schemas.Validation(
        since=datetime.combine(first, time(), tzinfo=UTC),
        until=datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC),
        rows=[schemas.ModelRow(**{**dict(row), "findings": _findings(row["findings"] or "{}")}) for row in rows],
        meaning=dict(EXPLAINED),
    )


@router.get("/requests", summary="Requests whose counts disagree")
async def requests(
    request: Request,
    access: Reader,
    since: Since = None,
    project: Project = None,
    provider: Annotated[str | None, Query(max_length=64, description="Only this provider's.")] = None,
    model: Annotated[str | None, Query(max_length=256, description="Only this model's.")] = None,
    finding: Annotated[Finding | None, Query(description="Only with this reason.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> schemas.Requests:
    """The newest first, of the last week unless told."""
    start = since or datetime.now(UTC) - timedelta(days=DAYS)
    filters = {"since": since, "project": project, "provider": provider, "model": model, "finding": finding}
    key = _REQUESTS.read(cursor, filters=filters) or (None, None, None, None)
    asked = (start, reachable(access, project), provider, model, finding)
    rows = await _fetch(request, "requests", *asked, limit + 1, *key)
    page = _REQUESTS.cut(
        rows,
        limit=limit,
        key=lambda row: (row["charged_at"], UUID(row["request_id"]), row["meter"], row["source"]),
        filters=filters,
    )
    return schemas.Requests(rows=[schemas.RequestRow(**dict(row)) for row in page.rows], next=page.next)


async def _fetch(request: Request, name: str, *arguments: Any) -> list[asyncpg.Record]:
    async with raw_connection(resources_of(request).engine) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(load_sql(__package__, name), *arguments, timeout=TIMEOUT_S)
    return rows
