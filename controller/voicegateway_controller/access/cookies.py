"""The session's cookie: opaque, for this host alone, out of reach of scripts; and the proof that a page of ours asks.

The proof (`X-CSRF-Token`) is derived from the cookie's secret: another site's page can send the cookie along, but
neither read it nor, without an answer of ours that it may not read, know the proof.
"""

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from voicegateway_controller import metrics
from voicegateway_controller.access.errors import CrossSite

CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SECURE_NAME: Final = "__Host-voicegateway"
"""Browsers take a cookie of such a name only over TLS, for this very host and the whole of it."""
_PLAIN_NAME: Final = "voicegateway"
SESSION_COOKIES: Final = (_SECURE_NAME, _PLAIN_NAME)
"""Each name that a session's cookie may have."""
_FLOW_SUFFIX: Final = "-sign-in"
_PURPOSE: Final = b"voicegateway csrf"


def is_secure(request: Request, public_url: str) -> bool:
    """Say whether the browser speaks TLS with us, or with what stands before us."""
    return public_url.startswith("https:") or request.url.scheme == "https"


def session_of(request: Request, public_url: str) -> str | None:
    """Return the session's cookie. Over TLS only the one that nobody but this host over TLS can have set."""
    return request.cookies.get(_name(request, public_url)) or None


def set_session(request: Request, response: Response, text: str, *, public_url: str, age_s: int) -> None:
    """Give the browser a session."""
    _set(request, response, _name(request, public_url), text, public_url=public_url, age_s=age_s)


def clear_session(request: Request, response: Response, *, public_url: str) -> None:
    """Take the session from the browser."""
    _set(request, response, _name(request, public_url), "", public_url=public_url, age_s=0)


def flow_of(request: Request, public_url: str) -> str | None:
    """Return what was noted when a sign-in at a provider began in this browser."""
    return request.cookies.get(_name(request, public_url) + _FLOW_SUFFIX) or None


def set_flow(request: Request, response: Response, text: str, *, public_url: str, age_s: int) -> None:
    """Note what belongs to a sign-in that begins; an empty text and no age take the note away."""
    _set(request, response, _name(request, public_url) + _FLOW_SUFFIX, text, public_url=public_url, age_s=age_s)


def csrf_token(secret: str) -> str:
    """Return what a page of ours proves itself with, of a session's secret."""
    digest = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def refuse_cross_site(request: Request, secret: str, public_url: str) -> None:
    """Let through what a page of ours asked for with the cookie; CrossSite for a change that none proved to ask for."""
    if request.method in SAFE_METHODS:
        return
    refuse_foreign_origin(request, public_url)
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(errors="replace"), csrf_token(secret).encode()):
        metrics.ACCESS_REFUSED.labels("cross_site").inc()
        raise CrossSite(
            f"a change with a sign-in's cookie needs the header {CSRF_HEADER}: the `csrf_token` of GET /api/v1/whoami"
        )


def refuse_foreign_origin(request: Request, public_url: str) -> None:
    """Raise CrossSite when the browser says that another site's page asks. Programs say nothing, and pass."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    # Behind a proxy that ends TLS we do not see the scheme; the host is what the cookie belongs to.
    own = {request.headers.get("host", "").lower(), _host(public_url)} - {""}
    if (origin is not None and _host(origin) not in own) or site not in ("same-origin", "none"):
        metrics.ACCESS_REFUSED.labels("cross_site").inc()
        raise CrossSite(
            "another site's page asked for this: only pages of this controller may"
            + (f", at {public_url} (VOICEGATEWAY_PUBLIC_URL)" if public_url else "")
        )


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(request: Request, public_url: str) -> str:
    return _SECURE_NAME if is_secure(request, public_url) else _PLAIN_NAME


def _set(request: Request, response: Response, name: str, text: str, *, public_url: str, age_s: int) -> None:
    response.set_cookie(
        name,
        text,
        max_age=age_s,
        path="/",
        secure=is_secure(request, public_url),
        httponly=True,
        # Not strict: a person who follows a link to the dashboard is signed in there.
        samesite="lax",
    )
