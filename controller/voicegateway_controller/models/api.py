"""Models over HTTP."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from voicegateway_controller.http.auth import Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import Cursor, Keyset, Limit
from voicegateway_controller.http.texts import VISIBLE
from voicegateway_controller.models import schemas
from voicegateway_controller.models.service import Only, Wanted, key_of

router = APIRouter(prefix="/api/v1/models", tags=["models"])
_PAGES = Keyset("models", str, str, str)


@router.get("", summary="The models: priced, known, used")
async def models(
    request: Request,
    access: Reader,
    provider: Annotated[str, Query(description="Only this vendor's.", max_length=64, pattern=VISIBLE)] = "",
    modality: Annotated[
        str, Query(description="`stt`, `llm`, `tts` or `realtime`.", max_length=64, pattern=VISIBLE)
    ] = "",
    project: Annotated[
        str | None, Query(description="Count this project's requests.", max_length=256, pattern=VISIBLE)
    ] = None,
    only: Annotated[Only, Query(description="`used`: within the last 24 hours.")] = "all",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> schemas.ModelsPage:
    """What each costs now, how it fares, which chains have it, and how much it was asked within the last 24 hours."""
    filters = {"provider": provider, "modality": modality, "project": project, "only": only}
    after = _PAGES.read(cursor, filters=filters)
    now = datetime.now(UTC)
    service = resources_of(request).models
    rows = await service.page(
        access,
        Wanted(provider=provider, modality=modality, project=project, only=only),
        after=(after[0], after[1], after[2]) if after else None,
        limit=limit + 1,
        now=now,
    )
    page = _PAGES.cut(rows, limit=limit, key=key_of, filters=filters)
    return schemas.ModelsPage(as_of=now, models=page.rows, next=page.next)
