"""Run the API in this process until it is told to stop."""

import asyncio
from typing import Final

import uvicorn

from voicegateway_controller import logs
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.listener import bind
from voicegateway_controller.logs import get_logger
from voicegateway_controller.resources import wait_for_postgres
from voicegateway_controller.settings import Settings

BACKLOG: Final = 2048
"""Connections the kernel holds while the loop is busy: a fleet reconnecting at once."""
SHUTDOWN_S: Final = 15
"""Longer than a batch may take, shorter than Kubernetes' patience of 30 s."""
KEEP_ALIVE_S: Final = 75
"""Longer than a shim's pause between two batches, so that it keeps its connection."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight. Blocks.

    Raises AddressInUse, ConfigurationError or DatabaseUnavailable at the start, each one line for people.
    """
    logs.configure(level=settings.log_level, log_format=settings.log_format)
    listener = bind(settings.host, settings.port, setting="VOICEGATEWAY_PORT")
    try:
        asyncio.run(check_postgres(settings))
        host, port = listener.getsockname()[:2]
        get_logger(__name__).info("api.listening", url=f"http://{host}:{port}")
        config = uvicorn.Config(
            create_app(settings),
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()


async def check_postgres(settings: Settings) -> None:
    """Raise DatabaseUnavailable unless Postgres answers within the configured wait."""
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1, application_name="voicegateway-start")
    try:
        await wait_for_postgres(engine, timeout_s=settings.startup_wait_s)
    finally:
        await engine.dispose()
