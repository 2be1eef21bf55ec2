"""The runner's own `/livez`, `/readyz` and `/metrics`."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicegateway_controller.db import migrate
from voicegateway_controller.errors import AddressInUse, ControllerError
from voicegateway_controller.listener import bind
from voicegateway_controller.logs import get_logger
from voicegateway_controller.settings import Settings

_log = get_logger(__name__)


async def serve_health(settings: Settings, engine: AsyncEngine) -> None:
    """Answer until cancelled. A taken port is said once and costs only these routes: rating goes on."""
    try:
        listener = bind(settings.runner_host, settings.runner_port, setting="VOICEGATEWAY_RUNNER_PORT")
    except AddressInUse as error:
        _log.warning("runner.health_not_served", error=str(error))
        return

    async def livez(request: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            version = await migrate.current(engine)
        except ControllerError as error:
            return _json(503, {"status": "not ready", "checks": {"postgres": str(error)}})
        if not migrate.is_enough(version):
            detail = f"is {version or 'missing'}, needs {migrate.head()}: run `voicegw migrate`"
            return _json(503, {"status": "not ready", "checks": {"schema": detail}})
        return _json(200, {"status": "ready", "checks": {"postgres": "ok", "schema": "ok"}})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False, lifespan="off")
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """A server beside others in one loop: signals belong to the runner."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
