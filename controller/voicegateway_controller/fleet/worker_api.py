"""`POST /v1/sync`: what a holder says about once a second, sooner when it needs a lease, and the answer."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicegateway_controller import metrics
from voicegateway_controller.access.rules import WORKERS
from voicegateway_controller.errors import Overloaded
from voicegateway_controller.http.auth import admit
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.vault.rules import is_safe_way

BODY_BYTES_MAX: Final = 512 * 1024
"""256 sessions of 1 KiB and as many claims; a job process has one session and a few claims."""
RETRY_AFTER_S: Final = 1
_encode: Final = msgspec.json.Encoder().encode


async def sync(request: Request) -> Response:
    """Note a holder's presence, lease it parts of limits. Idempotent by (incarnation, seq); 503 while Redis is away."""
    resources = resources_of(request)
    if resources.fleet.is_overloaded:
        metrics.SYNCS.labels("refused").inc()
        # Unread: what is read costs as much as what is answered.
        raise Overloaded("more leases are asked for than can be given in time", retry_after_s=RETRY_AFTER_S)
    access = await admit(request, WORKERS)
    body = await read_body(request, limit=BODY_BYTES_MAX, setting="a sync message's limit")
    response = await resources.fleet.sync(body, access=access, is_secure=is_safe_way(request))
    return Response(_encode(response), media_type="application/json")


SYNC_ROUTE: Final = Route("/v1/sync", sync, methods=["POST"])
"""Of Starlette alone, and the first of all: FastAPI's dependencies would be a quarter of what a message costs."""
