"""The route of the JSON Schema, for editors: public, because it says nothing that the sources do not."""

from functools import cache

import msgspec
from fastapi import APIRouter, Response

from voicegateway_controller.configuration.document.schema import build_schema
from voicegateway_controller.limits.providers import known_providers

MEDIA_TYPE = "application/schema+json"
CACHE_S = 3600
"""As long as an editor may keep it; it changes with the version."""

router = APIRouter(prefix="/api/v1", tags=["configuration"])


@router.get(
    "/config/schema",
    summary="The JSON Schema of voicegw.yaml",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}, "description": "A JSON Schema, draft 7."}
    },
)
async def schema() -> Response:
    """Return the schema that editors check voicegw.yaml by. Needs no token."""
    return Response(_schema(), media_type=MEDIA_TYPE, headers={"Cache-Control": f"public, max-age={CACHE_S}"})


@cache
def _schema() -> bytes:
    return msgspec.json.encode(build_schema(known_providers()))
