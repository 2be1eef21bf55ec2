"""Ending sessions over HTTP: which would be, end them, see what became of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.sessions import schemas
from voicegateway_controller.sessions.service import SessionEnding

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])
SessionId = Annotated[str, Path(max_length=256, description="As the list of live sessions shows it.")]


@router.post("/end", summary="End live sessions of a project, or that cost too much")
async def end_many(request: Request, access: Operator, asked: schemas.EndMany) -> schemas.Told:
    """Tell the workers of every live session that matches to say goodbye and to end it; `dry_run` only lists them."""
    return await _ending(request).end_many(access, asked)


@router.post("/{session_id}/end", summary="End one live session")
async def end_one(
    request: Request, access: Operator, session_id: SessionId, asked: schemas.EndOne | None = None
) -> schemas.Told:
    """Tell the session's worker to say goodbye and to end it; 404 when no such session is live."""
    return await _ending(request).end_one(access, session_id, asked or schemas.EndOne.model_validate({}))


@router.get("/endings", summary="What became of sessions that were told to end")
async def endings(request: Request, access: Reader) -> schemas.Endings:
    """The orders of the last hour, the newest first; 503 while Redis is away."""
    return await _ending(request).endings(access)


def _ending(request: Request) -> SessionEnding:
    return resources_of(request).session_ending
