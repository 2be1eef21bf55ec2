"""The local stack: embedded Postgres and Valkey, migrated, with controller and runner on top."""

import asyncio
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final

import requests
from msgspec import structs

from voicegateway_controller.access.rules import Role, new_token, parse_token
from voicegateway_controller.access.service import list_tokens, register_token
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.db.migrate import upgrade
from voicegateway_controller.embedded import EmbeddedServices
from voicegateway_controller.embedded.ports import choose_port, is_free
from voicegateway_controller.local import inference
from voicegateway_controller.local.child import Child
from voicegateway_controller.local.connection import Connection
from voicegateway_controller.vault.ring import new_secret
from voicegateway_controller.vault.secret_file import ensure_secret
from voicegateway_shared.errors import ConfigurationError

READY_S_MAX: Final = 30.0
READY_INTERVAL_S: Final = 0.05
PROBE_TIMEOUT_S: Final = 2.0
VAULT_FILE: Final = "vault"
"""In the home's folder of secrets: what seals vendors' keys there. Whoever loses it gives the keys anew."""


class LocalStack:
    """Everything of one home, supervised while the context is open. Open it from the main thread.

    Given database and Redis URLs are used instead of embedded servers.
    """

    def __init__(
        self,
        home: Path,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        database_url: str | None = None,
        redis_url: str | None = None,
        inference_port: int | None = None,
    ) -> None:
        """Take where everything is; an inference server runs only where a port is given for it."""
        self.home = home.expanduser().absolute()
        self.settings: dict[str, str] = {}
        """More of the controller's and runner's settings, by their names in the environment; read when they start."""
        self.services = EmbeddedServices(self.home, database_url=database_url, redis_url=redis_url)
        self.controller: Child
        self.runner: Child
        self._host = host
        self._port = _choose_port(port)
        self._inference_port = None if inference_port is None else _choose_port(inference_port, option="inference-port")
        self.connection = self._make_connection()
        self._children: list[Child] = []

    @property
    def url(self) -> str:
        """Where the controller will listen, known before it does."""
        return self.connection.url

    @property
    def agents_environment(self) -> dict[str, str]:
        """What agents set whose models this stack serves; nothing where it serves none."""
        if self._inference_port is None:
            return {}
        return inference.agents_environment(self.connection, self._host, self._inference_port)

    @property
    def restarts(self) -> int:
        """How often a server or a child died and came back."""
        return self.services.restarts + sum(child.restarts for child in self._children)

    async def __aenter__(self) -> "LocalStack":
        await self.services.__aenter__()
        try:
            self._start_children()
            await upgrade(self.services.database_url)
            self.runner.start()
            await self._register_tokens()
            structs.replace(self.connection, database_url=self.services.database_url).write(self.home)
            await self._ready()
            self._start_inference()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self._children))
        await self.services.__aexit__(kind, error, trace)

    def _make_connection(self) -> Connection:
        """Keep the home's tokens, so that workers elsewhere on this machine need no new ones."""
        known = Connection.read(self.home)
        return Connection(
            url=f"http://{self._host}:{self._port}",
            admin_token=known.admin_token if known else new_token()[0],
            worker_token=known.worker_token if known else new_token()[0],
            pid=os.getpid(),
        )

    def _start_children(self) -> None:
        """Start the controller while we migrate: it is not ready before, and its imports take a second."""
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = {
            "VOICEGATEWAY_DATABASE_URL": self.services.database_url,
            "VOICEGATEWAY_REDIS_URL": self.services.redis_url,
            "VOICEGATEWAY_HOST": self._host,
            "VOICEGATEWAY_PORT": str(self._port),
            "VOICEGATEWAY_RUNNER_PORT": "0",
            "VOICEGATEWAY_HOME": str(self.home),
            "VOICEGATEWAY_LOG_FORMAT": "text",
            # This home's own tokens are the first ones.
            "VOICEGATEWAY_BOOTSTRAP": "false",
            **self._vault_environment(),
            **self.settings,
        }
        module = "voicegateway_controller"
        self.controller = Child("controller", module, "controller", environment=environment, log_folder=logs)
        self.runner = Child("runner", module, "runner", environment=environment, log_folder=logs)
        self._children = [self.controller, self.runner]
        self.controller.start()

    def _vault_environment(self) -> dict[str, str]:
        """The secrets of this home's vault; made on first use, unless somebody keeps them elsewhere."""
        if os.environ.get("VOICEGATEWAY_VAULT_SECRETS_FILE"):
            return {}
        path = self.home / "secrets" / VAULT_FILE
        if not os.environ.get("VOICEGATEWAY_VAULT_SECRETS"):
            ensure_secret(path, new_secret())
        return {"VOICEGATEWAY_VAULT_SECRETS_FILE": str(path)} if path.exists() else {}

    def _start_inference(self) -> None:
        """Once the controller is there: it is a holder as any worker."""
        if self._inference_port is None:
            return
        told = inference.servers_environment(self.connection, self._host, self._inference_port, self.home)
        served = Child("inference", inference.MODULE, environment=told, log_folder=self.home / "logs")
        self._children.append(served)
        served.start()

    async def _register_tokens(self) -> None:
        """Make this home's tokens known to its database; a kept home and database already agree."""
        engine = make_engine(self.services.database_url, pool_size=1, application_name="voicegateway-up")
        try:
            known = {row.id for row in await list_tokens(engine)}
            for text, role, name in (
                (self.connection.admin_token, Role.ADMIN, "local admin"),
                (self.connection.worker_token, Role.WORKER, "local workers"),
            ):
                parts = parse_token(text)
                if parts is None or parts.id not in known:
                    await register_token(engine, text, role=role, name=name)
        finally:
            await engine.dispose()

    async def _ready(self) -> None:
        deadline_s = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline_s:
            if await asyncio.to_thread(self._is_ready):
                return
            await asyncio.sleep(READY_INTERVAL_S)
        raise ConfigurationError(
            f"the controller did not become ready within {READY_S_MAX:g} s: "
            f"{self.controller.last_words()} (see {self.controller.log_path})"
        )

    def _is_ready(self) -> bool:
        with requests.Session() as session:
            # Our own child on this machine: a proxy that the environment names for other places cannot reach it.
            session.trust_env = False
            try:
                return session.get(f"{self.connection.url}/readyz", timeout=PROBE_TIMEOUT_S).ok
            except requests.RequestException:
                return False


def _choose_port(port: int | None, *, option: str = "port") -> int:
    if port is None:
        return choose_port(None)
    if not is_free(port):
        raise ConfigurationError(f"port {port} is in use; stop what listens there or choose another with --{option}")
    return port
