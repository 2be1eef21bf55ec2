"""`/livez`, `/readyz` and `/metrics`: no token, and nothing inside that needs one."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from voicegateway_controller.db import migrate
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.redis_client import AWAY

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Is this process alive")
async def livez() -> dict[str, str]:
    """Answer as long as the event loop turns; depends on nothing else, so that an outage restarts nobody."""
    return {"status": "alive"}


@router.get("/readyz", summary="Can this process take work")
async def readyz(request: Request) -> Response:
    """200 when Postgres answers and its schema is ours or newer; 503 with what is missing otherwise.

    Redis is reported and not required: the ledger works without it.
    """
    resources = resources_of(request)
    checks = {"postgres": "ok", "schema": "ok", "redis": "ok"}
    try:
        version = await migrate.current(resources.engine)
        if not migrate.is_enough(version):
            checks["schema"] = f"is {version or 'missing'}, needs {migrate.head()}: run `voicegw migrate`"
    except ControllerError as error:
        checks["postgres"] = str(error)
        checks["schema"] = "unknown"
    try:
        await resources.redis.ping()
    except AWAY as error:
        checks["redis"] = f"unavailable: {str(error) or type(error).__name__}"
    is_ready = checks["postgres"] == checks["schema"] == "ok"
    body: dict[str, Any] = {"status": "ready" if is_ready else "not ready", "checks": checks}
    return Response(msgspec.json.encode(body), status_code=200 if is_ready else 503, media_type="application/json")


@router.get("/metrics", summary="Prometheus metrics", include_in_schema=False)
async def metrics() -> Response:
    """Return the process's counters in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
