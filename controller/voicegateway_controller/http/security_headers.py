"""The headers that every answer carries, unless the route says something of its own."""

from typing import Final

from starlette.types import Message, Send

Headers = list[tuple[bytes, bytes]]

HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
"""A year, without the names below ours: they may be somebody else's."""
MACHINES: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
"""Of the worker routes, which no browser shows; each header costs a message a microsecond."""
PEOPLE: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
]
_NOTHING: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
_PAGE: Final = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
    b"form-action 'none'",
)
"""Of pages that we write: reports, statements. They bring their styles along and run nothing."""


def secured(send: Send, *, is_worker: bool, is_https: bool, extra: Headers) -> Send:
    """Return a `send` that adds what an answer lacks."""

    async def send_secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            own: Headers = list(message.get("headers", ()))
            if is_worker:
                own.extend(MACHINES)
            else:
                _complete(own)
            own.extend(extra)
            if is_https:
                own.append(HSTS)
            message["headers"] = own
        await send(message)

    return send_secured


def _complete(own: Headers) -> None:
    present: dict[bytes, bytes] = {name.lower(): value for name, value in own}
    own.extend(header for header in PEOPLE if header[0] not in present)
    if b"content-security-policy" not in present:
        own.append(_PAGE if present.get(b"content-type", b"").startswith(b"text/html") else _NOTHING)
