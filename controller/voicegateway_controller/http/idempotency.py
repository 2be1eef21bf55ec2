"""`Idempotency-Key` on every POST under `/api/`: said twice, done once, and the first one's answer both times.

Only what was carried out is remembered: a request that was refused, or failed, may be sent again with the same key and
is tried anew. What a process was doing when it died is not known to have been done or not, and is answered so.
"""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import BadRequest, BodyTooLarge, DatabaseUnavailable, Unauthenticated
from voicegateway_controller.http import idempotency_store as store
from voicegateway_controller.http import problems
from voicegateway_controller.http.auth import identify
from voicegateway_controller.http.documented import ANSWERS_SECRET
from voicegateway_controller.http.errors import (
    IdempotencyAnswerNotKept,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotencyUnknown,
)
from voicegateway_controller.http.idempotency_store import Kept
from voicegateway_controller.logs import get_logger
from voicegateway_controller.resources import Resources
from voicegateway_shared.errors import VoiceGatewayError

PREFIX: Final = "/api/"
KEY_CHARS_MAX: Final = 255
ANSWER_BYTES_MAX: Final = 256 * 1024
"""Of an answer that is kept; answers to changes are a few KiB."""
UNKNOWN_AFTER: Final = timedelta(minutes=5)
"""No request takes so long: who carried it out is gone."""
SWEEP_S: Final = 60.0
_VISIBLE: Final = re.compile(r"[!-~]+")
_KEPT_HEADERS: Final = frozenset({b"content-type", b"etag", b"location", b"content-disposition"})
_TOKEN: Final = re.compile(rb"vgw_[0-9a-f]{8,}_|vgs_")
"""Of ours. A route that answers secrets says so; this is for the one that forgot."""
_log = get_logger(__name__)


class Idempotency:
    """Wraps the application behind the guards; lives as long as it."""

    def __init__(self, app: ASGIApp, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._monotonic = monotonic
        self._swept_at_s = monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what carries no key; of what does, answer what was said before or carry it out and remember."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        keys = Headers(scope=scope).getlist("idempotency-key")
        if not keys:
            await self._app(scope, receive, send)
            return
        try:
            await self._once(scope, receive, send, _checked(keys))
        except VoiceGatewayError as error:
            await problems.answer(error, path=scope["path"])(scope, receive, send)

    async def _once(self, scope: Scope, receive: Receive, send: Send, key: str) -> None:
        try:
            access = await identify(Request(scope))
        except Unauthenticated:
            # There is nobody to remember it for. The route says so, or needs no token.
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        digest = _digest(access.actor.encode(), key.encode())
        fingerprint = _digest(scope["path"].encode(), scope["query_string"], body)
        resources: Resources = scope["app"].state.resources
        async with raw_connection(resources.engine) as connection:
            said_before = await store.begin(connection, digest, fingerprint)
            if self._monotonic() - self._swept_at_s > SWEEP_S:
                self._swept_at_s = self._monotonic()
                await store.sweep(connection)
        if said_before is not None:
            await _repeat(said_before, fingerprint, send)
            return
        answer = _Answer(scope, send, lambda **facts: self._remember(resources, digest, **facts))
        try:
            await self._app(scope, _replay(body, receive), answer.take)
        except Exception:
            await self._remember(resources, digest, status=500)
            raise
        if not answer.is_told:
            await self._remember(resources, digest, status=500)

    async def _remember(
        self,
        resources: Resources,
        digest: bytes,
        *,
        status: int,
        headers: str | None = None,
        body: bytes | None = None,
    ) -> None:
        """Keep what came of it. Postgres that is away now takes nothing back: the change was made."""
        try:
            async with raw_connection(resources.engine) as connection:
                if status >= 300:
                    await store.release(connection, digest)
                    return
                is_kept = body is not None
                await store.end(connection, digest, is_kept=is_kept, status=status, headers=headers, body=body)
        except DatabaseUnavailable as error:
            _log.warning("idempotency.not_kept", status=status, detail=str(error))


class _Answer:
    """One answer on its way: held back until it is kept, so that whoever has it can have it again."""

    def __init__(self, scope: Scope, send: Send, remember: Callable[..., Any]) -> None:
        self._scope = scope
        self._send = send
        self._remember = remember
        self._held: list[Message] = []
        self._size = 0
        self.is_told = False

    async def take(self, message: Message) -> None:
        """Hold a part back, or let everything go once it is complete or too large."""
        if self.is_told:
            await self._send(message)
            return
        self._held.append(message)
        if message["type"] == "http.response.start":
            return
        self._size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if not is_complete and self._size <= ANSWER_BYTES_MAX:
            return
        self.is_told = True
        start = self._held[0]
        body = b"".join(part.get("body", b"") for part in self._held[1:])
        if is_complete and self._may_be_kept(start, body):
            kept = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ())]
            headers = msgspec.json.encode([pair for pair in kept if pair[0].lower().encode() in _KEPT_HEADERS])
            await self._remember(status=start["status"], headers=headers.decode(), body=body)
        else:
            await self._remember(status=start["status"])
        for part in self._held:
            await self._send(part)
        self._held.clear()

    def _may_be_kept(self, start: Message, body: bytes) -> bool:
        extra = getattr(self._scope.get("route"), "openapi_extra", None) or {}
        sets_cookie = any(name.lower() == b"set-cookie" for name, _ in start.get("headers", ()))
        is_secret = any(extra.get(mark) for mark in ANSWERS_SECRET) or sets_cookie or _TOKEN.search(body) is not None
        return not is_secret and len(body) <= ANSWER_BYTES_MAX


async def _repeat(said_before: Kept, fingerprint: bytes, send: Send) -> None:
    """Answer what was answered, or say why not."""
    if said_before.request != fingerprint:
        raise IdempotencyKeyReused(
            "this Idempotency-Key came with another request before: take a new key for each thing to be done"
        )
    if said_before.ended_at is None:
        if said_before.asked_at - said_before.begun_at > UNKNOWN_AFTER:
            raise IdempotencyUnknown(
                "the process that carried this out ended before it said what became of it: look whether it was done, "
                "and if not send it with a new Idempotency-Key"
            )
        raise IdempotencyInProgress("the same request is being carried out: ask again in a moment")
    if not said_before.is_kept or said_before.status is None or said_before.headers is None:
        raise IdempotencyAnswerNotKept(
            "this was carried out, and is not done again; what it answered held a secret or was too large to be kept"
        )
    headers: list[tuple[str, str]] = msgspec.json.decode(said_before.headers, type=list[tuple[str, str]])
    body = said_before.body or b""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    raw += [(b"content-length", str(len(body)).encode()), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": said_before.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _checked(keys: list[str]) -> str:
    if len(keys) > 1 or not 0 < len(keys[0]) <= KEY_CHARS_MAX or not _VISIBLE.fullmatch(keys[0]):
        raise IdempotencyKeyInvalid(
            f"Idempotency-Key must be 1 to {KEY_CHARS_MAX} visible ASCII characters, sent once, such as a UUID"
        )
    return keys[0]


async def _read(receive: Receive) -> bytes:
    """Return the whole body, within the guards' bound."""
    chunks: list[bytes] = []
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the sender left before the body was complete")
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(chunks)
    except HTTPException as error:
        raise BodyTooLarge(f"{error.detail}, or leave the Idempotency-Key out") from error


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that brings a body that was read already, and then what else happens."""
    is_brought = False

    async def receive_again() -> Message:
        nonlocal is_brought
        if is_brought:
            return await receive()
        is_brought = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
