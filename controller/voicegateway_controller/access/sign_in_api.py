"""Sign-in over HTTP: a token or a provider's word becomes a cookie; who is signed in, and no longer."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from voicegateway_controller.access import cookies, schemas
from voicegateway_controller.access.api import NOT_KEPT, described, visitor
from voicegateway_controller.access.errors import (
    CrossSite,
    ProviderUnavailable,
    SignInFailed,
    TooManyGuesses,
    UnknownPerson,
)
from voicegateway_controller.access.oidc import Flow, Oidc
from voicegateway_controller.access.paths import PATH_CHARS_MAX, own_path
from voicegateway_controller.access.rules import Access, parse_sign_in
from voicegateway_controller.declared.http import read_model, takes
from voicegateway_controller.errors import ControllerError, Forbidden, NotFound, Unauthenticated, UnsupportedMediaType
from voicegateway_controller.http.auth import Reader, address_of, identify, verify_token
from voicegateway_controller.http.documented import ANSWERS_SECRET, refuses
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.problems import answer
from voicegateway_controller.http.texts import Name
from voicegateway_controller.resources import Resources

router = APIRouter(prefix="/api/v1", tags=["access"])
BODY_BYTES_MAX: Final = 4 * 1024
"""A token and what stands around it."""
_PUBLIC: Final[dict[str, Any]] = {"x-public": True}
_PAGES: Final = Keyset("sign-ins", datetime, str)
_TO_BROWSER: Final[dict[int | str, dict[str, Any]]] = {
    303: {"description": "On to the provider, to the page that was asked for, or to `/#problem=…`."}
}


@router.get("/sign-in/options", summary="How to sign in, and who is signed in", openapi_extra=_PUBLIC)
async def sign_in_options(request: Request, response: Response) -> schemas.SignInOptions:
    """Answer without a token: what the sign-in page asks first. A cookie that is no good signs nobody in."""
    response.headers.update(NOT_KEPT)
    resources = resources_of(request)
    oidc = resources.oidc
    return schemas.SignInOptions(
        token=True,
        oidc=None if oidc is None else schemas.Provider(name=oidc.name),
        is_secure=cookies.is_secure(request, resources.settings.public_url),
        signed_in=await _signed_in(request),
    )


@router.post(
    "/sign-in",
    summary="Sign in with a token",
    responses=refuses(Unauthenticated, Forbidden, CrossSite, TooManyGuesses, UnsupportedMediaType),
    openapi_extra={**takes(schemas.SignInWithToken), **ANSWERS_SECRET, **_PUBLIC},
)
async def sign_in(request: Request, response: Response) -> schemas.Visitor:
    """Take a token, give a cookie that scripts cannot read. A sign-in that this browser had before is ended."""
    # A form of another site can send texts that look like JSON, but not say that they are.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("send the token as application/json")
    cookies.refuse_foreign_origin(request, resources_of(request).settings.public_url)
    asked = await read_model(request, schemas.SignInWithToken, kind="sign-in", limit=BODY_BYTES_MAX)
    access = await verify_token(request, asked.token.get_secret_value().strip())
    text, begun = await resources_of(request).sign_ins.begin_with_token(access)
    response.headers.update(NOT_KEPT)
    await _replace(request, response, text, begun)
    return _begun(text, begun)


@router.post("/sign-out", summary="Sign out", responses=refuses(CrossSite), openapi_extra={**ANSWERS_SECRET, **_PUBLIC})
async def sign_out(request: Request, response: Response) -> schemas.SignedOut:
    """End the cookie's sign-in and take the cookie away; harmless where nobody is signed in."""
    response.headers.update(NOT_KEPT)
    resources = resources_of(request)
    if cookies.session_of(request, resources.settings.public_url) is not None:
        try:
            access = await identify(request)
            if access.sign_in_id is not None:
                await resources.sign_ins.end(access, access.sign_in_id)
        except (Unauthenticated, NotFound):
            # It has ended already; what is left of it is the cookie.
            cookies.clear_session(request, response, public_url=resources.settings.public_url)
            return schemas.SignedOut()
    cookies.clear_session(request, response, public_url=resources.settings.public_url)
    return schemas.SignedOut()


@router.get(
    "/sign-in/oidc",
    summary="Sign in at the provider",
    status_code=303,
    response_class=Response,
    responses={**_TO_BROWSER, **refuses(NotFound, SignInFailed, ProviderUnavailable)},
    openapi_extra=_PUBLIC,
)
async def sign_in_elsewhere(
    request: Request,
    to: Annotated[str, Query(description="The page to come back to: a path of ours.", max_length=PATH_CHARS_MAX)] = "/",
) -> Response:
    """Send the browser to the provider. Programs that say `Accept: application/json` are answered problems."""
    resources = resources_of(request)
    try:
        oidc = _oidc(resources)
        address, flow = await oidc.begin(to=own_path(to))
    except ControllerError as error:
        return _refused(request, error)
    response = RedirectResponse(address, status_code=303, headers=NOT_KEPT)
    cookies.set_flow(request, response, flow.packed(), public_url=resources.settings.public_url, age_s=oidc.flow_s_max)
    return response


@router.get(
    "/sign-in/oidc/callback",
    summary="Back from the provider",
    status_code=303,
    response_class=Response,
    responses={**_TO_BROWSER, **refuses(NotFound, SignInFailed, UnknownPerson, ProviderUnavailable, TooManyGuesses)},
    openapi_extra=_PUBLIC,
)
async def sign_in_finish(
    request: Request,
    code: Annotated[str, Query(description="What the provider gives for the tokens.", max_length=4_096)] = "",
    state: Annotated[str, Query(description="What this browser began with.", max_length=200)] = "",
    error: Annotated[str, Query(description="Why the provider refused.", max_length=200)] = "",
    iss: Annotated[str, Query(description="Which provider answers, RFC 9207.", max_length=1_000)] = "",
) -> Response:
    """Hold the provider's answer against what this browser began with, and sign the person in."""
    resources = resources_of(request)
    public_url = resources.settings.public_url
    try:
        resources.guesses.refuse_held(address_of(request))
        oidc = _oidc(resources)
        flow = Flow.unpacked(cookies.flow_of(request, public_url) or "")
        if flow is None or not flow.is_same_state(state):
            await resources.guesses.note(address_of(request), f"state {state}", token_id="")
            raise SignInFailed("this sign-in was not begun in this browser, or too long ago: sign in again")
        try:
            person = await oidc.finish(flow, code=code, error=error, issuer=iss)
        except SignInFailed:
            # Each code that somebody makes up costs a question at the provider.
            if code:
                await resources.guesses.note(address_of(request), f"code {code}", token_id="")
            raise
        text, begun = await resources.sign_ins.begin_with_person(person)
    except ControllerError as refusal:
        refused = _refused(request, refusal)
        cookies.set_flow(request, refused, "", public_url=public_url, age_s=0)
        return refused
    response = RedirectResponse(own_path(flow.to), status_code=303, headers=NOT_KEPT)
    cookies.set_flow(request, response, "", public_url=public_url, age_s=0)
    await _replace(request, response, text, begun)
    return response


@router.get("/sign-ins", summary="Who is signed in, the newest first")
async def sign_ins(
    request: Request,
    access: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
    actor: Annotated[Name | None, Query(description="Only of this token's id or person.")] = None,
) -> schemas.SignIns:
    """Sign-ins in force: one's own; everybody's for admins of all projects."""
    filters = {"actor": actor or ""}
    before = _PAGES.read(cursor, filters=filters)
    rows = await resources_of(request).sign_ins.page(
        access, before=None if before is None else (before[0], before[1]), limit=limit + 1, actor=actor or ""
    )
    page = _PAGES.cut(rows, limit=limit, key=lambda row: (row.created_at, row.id), filters=filters)
    shown = [
        schemas.SignIn(
            id=row.id,
            actor=row.actor,
            name=row.name,
            role=row.role,  # type: ignore[arg-type]  # pydantic reads it, and the database checks it
            projects=row.projects,
            with_token=row.token_id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            is_current=row.id == access.sign_in_id,
        )
        for row in page.rows
    ]
    return schemas.SignIns(sign_ins=shown, next=page.next)


@router.delete("/sign-ins/{sign_in_id}", summary="End a sign-in", responses=refuses(NotFound))
async def end_sign_in(request: Request, access: Reader, sign_in_id: Name) -> schemas.SignedOut:
    """Refuse its cookie from now on, at every replica within a second. Admins of all projects end anybody's."""
    await resources_of(request).sign_ins.end(access, sign_in_id)
    return schemas.SignedOut()


async def _signed_in(request: Request) -> schemas.Visitor | None:
    if cookies.session_of(request, resources_of(request).settings.public_url) is None:
        return None
    if "authorization" in request.headers:
        return None
    try:
        return visitor(request, await identify(request))
    except (Unauthenticated, Forbidden):
        return None


async def _replace(request: Request, response: Response, text: str, begun: Access) -> None:
    """Give the browser its new session, and end the one it had: whoever planted or copied that one has nothing."""
    resources = resources_of(request)
    public_url = resources.settings.public_url
    before = cookies.session_of(request, public_url)
    if before is not None:
        try:
            had = await resources.sign_ins.verify(before)
            if had.sign_in_id is not None:
                await resources.sign_ins.end(had, had.sign_in_id)
        except (Unauthenticated, NotFound):
            # It was none any more.
            before = None
    expires_at = begun.expires_at or datetime.now(UTC)
    age_s = max(1, int((expires_at - datetime.now(UTC)).total_seconds()))
    cookies.set_session(request, response, text, public_url=public_url, age_s=age_s)


def _begun(text: str, begun: Access) -> schemas.Visitor:
    parsed = parse_sign_in(text)
    return described(begun, csrf_token=None if parsed is None else cookies.csrf_token(parsed.secret))


def _refused(request: Request, error: ControllerError) -> Response:
    """Take a person back to the sign-in page, which says why; answer a program a problem."""
    accept = request.headers.get("accept", "")
    if "json" in accept and "text/html" not in accept:
        return answer(error, path=request.url.path)
    return RedirectResponse(f"/#problem={quote(str(error), safe='')}", status_code=303, headers=NOT_KEPT)


def _oidc(resources: Resources) -> Oidc:
    if resources.oidc is None:
        raise NotFound("single sign-on is not set up here: set VOICEGATEWAY_OIDC_ISSUER, or sign in with a token")
    return resources.oidc
