"""Postgres and Valkey for one machine without Docker: started together, kept alive, stopped together."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from voicegateway_controller.embedded.postgres import EmbeddedPostgres
from voicegateway_controller.embedded.server import EmbeddedServer
from voicegateway_controller.embedded.supervision import supervise
from voicegateway_controller.embedded.valkey import EmbeddedValkey


class EmbeddedServices:
    """The servers of one home, supervised while the context is open.

    A URL that is given is used as it is, and that server is not started. `on_restart` is called with the
    server after each supervised restart. Open it from the main thread: on Linux the servers end with it.
    """

    def __init__(
        self,
        home: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        durable: bool = True,
        database_url: str | None = None,
        redis_url: str | None = None,
        on_restart: Callable[[EmbeddedServer], None] | None = None,
    ) -> None:
        self.postgres = EmbeddedPostgres(home, durable=durable) if postgres and database_url is None else None
        self.valkey = EmbeddedValkey(home, durable=durable) if valkey and redis_url is None else None
        self._database_url = database_url
        self._redis_url = redis_url
        self._on_restart = on_restart
        self._supervision: list[asyncio.Task[None]] = []

    @property
    def servers(self) -> tuple[EmbeddedServer, ...]:
        """The servers that are ours."""
        return tuple(server for server in (self.postgres, self.valkey) if server is not None)

    @property
    def database_url(self) -> str:
        """`postgresql+asyncpg://` URL; empty when there is neither a server nor a URL."""
        return self.postgres.url if self.postgres is not None else self._database_url or ""

    @property
    def redis_url(self) -> str:
        """`redis://` URL; empty when there is neither a server nor a URL."""
        return self.valkey.url if self.valkey is not None else self._redis_url or ""

    @property
    def restarts(self) -> int:
        """How often a server died and came back."""
        return sum(server.restarts for server in self.servers)

    async def start(self) -> None:
        """Start all, or none: what did start is stopped again when one fails.

        Raises:
            AlreadyRunning: another process runs them on this home.
            EmbeddedFailed: one cannot run.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for server in self.servers:
                    group.create_task(server.start())
        except BaseExceptionGroup as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End supervision, then the servers in order; harmless when nothing runs."""
        for task in self._supervision:
            task.cancel()
        await asyncio.gather(*self._supervision, return_exceptions=True)
        self._supervision.clear()
        await asyncio.gather(*(server.stop() for server in self.servers))

    async def wait_failed(self) -> None:
        """Wait for ever, or until a server could not be brought back; then raise its EmbeddedFailed."""
        if not self._supervision:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._supervision, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def __aenter__(self) -> "EmbeddedServices":
        await self.start()
        self._supervision = [
            asyncio.create_task(supervise(server, on_restart=self._on_restart)) for server in self.servers
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
