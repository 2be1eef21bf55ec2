"""Read a request's body, but never more of it than a limit, nor for longer than a sender in good health needs."""

import asyncio
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from voicegateway_controller.errors import BadRequest, BodyTooLarge
from voicegateway_controller.http.body_bound import allow_body

BODY_TIMEOUT_S: Final = 30.0
"""A sender slower than this for one body is stuck; its place is given away."""


async def read_body(request: Request, *, limit: int, setting: str) -> bytes:
    """Return the body as sent, or BodyTooLarge as soon as it is longer than `limit` bytes (what `setting` says)."""
    too_large = BodyTooLarge(f"the body is larger than {limit} bytes ({setting}): send less at once")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    allow_body(request.scope, limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError as error:
        raise BadRequest(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from error
    except ClientDisconnect as error:
        raise BadRequest("the sender left before the body was complete") from error
    return b"".join(chunks)
