"""What stands before every route: whose host, how often, how much; and what every answer carries.

Plain ASGI, outside of everything else, so that also an answer to an error nobody foresaw carries its headers. It
decides nothing about who the caller is: that is `http/auth.py`, and it is asked by the routes.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from voicegateway_controller import metrics
from voicegateway_controller.access.cookies import SESSION_COOKIES
from voicegateway_controller.http import problems, security_headers
from voicegateway_controller.http.addresses import counted_as
from voicegateway_controller.http.body_bound import BoundedBody
from voicegateway_controller.http.errors import Misdirected, RateLimited
from voicegateway_controller.http.rates import Rates, Verdict
from voicegateway_controller.http.settings import HttpSettings
from voicegateway_shared.errors import VoiceGatewayError

WORKER_ROUTES: Final = "/v1/"
PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked by addresses instead of names, and by machines that must not be refused because people ask too much."""
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ASKED_HEADERS: Final = ("authorization", "content-type", "if-match", "idempotency-key", "last-event-id")
_TOLD_HEADERS: Final = (
    "etag",
    "retry-after",
    "idempotency-replayed",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "content-disposition",
)


class Guards:
    """Wraps the whole application; lives as long as it."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = _with_origins(app, settings.origins)
        self._body_bytes_max = settings.http_body_bytes_max
        self._hosts = settings.hosts
        self._of_token = _rates(settings.api_requests_per_s_per_token)
        self._of_address = _rates(settings.api_requests_per_s_per_address)
        self._of_worker_address = _rates(settings.worker_requests_per_s_per_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        is_worker = path.startswith(WORKER_ROUTES)
        told: security_headers.Headers = []
        secured = security_headers.secured(send, is_worker=is_worker, is_https=scope["scheme"] == "https", extra=told)
        try:
            if path not in PROBES:
                self._check_host(scope)
                self._check_rate(scope, told, is_worker=is_worker)
        except VoiceGatewayError as error:
            await problems.answer(error, path=path)(scope, receive, secured)
            return
        await self._app(scope, BoundedBody(scope, receive, self._body_bytes_max), secured)

    def _check_host(self, scope: Scope) -> None:
        if not self._hosts:
            return
        host = Headers(scope=scope).get("host", "").lower()
        name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        for allowed in self._hosts:
            if name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:])):
                return
        metrics.HTTP_REFUSALS.labels("host").inc()
        raise Misdirected(f"this API does not go by the name {name[:100]!r}: add it to VOICEGATEWAY_ALLOWED_HOSTS")

    def _check_rate(self, scope: Scope, told: security_headers.Headers, *, is_worker: bool) -> None:
        of_address = self._of_worker_address if is_worker else self._of_address
        if of_address is not None and (client := scope.get("client")) is not None:
            _admit(of_address.take(counted_as(client[0])), told, whose="address")
        if is_worker or self._of_token is None:
            return
        for credential in _credentials(scope):
            verdict = self._of_token.take(credential)
            _admit(verdict, told, whose="token")
            told[:] = _rate_headers(verdict)


def _rates(per_s: float) -> Rates | None:
    return Rates(per_s) if per_s > 0 else None


def _admit(verdict: Verdict, told: security_headers.Headers, *, whose: str) -> None:
    if verdict.is_allowed:
        return
    metrics.HTTP_REFUSALS.labels(f"rate_of_{whose}").inc()
    told[:] = _rate_headers(verdict)
    raise RateLimited(
        f"more requests of this {whose} than VOICEGATEWAY_API_REQUESTS_PER_S_PER_{whose.upper()} allows: "
        f"come back in {verdict.reset_s} s",
        retry_after_s=verdict.reset_s,
    )


def _rate_headers(verdict: Verdict) -> security_headers.Headers:
    return [
        (b"ratelimit-limit", str(verdict.limit).encode()),
        (b"ratelimit-remaining", str(verdict.remaining).encode()),
        (b"ratelimit-reset", str(verdict.reset_s).encode()),
    ]


def _credentials(scope: Scope) -> Iterator[bytes]:
    """Yield what buckets go by: a digest of the whole credential, so that nobody empties another's by its id.

    Read as `http/auth.py` reads it: the same one written otherwise, or with other cookies beside it, is the same one.
    """
    headers = Headers(scope=scope)
    authorization = headers.get("authorization")
    if authorization is not None:
        yield _digest(authorization.partition(" ")[2].strip())
        return
    cookies: dict[str, str] = {}
    for header in headers.getlist("cookie"):
        cookies.update(cookie_parser(header))
    # Which of the two counts is not known here: both are counted.
    yield from (_digest(cookies[name]) for name in SESSION_COOKIES if cookies.get(name))


def _digest(credential: str) -> bytes:
    return hashlib.blake2b(credential.encode(errors="replace"), digest_size=16).digest()


def _with_origins(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Let pages of other origins ask, with a token only: cookies stay with our own."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_ASKED_HEADERS,
        expose_headers=_TOLD_HEADERS,
        allow_credentials=False,
        max_age=600,
    )
