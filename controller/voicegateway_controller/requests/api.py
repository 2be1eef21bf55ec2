"""Requests over HTTP: a list with filters, and one of them with its span and its entries."""

from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.http.auth import Reader
from voicegateway_controller.http.instants import Instant
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.texts import VISIBLE
from voicegateway_controller.requests import schemas
from voicegateway_controller.requests.service import Key, Requests, Wanted, key_of, row_of

router = APIRouter(prefix="/api/v1/requests", tags=["requests"])
_PAGES = Keyset("requests", str, UUID)


def _filter(description: str) -> Any:
    return Query(description=description, max_length=256, pattern=VISIBLE)


@router.get("", summary="Requests, the newest first")
async def requests(
    request: Request,
    access: Reader,
    project: Annotated[str | None, _filter("Only this project's; all that the token reaches when absent.")] = None,
    provider: Annotated[str, _filter("As in model strings: `openai`.")] = "",
    model: Annotated[str, _filter("Without its provider: `gpt-4.1-mini`.")] = "",
    modality: Annotated[str, _filter("`stt`, `llm`, `tts`, `realtime`, or of a call's legs.")] = "",
    session: Annotated[str, _filter("One call's, whenever it was.")] = "",
    agent: Annotated[str, _filter("The LiveKit agent's name.")] = "",
    outcome: Annotated[schemas.Outcome | None, Query(description="How they ended.")] = None,
    since: Annotated[Instant | None, Query(description="Ended from then on; RFC 3339 with a zone.")] = None,
    until: Annotated[Instant | None, Query(description="Ended before then.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.RequestsPage:
    """Requests that ended within a span of time, at most 93 days; the last 24 hours, or the session's own, unless told.

    What a worker has not delivered yet is not among them; what is not rated yet has no amount.
    """
    filters = {
        "project": project, "provider": provider, "model": model, "modality": modality, "session": session,
        "agent": agent, "outcome": outcome, "since": since, "until": until,
    }  # fmt: skip
    after = _key(_PAGES.read(cursor, filters=filters))
    wanted = Wanted(
        project=project, provider=provider, model=model, modality=modality, session=session, agent=agent,
        outcome=outcome or "", since=since, until=until,
    )  # fmt: skip
    found = await _requests(request).page(
        access,
        wanted,
        after=after,
        limit=limit + 1,
        now=datetime.now(UTC),
    )
    page = _PAGES.cut(
        found.rows, limit=limit, key=lambda row: (key_of(row)[0].isoformat(), key_of(row)[1]), filters=filters
    )
    return schemas.RequestsPage(
        since=found.since, until=found.until, requests=[row_of(each) for each in page.rows], next=page.next
    )


@router.get("/{request_id}", summary="One request with its span and its entries")
async def one(
    request: Request, access: Reader, request_id: Annotated[UUID, Path(description="As lists and logs show it.")]
) -> schemas.RequestDetail:
    """What the worker delivered, and every line that the books have of it; 404 when the token does not reach it."""
    return await _requests(request).one(access, request_id, now=datetime.now(UTC))


def _key(after: tuple[str, UUID] | None) -> Key | None:
    try:
        return None if after is None else (date.fromisoformat(after[0]), after[1])
    except ValueError as error:
        raise BadRequest("cursor is not one that this list gave: send the `next` of the page before") from error


def _requests(request: Request) -> Requests:
    return resources_of(request).requests
