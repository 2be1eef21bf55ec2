"""Run the API in this process until it is told to stop."""

import asyncio
import contextlib
import resource
from collections.abc import Callable, Sequence
from socket import socket
from typing import Final

import uvicorn

from voicegateway_controller import logs
from voicegateway_controller.app import create_app
from voicegateway_controller.configuration.files import check_overrides
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.http import protocol, tls
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
FILES_BESIDE: Final = 512
"""Open files that are no connections of callers: Postgres, Redis, vendors, the dashboard's files."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight. Blocks.

    Raises AddressInUse, ConfigurationError or DatabaseUnavailable at the start, each one line for people.
    """
    logs.configure(level=settings.log_level, log_format=settings.log_format)
    certificate = tls.certificate(settings)
    check_overrides(settings.overrides)
    _allow_connections(settings.http_connections_max)
    listener = bind(settings.host, settings.port, setting="VOICEGATEWAY_PORT")
    try:
        asyncio.run(check_postgres(settings))
        host, port = listener.getsockname()[:2]
        get_logger(__name__).info("api.listening", url=f"{'http' if certificate is None else 'https'}://{host}:{port}")
        app = create_app(settings, may_be_first_start=True)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=protocol.protocol(settings),
            # Nothing here speaks it; without it an upgrade is one more request.
            ws="none",
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=settings.proxies,
            access_log=False,
            log_config=None,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            server_header=False,
        )
        server = Server(config, certificate, before_shutdown=lambda: app.state.resources.events_hub.let_go())
        server.run(sockets=[listener])
    finally:
        listener.close()


class Server(uvicorn.Server):
    """uvicorn's server with a certificate that is renewed while it runs; lives until it is told to stop."""

    def __init__(
        self,
        config: uvicorn.Config,
        certificate: tls.Certificate | None,
        *,
        before_shutdown: Callable[[], object] = lambda: None,
    ) -> None:
        """`before_shutdown` ends answers that would not end by themselves, at once and without failing."""
        super().__init__(config)
        self._certificate = certificate
        self._before_shutdown = before_shutdown

    async def serve(self, sockets: Sequence[socket] | None = None) -> None:
        """Serve, and look after the certificate meanwhile."""
        given = None if sockets is None else list(sockets)
        if self._certificate is None:
            await super().serve(given)
            return
        self.config.load()
        self.config.ssl = self._certificate.context
        watching = asyncio.create_task(self._certificate.watch())
        try:
            await super().serve(given)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take no more, finish what is in flight; those who listen to events are told to come back."""
        self._before_shutdown()
        await super().shutdown(sockets)


def _allow_connections(count: int) -> None:
    """Ask the system for as many open files as connections need; many systems give 1,024 until they are asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + FILES_BESIDE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        get_logger(__name__).warning("api.few_open_files", allowed=allowed, wanted=wanted)


async def check_postgres(settings: Settings) -> None:
    """Raise DatabaseUnavailable unless Postgres answers within the configured wait."""
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1, application_name="voicegateway-start")
    try:
        await wait_for_postgres(engine, timeout_s=settings.startup_wait_s)
    finally:
        await engine.dispose()
