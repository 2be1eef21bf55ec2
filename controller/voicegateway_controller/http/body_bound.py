"""The bound on every request's body: routes that read a larger one say so by `read_body`."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

_SCOPE_KEY: Final = "voicegateway.body"


class BoundedBody:
    """Counts what a request's body brings; lives as long as the request. Called in place of ASGI's `receive`."""

    __slots__ = ("_limit", "_receive", "_size")

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        scope[_SCOPE_KEY] = self

    async def __call__(self) -> Message:
        """Hand the next part on; HTTPException 413 once it is too much, which FastAPI lets through to our problems."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                raise too_large(self._limit)
        return message

    def allow(self, limit: int) -> None:
        """Let up to `limit` bytes through: the route counts for itself."""
        self._limit = max(self._limit, limit)


def too_large(limit: int) -> HTTPException:
    """Return the refusal of a body over the general limit."""
    return HTTPException(
        413, f"the body is larger than {limit} bytes (VOICEGATEWAY_HTTP_BODY_BYTES_MAX): send less at once"
    )


def allow_body(scope: Scope, limit: int) -> None:
    """Let a route that counts for itself read up to `limit` bytes."""
    bound = scope.get(_SCOPE_KEY)
    if isinstance(bound, BoundedBody):
        bound.allow(limit)
