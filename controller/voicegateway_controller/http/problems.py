"""Errors as RFC 9457 problems: the only place that knows which error is which status."""

from typing import Any, Final

import asyncpg
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from voicegateway_controller import errors, metrics
from voicegateway_controller.access import errors as access
from voicegateway_controller.http import errors as conventions
from voicegateway_controller.logs import get_logger
from voicegateway_controller.reconcile.errors import TooManySums, UnreadableFile, VendorRefused, VendorUnavailable
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_shared.errors import VoiceGatewayError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
"""What a client is told to wait when Postgres or Redis is away; the shim adds its own jitter and back-off."""

_STATUS: Final[dict[type[VoiceGatewayError], tuple[int, str]]] = {
    errors.Unauthenticated: (401, "Unauthenticated"),
    errors.Forbidden: (403, "Forbidden"),
    errors.BadRequest: (400, "Bad request"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.BodyTooLarge: (413, "Body too large"),
    errors.Unrated: (422, "No price for this usage"),
    errors.PricesUnreadable: (503, "A managed price cannot be read"),
    errors.UnsupportedMediaType: (415, "Unsupported media type"),
    errors.Overloaded: (429, "Too many requests at once"),
    errors.DatabaseUnavailable: (503, "Postgres is unavailable"),
    errors.RedisUnavailable: (503, "Redis is unavailable"),
    errors.SchemaNotMigrated: (503, "The database schema is not up to date"),
    access.UnknownToken: (401, "Unauthenticated"),
    access.SignInFailed: (401, "The sign-in failed"),
    access.UnknownPerson: (403, "Nobody gave this person a role"),
    access.CrossSite: (403, "Another site asked for this"),
    access.TooManyGuesses: (429, "Too many wrong tokens"),
    access.ProviderUnavailable: (503, "The sign-in provider is unavailable"),
    conventions.RateLimited: (429, "Too many requests"),
    conventions.Misdirected: (421, "Not a name of ours"),
    conventions.IdempotencyKeyInvalid: (400, "Idempotency key cannot be used"),
    conventions.IdempotencyKeyReused: (422, "Idempotency key was used for another request"),
    conventions.IdempotencyInProgress: (409, "The same request is being carried out"),
    conventions.IdempotencyUnknown: (409, "It is not known whether this was carried out"),
    conventions.IdempotencyAnswerNotKept: (409, "This was carried out; the answer is not kept"),
    VendorRefused: (502, "A vendor refused us"),
    VendorUnavailable: (503, "A vendor does not answer"),
    UnreadableFile: (422, "The file cannot be read"),
    VaultLocked: (503, "The vault is locked"),
    TooManySums: (409, "A month too large to compare"),
}
_CODES: Final = {
    400: errors.BadRequest.code,
    404: errors.NotFound.code,
    405: "method_not_allowed",
    413: errors.BodyTooLarge.code,
}
"""Of what FastAPI, Starlette and the guards refuse themselves."""
_log = get_logger(__name__)


def problem(*, status: int, title: str, detail: str, code: str, headers: dict[str, str] | None = None) -> Response:
    """Return one problem; `code` is stable, the sentences are for people."""
    body = {"type": f"urn:voicegateway:{code}", "title": title, "status": status, "detail": detail, "code": code}
    return Response(msgspec.json.encode(body), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def status_of(error: type[VoiceGatewayError]) -> tuple[int, str]:
    """Return the status and title of a kind of error: its own, or that of the nearest kind above it."""
    for kind in error.__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500, "Internal error"


def install(app: FastAPI) -> None:
    """Answer every error of this application as a problem."""
    app.add_exception_handler(VoiceGatewayError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _starlette)
    app.add_exception_handler(asyncpg.exceptions.CharacterNotInRepertoireError, _zero_byte)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, VoiceGatewayError):
        raise error
    return answer(error, path=request.url.path)


def answer(error: VoiceGatewayError, *, path: str) -> Response:
    """Return the problem that an error of ours is; what is our own fault is logged."""
    status, title = status_of(type(error))
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Overloaded):
        headers["Retry-After"] = str(error.retry_after_s)
    elif status == 503 or isinstance(error, conventions.IdempotencyInProgress):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status >= 500:
        _log.warning("request.failed", path=path, code=error.code, detail=str(error))
    return problem(status=status, title=title, detail=str(error), code=error.code, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    detail = "the request does not fit"
    if isinstance(error, RequestValidationError) and error.errors():
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        detail = f"{where}: {first['msg']}"
    return problem(status=422, title="Invalid parameter", detail=detail, code="invalid_parameter")


async def _starlette(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "http_error")
    headers = dict(error.headers) if error.headers else None
    return problem(status=error.status_code, title=error.detail, detail=error.detail, code=code, headers=headers)


async def _zero_byte(request: Request, error: Exception) -> Response:
    # Wherever it stood: no text in Postgres holds one, so nothing is called so.
    refusal = errors.BadRequest("a text of the request holds a zero byte: send it without")
    return answer(refusal, path=request.url.path)


async def _unexpected(request: Request, error: Exception) -> Response:
    metrics.UNEXPECTED_ERRORS.inc()
    _log.error("request.crashed", path=request.url.path, exc_info=error)
    return problem(
        status=500, title="Internal error", detail="something unexpected happened; it was logged", code="internal_error"
    )
