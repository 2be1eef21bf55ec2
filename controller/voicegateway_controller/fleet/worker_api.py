"""`POST /v1/sync`: what a holder says about once in two seconds, sooner when it needs a lease, and the answer."""

from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from voicegateway_controller.http.auth import Worker
from voicegateway_controller.http.body import read_body
from voicegateway_controller.resources import Resources

router = APIRouter()
BODY_BYTES_MAX: Final = 512 * 1024
"""256 sessions of 1 KiB and as many claims; a job process has one session and a few claims."""


@router.post("/v1/sync", summary="Say who is there (JSON)", tags=["worker"])
async def sync(request: Request, access: Worker) -> Response:
    """Note a holder's presence, lease it parts of limits. Idempotent by (incarnation, seq); 503 while Redis is away."""
    resources: Resources = request.app.state.resources
    body = await read_body(request, limit=BODY_BYTES_MAX, setting="a sync message's limit")
    response = await resources.fleet.sync(body, allows=access.allows)
    return Response(msgspec.json.encode(response), media_type="application/json")
