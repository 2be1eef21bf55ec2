"""The audit log over HTTP: pages, all of it as a file, and whether it is what was written."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from voicegateway_controller.audit import schemas
from voicegateway_controller.audit.differences import differences
from voicegateway_controller.audit.service import AuditLog
from voicegateway_controller.audit.store import Filters, RecordRow
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.auth import Admin
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.texts import Name

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
_PAGES: Final = Keyset("audit", int)
_NUMBER_MAX: Final = 2**62
_YEARS: Final = (1970, 9000)
"""Postgres reads no instants at the ends of Python's range."""
_MEDIA: Final = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}

Actor = Annotated[Name | None, Query(description="Only what this token's id or `oidc:` person did.")]
Action = Annotated[Name | None, Query(description="Only this: `limits.declare`; or `limits.` for all of a noun's.")]
Resource = Annotated[Name | None, Query(description="Only of this: `tokens/1f2e…`; or `tokens/` for all of a kind.")]
Project = Annotated[Name | None, Query(description="Only of this project.")]
Since = Annotated[datetime | None, Query(description="Not before; without an offset it is UTC.")]
Until = Annotated[datetime | None, Query(description="Before; without an offset it is UTC.")]


@router.get("", summary="The audit log, the newest first")
async def audit(
    request: Request,
    _: Admin,
    cursor: Cursor = None,
    limit: Limit = 50,
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    number: Annotated[int | None, Query(description="Only this record.", ge=1, le=_NUMBER_MAX)] = None,
    after: Annotated[
        int | None, Query(description="Newer than this number, the oldest first: to follow.", ge=0, le=_NUMBER_MAX)
    ] = None,
) -> schemas.Records:
    """Who changed what, when, and what it was before. `after` asks the other way round, and has no cursor."""
    filters = _filters(actor, action, resource, project, since, until, number)
    log = _log(request)
    newest, _digest = await log.head()
    if after is not None:
        if cursor:
            raise BadRequest("cursor: `after` needs none; ask again with the last record's number")
        rows = await log.oldest_first(filters, after=after, limit=limit)
        return schemas.Records(records=[_shown(row) for row in rows], next=None, newest=newest)
    asked = {"filters": filters}
    before = _PAGES.read(cursor, filters=asked)
    rows = await log.newest_first(filters, before=None if before is None else before[0], limit=limit + 1)
    page = _PAGES.cut(rows, limit=limit, key=lambda row: (row.number,), filters=asked)
    return schemas.Records(records=[_shown(row) for row in page.rows], next=page.next, newest=newest)


@router.get(
    "/export",
    summary="The audit log as a file",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "All records up to now, the oldest first.",
            "content": {media: {"schema": {"type": "string"}} for media in ("application/jsonl", "text/csv")},
        }
    },
)
async def export(
    request: Request,
    _: Admin,
    file_format: Annotated[
        Literal["jsonl", "csv"], Query(alias="format", description="`jsonl` holds all that a seal is made of.")
    ] = "jsonl",
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
) -> StreamingResponse:
    """Without filters, a JSONL export can be verified by itself: `voicegw audit verify --file`."""
    filters = _filters(actor, action, resource, project, since, until, None)
    # Asked before the answer begins: an outage is a problem and no empty file.
    await _log(request).head()
    return StreamingResponse(
        _log(request).export(filters, file_format=file_format),
        media_type=_MEDIA[file_format],
        headers={
            "Content-Disposition": f'attachment; filename="voicegateway-audit.{file_format}"',
            "Cache-Control": "no-store",
        },
    )


@router.get("/verify", summary="Is the audit log what was written")
async def verify(
    request: Request,
    _: Admin,
    number: Annotated[
        int | None, Query(description="The record whose seal was kept elsewhere.", ge=1, le=_NUMBER_MAX)
    ] = None,
    head: Annotated[str, Query(description="That seal.", pattern="^([0-9a-fA-F]{64})?$")] = "",
) -> schemas.Verification:
    """Check each seal, from the first record on; with a seal kept elsewhere also that none was written anew."""
    if (number is None) != (head == ""):
        raise BadRequest("number and head go together: both as they were told when they were kept")
    verdict = await _log(request).verify(head_number=number, head_digest=head)
    broken = verdict.broken
    return schemas.Verification(
        ok=broken is None,
        checked=verdict.checked,
        newest=verdict.number,
        head=verdict.digest,
        broken=None if broken is None else schemas.Broken(number=broken.number, reason=broken.reason),
    )


def _filters(
    actor: str | None,
    action: str | None,
    resource: str | None,
    project: str | None,
    since: datetime | None,
    until: datetime | None,
    number: int | None,
) -> Filters:
    return Filters(
        actor=actor or "",
        action=action or "",
        resource=resource or "",
        project=project or "",
        since=_instant(since),
        until=_instant(until),
        number=number,
    )


def _instant(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise BadRequest(f"{at.isoformat()} is no time of this log")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _shown(row: RecordRow) -> schemas.Record:
    before, after = _document(row.before), _document(row.after)
    return schemas.Record(
        number=row.number,
        at=row.at,
        actor=row.actor,
        actor_name=row.actor_name,
        action=row.action,
        resource=row.resource,
        project=row.project,
        reason=row.reason,
        before=before,
        after=after,
        changes=differences(before, after),
        digest=row.digest.hex(),
    )


def _document(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _log(request: Request) -> AuditLog:
    return resources_of(request).audit
