"""Tokens over HTTP: who is calling, which tokens there are, new ones, no more of one."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from voicegateway_controller.access import cookies, schemas
from voicegateway_controller.access.rules import Access, Role, parse_sign_in
from voicegateway_controller.access.store import TokenRow
from voicegateway_controller.errors import Conflict, NotFound
from voicegateway_controller.http.auth import Admin, Anybody
from voicegateway_controller.http.documented import ANSWERS_SECRET, refuses
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.texts import Name

router = APIRouter(prefix="/api/v1", tags=["access"])
_PAGES: Final = Keyset("tokens", datetime, str)
NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""Of answers that hold what nobody else may see: no cache between us and the caller keeps them."""


@router.get("/whoami", summary="Who is calling")
async def whoami(request: Request, response: Response, access: Anybody) -> schemas.Visitor:
    """Role and projects of the token or the sign-in that the request came with; any role may ask."""
    response.headers.update(NOT_KEPT)
    return visitor(request, access)


@router.get("/tokens", summary="The tokens, the newest first")
async def tokens(
    request: Request,
    _: Admin,
    cursor: Cursor = None,
    limit: Limit = 50,
    role: Annotated[Role | None, Query(description="Only of this role.")] = None,
    project: Annotated[Name | None, Query(description="Only those that reach this project.")] = None,
    state: Annotated[schemas.State | None, Query(description="Only those in this state.")] = None,
) -> schemas.Tokens:
    """All tokens there ever were, revoked ones too; their secrets are not stored."""
    filters = {"role": role or "", "project": project or "", "state": state or ""}
    before = _PAGES.read(cursor, filters=filters)
    rows = await resources_of(request).token_desk.page(
        before=None if before is None else (before[0], before[1]), limit=limit + 1, **filters
    )
    page = _PAGES.cut(rows, limit=limit, key=lambda row: (row.created_at, row.id), filters=filters)
    return schemas.Tokens(tokens=[_shown(row) for row in page.rows], next=page.next)


@router.post("/tokens", summary="Make a token", status_code=201, openapi_extra=ANSWERS_SECRET)
async def create_token(
    request: Request, response: Response, access: Admin, wanted: schemas.NewToken
) -> schemas.MadeToken:
    """Answer the new token's text, which is stored nowhere and shown never again."""
    response.headers.update(NOT_KEPT)
    expires_at = wanted.expires_at
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    text, row = await resources_of(request).token_desk.create(
        access, role=wanted.role, name=wanted.name, projects=wanted.projects, expires_at=expires_at
    )
    return schemas.MadeToken(**_shown(row).model_dump(), token=text)


@router.get("/tokens/{token_id}", summary="One token", responses=refuses(NotFound))
async def get_token(request: Request, _: Admin, token_id: Name) -> schemas.Token:
    """What is known of a token, by the id between its underscores."""
    return _shown(await resources_of(request).token_desk.find(token_id))


@router.delete("/tokens/{token_id}", summary="Revoke a token", responses=refuses(NotFound, Conflict))
async def revoke_token(
    request: Request,
    access: Admin,
    token_id: Name,
    reason: Annotated[str, Query(description="Why; kept in the audit log.", max_length=500)] = "",
    force: Annotated[bool, Query(description="Even the last admin's of all projects.")] = False,
) -> schemas.Token:
    """Refuse it from now on, with all sign-ins begun with it; every replica does within a second. For good."""
    row = await resources_of(request).token_desk.revoke(access, token_id, reason=reason, is_forced=force)
    return _shown(row)


def visitor(request: Request, access: Access) -> schemas.Visitor:
    """Return what a caller may know of themselves."""
    cookie = cookies.session_of(request, resources_of(request).settings.public_url) if access.sign_in_id else None
    parsed = parse_sign_in(cookie or "")
    return described(access, csrf_token=None if parsed is None else cookies.csrf_token(parsed.secret))


def described(access: Access, *, csrf_token: str | None) -> schemas.Visitor:
    """Return what an access is, with the proof that its pages need."""
    return schemas.Visitor(
        actor=access.actor,
        name=access.name,
        kind="token" if access.sign_in_id is None else "session",
        role=access.role,
        projects=None if access.projects is None else sorted(access.projects),
        expires_at=access.expires_at,
        sign_in_id=access.sign_in_id,
        csrf_token=csrf_token,
    )


def _shown(row: TokenRow) -> schemas.Token:
    state: schemas.State = "active"
    if row.revoked_at is not None:
        state = "revoked"
    elif row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        state = "expired"
    return schemas.Token(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        projects=row.projects,
        state=state,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
