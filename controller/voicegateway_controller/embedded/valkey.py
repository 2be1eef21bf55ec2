"""The embedded Valkey: loopback TCP with a password, an append-only file synced every second."""

import os
import signal
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from voicegateway_controller.embedded.binaries import Program, find_valkey
from voicegateway_controller.embedded.errors import EmbeddedFailed
from voicegateway_controller.embedded.home import write_private
from voicegateway_controller.embedded.identity import can_reach
from voicegateway_controller.embedded.ports import HOST
from voicegateway_controller.embedded.process import RunAs
from voicegateway_controller.embedded.server import EmbeddedServer

# Queue and presence of a large fleet need a tenth of it. At the bound writes fail, nothing is evicted.
MEMORY_BYTES_MAX = 512 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0


class EmbeddedValkey(EmbeddedServer):
    """Valkey of this home; see EmbeddedServer for how long it lives."""

    name = "valkey"
    _stop_signals = ((signal.SIGTERM, 20.0),)
    _passing_complaints = ("bind", "Address already in use")

    _program: Program
    _folder: Path
    _run_as: RunAs

    @property
    def url(self) -> str:
        """Redis URL of database 0."""
        return f"redis://:{quote(self._files.secret(), safe='')}@{HOST}:{self.port}/0"

    async def _prepare(self, identity: RunAs) -> None:
        self._run_as = identity
        self._folder = self._files.data_folder(identity)
        self._program = find_valkey()
        if not can_reach(self._program.path.parent, identity):
            self._program = self._program.copied_to(self._folder / "programs")

    def _command(self, port: int) -> list[str]:
        return [str(self._program.path), str(self._write_configuration(port))]

    async def _answers(self) -> bool:
        client = Redis.from_url(self.url, socket_timeout=CONNECT_TIMEOUT_S, socket_connect_timeout=CONNECT_TIMEOUT_S)
        try:
            return bool(await client.ping())
        except AuthenticationError as error:
            raise EmbeddedFailed(f"port {self.port} is served by another Valkey: stop it") from error
        except (OSError, RedisError):
            return False
        finally:
            await client.aclose()

    def _write_configuration(self, port: int) -> Path:
        """Write the settings to a file: on the command line everyone could read the password."""
        path = self._folder / "valkey.conf"
        settings = {
            "bind": HOST,
            "port": str(port),
            "requirepass": self._files.secret(),
            "dir": f'"{self._folder}"',
            "daemonize": "no",
            "databases": "16",
            "loglevel": "notice",
            "maxmemory": str(MEMORY_BYTES_MAX),
            "maxmemory-policy": "noeviction",
            "save": '""',
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
        }
        write_private(path, "".join(f"{name} {value}\n" for name, value in settings.items()))
        if self._run_as.mode == "setuid":
            os.chown(path, self._run_as.uid, self._run_as.gid)
        return path
