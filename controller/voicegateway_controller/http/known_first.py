"""Whose body is it: one of some size is read only of who is known, wherever a route would read it before it asks.

FastAPI reads a route's body before its dependencies, the caller's token among them: whoever has none could have a
process hold a megabyte for each of thousands of requests.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from voicegateway_controller.http import problems
from voicegateway_controller.http.auth import identify
from voicegateway_shared.errors import VoiceGatewayError

PREFIX: Final = "/api/"
PUBLIC: Final = frozenset({"/api/v1/sign-in", "/api/v1/sign-out"})
"""Of who is not known yet; they read less than STRANGER_BYTES_MAX."""
STRANGER_BYTES_MAX: Final = 16 * 1024
"""Most changes are smaller, and cost nothing here."""
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class KnownFirst:
    """Wraps the application behind the guards; lives as long as it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is small or from somebody known; answer the rest as its route would, unread."""
        if scope["type"] == "http" and _is_large(scope):
            try:
                await identify(Request(scope))
            except VoiceGatewayError as error:
                await problems.answer(error, path=scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_large(scope: Scope) -> bool:
    path: str = scope["path"]
    if scope["method"] in _WITHOUT_BODY or not path.startswith(PREFIX) or path in PUBLIC:
        return False
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    if declared:
        return not declared.isdecimal() or int(declared) > STRANGER_BYTES_MAX
    # In pieces: nobody knows how many come.
    return "transfer-encoding" in headers
