"""`POST /v1/livekit/webhook`: LiveKit's own webhooks in, 200 only after the commit."""

from fastapi import APIRouter, Request

from voicegateway_controller.calls.service import BODY_BYTES_MAX, count
from voicegateway_controller.errors import NotFound, UnsupportedMediaType
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.documented import refuses
from voicegateway_controller.http.owned import resources_of
from voicegateway_shared.errors import VoiceGatewayError

router = APIRouter(tags=["worker"])
CONTENT_TYPES = ("application/webhook+json", "application/json")


@router.post("/v1/livekit/webhook", summary="Deliver a LiveKit webhook, signed by LiveKit", responses=refuses(NotFound))
async def livekit_webhook(request: Request) -> dict[str, str]:
    """Answer 200 once the event is committed, or was before; 401 unless one of our LiveKit keys signed it."""
    webhooks = resources_of(request).webhooks
    try:
        webhooks.check_configured()
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            raise UnsupportedMediaType(f"content type {content_type or 'none'} is not read here: LiveKit sends JSON")
        authorization = request.headers.get("authorization", "")
        webhooks.check_signed(authorization)
        body = await read_body(request, limit=BODY_BYTES_MAX, setting="the most that a webhook may hold")
        result = await webhooks.take(body, authorization)
    except VoiceGatewayError as error:
        count(error.code)
        raise
    count(result)
    return {"result": result}
