"""Live events over HTTP: Server-Sent Events that go on where they broke off, and the last ones as JSON."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.errors import DatabaseUnavailable, RedisUnavailable
from voicegateway_controller.events import schemas
from voicegateway_controller.events.event import BEGINNING, Filter, Id, checked_kinds, format_id, parse_id
from voicegateway_controller.events.hub import Hub
from voicegateway_controller.events.stream import KEPT, PAGE, EventStream, Numbered
from voicegateway_controller.http.auth import Reader, reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.texts import VISIBLE
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import VoiceGatewayError

HEARTBEAT_S: Final = 10.0
"""Between two signs of life; proxies close what is silent for half a minute or so."""
VERIFY_S: Final = 10.0
"""How often the token is looked at again: one that was revoked hears no more."""
RETRY_MS: Final = 2_000
"""When a browser comes back after the answer broke off."""
RECENT_MAX: Final = 1_000
_encode: Final = msgspec.json.Encoder().encode
_log = get_logger(__name__)

router = APIRouter(prefix="/api/v1/events", tags=["events"])


def _text(description: str) -> Any:
    return Query(description=description, max_length=256, pattern=VISIBLE)


Kinds = Annotated[
    list[str] | None,
    Query(description="Only these: `request`, `session`, `breaker` … or whole kinds; repeat it.", max_length=32),
]
Project = Annotated[str | None, _text("Only this project's; all that the token reaches when absent.")]
Session = Annotated[str, _text("Only this call's.")]
Provider = Annotated[str, _text("Only this vendor's.")]
Model = Annotated[str, _text("Only of this model, without its provider.")]
Outcome = Annotated[str, _text("Of requests: `ok`, `cancelled`, `interrupted` or `error`.")]


@router.get(
    "",
    summary="Live events (SSE)",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events, as they come."}
    },
)
async def stream(
    request: Request,
    access: Reader,
    kind: Kinds = None,
    project: Project = None,
    session: Session = "",
    provider: Provider = "",
    model: Model = "",
    outcome: Outcome = "",
    replay: Annotated[int, Query(ge=0, le=RECENT_MAX, description="Begin with so many events that were.")] = 0,
    after: Annotated[str | None, Query(description="Begin behind this event.", max_length=64)] = None,
    last_event_id: Annotated[
        str | None, Header(description="What a browser sends when it comes back; as `after`.", max_length=64)
    ] = None,
) -> StreamingResponse:
    """Server-Sent Events: `id`, `event` (the kind) and `data` (JSON with `id`, `kind`, `at`, `project`, `data`).

    A comment every ten seconds while nothing happens. Behind a lost connection it goes on where it was, by any replica;
    `event: gap` says that events in between are kept no longer. `event: end` says why the answer ends.
    """
    reachable(access, project)
    fields = {"session_id": session, "provider": provider, "model": model, "outcome": outcome}
    wanted = Filter(kinds=checked_kinds(kind or ()), project=project or "", fields=fields)
    told = last_event_id or after
    resources = resources_of(request)
    hub, events = resources.events_hub, resources.events
    listening = AsyncExitStack()
    await listening.enter_async_context(hub.listening())
    try:
        first, gap_after = await _beginning(events, hub, parse_id(told) if told else None, replay)
    except BaseException:
        await listening.aclose()
        raise
    pieces = _pieces(request, access, hub, wanted, listening, first, gap_after=gap_after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(pieces, media_type="text/event-stream", headers=headers)


@router.get("/recent", summary="The last events")
async def recent(
    request: Request,
    access: Reader,
    kind: Kinds = None,
    project: Project = None,
    session: Session = "",
    provider: Provider = "",
    model: Model = "",
    outcome: Outcome = "",
    limit: Annotated[int, Query(ge=1, le=RECENT_MAX, description="How many, at most.")] = 100,
) -> schemas.EventsRecent:
    """Events that are kept, at most 20,000 and only while Redis lives: for looking, not for counting."""
    reachable(access, project)
    fields = {"session_id": session, "provider": provider, "model": model, "outcome": outcome}
    wanted = Filter(kinds=checked_kinds(kind or ()), project=project or "", fields=fields)
    found = await resources_of(request).events.newest(KEPT)
    shown = [(its_id, event) for its_id, event in found if event.is_for(access) and wanted.takes(event)]
    return schemas.EventsRecent(
        events=[schemas.EventRow(**_document(each)) for each in shown[-limit:]],
        last_id=format_id(found[-1][0] if found else BEGINNING),
    )


async def _beginning(events: EventStream, hub: Hub, told: Id | None, replay: int) -> tuple[Id, Id | None]:
    """Return the event behind which to begin, and the one since which some are lost to who comes back."""
    if told is not None:
        oldest, newest = await events.oldest_id(), await hub.newest_id()
        is_lost = told != BEGINNING and (oldest is None or oldest > told or told > newest)
        # Ahead of all there are: another Redis, whose clock is behind. Nothing would be heard until it has caught up.
        return min(told, newest), told if is_lost else None
    if replay:
        found = await events.newest(replay + 1)
        return (found[0][0] if len(found) > replay else BEGINNING), None
    return await hub.newest_id(), None


async def _pieces(
    request: Request,
    access: Access,
    hub: Hub,
    wanted: Filter,
    listening: AsyncExitStack,
    last: Id,
    *,
    gap_after: Id | None,
) -> AsyncIterator[bytes]:
    """Yield what is sent, until the listener leaves, may hear no more, or the process ends."""
    async with listening:
        yield f"retry: {RETRY_MS}\n\n".encode()
        if gap_after is not None:
            yield _said("gap", {"after": format_id(gap_after), "detail": "events since this one are kept no longer"})
        verified_s = said_s = time.monotonic()
        while not hub.is_closing:
            now_s = time.monotonic()
            if now_s - verified_s >= VERIFY_S:
                verified_s = now_s
                try:
                    access = await reader(request)
                except VoiceGatewayError as error:
                    # While Postgres is away nobody can revoke it. Having to wait is no leave to go on: who holds a
                    # revoked token could hear for ever, by guessing others.
                    if not isinstance(error, DatabaseUnavailable):
                        yield _said("end", {"code": error.code, "detail": str(error)})
                        return
            found = await _found(hub, last)
            for numbered in found:
                last = numbered[0]
                if numbered[1].is_for(access) and wanted.takes(numbered[1]):
                    yield _shown(numbered)
                    said_s = time.monotonic()
            if len(found) == PAGE:
                # The others have their turn before the next page.
                await asyncio.sleep(0)
                continue
            if time.monotonic() - said_s >= HEARTBEAT_S:
                # With its id, who comes back need not read again what was not for him.
                yield f": {format_id(last)}\n\n".encode()
                said_s = time.monotonic()
            await hub.wait(within_s=min(HEARTBEAT_S, VERIFY_S) / 2)
        yield _said("end", {"code": "closing", "detail": "this replica is going: come back"})


async def _found(hub: Hub, last: Id) -> list[Numbered]:
    try:
        return await hub.after(last)
    except RedisUnavailable:
        # Heartbeats go on; what was told meanwhile comes when it is back, as far as it is kept.
        return []


def _document(numbered: Numbered) -> dict[str, Any]:
    its_id, event = numbered
    return {"id": format_id(its_id), "kind": event.kind, "at": event.at, "project": event.project, "data": event.data}


def _shown(numbered: Numbered) -> bytes:
    its_id, event = numbered
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        format_id(its_id).encode(),
        event.kind.encode(),
        _encode(_document(numbered)),
    )


def _said(event: str, data: dict[str, str]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), _encode(data))
