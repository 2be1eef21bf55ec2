"""`GET /api/v1/sessions/{session_id}`: what one whole call cost, part by part."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from voicegateway_controller.calls import schemas
from voicegateway_controller.http.auth import Reader
from voicegateway_controller.http.owned import resources_of

router = APIRouter(prefix="/api/v1/sessions", tags=["reports"])


@router.get("/{session_id}", summary="One whole call")
async def session(
    request: Request,
    access: Reader,
    session_id: Annotated[str, Path(max_length=256, description="The LiveKit job's id, `AJ_…`.")],
) -> schemas.Session:
    """Every request and leg of a call with its entries, the sums of its parts, and the total; of a live one so far."""
    view = resources_of(request).session_view
    return await view.session(access, session_id)
