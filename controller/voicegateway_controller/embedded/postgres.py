"""The embedded Postgres: one cluster below the home, one database, loopback TCP with a password."""

import os
import shutil
import signal
import sys
from pathlib import Path
from urllib.parse import quote

import asyncpg

from voicegateway_controller.embedded.binaries import Program, find_postgres
from voicegateway_controller.embedded.errors import EmbeddedFailed
from voicegateway_controller.embedded.home import write_private
from voicegateway_controller.embedded.identity import can_reach, give_tree
from voicegateway_controller.embedded.ports import HOST
from voicegateway_controller.embedded.process import RunAs, cause_in, command_of, run_to_end
from voicegateway_controller.embedded.server import EmbeddedServer

DATABASE = "voicegateway"
ROLE = "voicegateway"
# Measured 0.4 to 0.7 s; a slow disk under load needs more, a hung one is not waited for.
INITDB_TIMEOUT_S = 120.0
CONNECT_TIMEOUT_S = 5.0
# Where postmaster.pid says how far it is, counted from 0; the same since Postgres 10.
READY_LINE = 7

# One small machine shared with the controller, the runner and Valkey.
_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    # Our queries are short; compiling them costs more than it saves.
    "jit": "off",
}
if sys.platform.startswith("linux"):
    # Recovery first syncs every file of the data folder. One by one that took 2 to 4 s of a restart after a kill;
    # this way it is one call. Nobody but Linux has it.
    _SETTINGS["recovery_init_sync_method"] = "syncfs"
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# For tests, whose data nobody misses after a power cut.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """Postgres of this home; see EmbeddedServer for how long it lives."""

    name = "postgres"
    # Fast shutdown; then immediate, which leaves recovery to the next start.
    _stop_signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
    _passing_complaints = ("lock file", "shared memory block", "could not bind", "Address already in use")

    _program: Program
    _data: Path

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database `voicegateway`."""
        password = quote(self._files.secret(), safe="")
        return f"postgresql+asyncpg://{ROLE}:{password}@{HOST}:{self.port}/{DATABASE}"

    async def _prepare(self, identity: RunAs) -> None:
        folder = self._files.data_folder(identity)
        self._data = folder / "data"
        version_file = self._data / "PG_VERSION"
        major = int(version_file.read_text()) if version_file.exists() else None
        self._program = find_postgres(major)
        if not can_reach(self._program.path.parent, identity):
            self._program = self._program.copied_to(_reachable_folder(folder, identity))
        if major is None:
            await self._make_cluster(folder, identity)

    def _command(self, port: int) -> list[str]:
        settings = {
            **_SETTINGS,
            **(_DURABLE if self._durable else _FORGETFUL),
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._program.path), "-D", str(self._data), *options]

    async def _answers(self) -> bool:
        # Asked too early, it would log a refusal each time.
        if not self._says_ready():
            return False
        try:
            connection = await asyncpg.connect(
                host=HOST,
                port=self.port,
                user=ROLE,
                password=self._files.secret(),
                database="postgres",
                timeout=CONNECT_TIMEOUT_S,
            )
        except asyncpg.InvalidPasswordError as error:
            raise EmbeddedFailed(
                f"Postgres refuses the password in {self._files.home}/secrets/postgres: restore that file"
            ) from error
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
        return True

    def _says_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > READY_LINE and lines[0] == str(self.pid) and lines[READY_LINE].strip() == "ready"

    def _before_launch(self) -> None:
        """Remove a pid file whose number now belongs to a zombie or to a program that is not this Postgres.

        Postgres would refuse to start for as long as that other program runs: in a container, where numbers
        repeat, for ever. The shared memory key still protects the data from backends that outlived it.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        command = command_of(pid)
        if command is not None and str(self._data) not in command:
            pid_file.unlink(missing_ok=True)

    async def _make_cluster(self, folder: Path, identity: RunAs) -> None:
        """Run initdb beside the final place, then rename: a kill half-way leaves nothing that looks done."""
        partial, password = folder / "data.partial", folder / "password"
        shutil.rmtree(partial, ignore_errors=True)
        write_private(password, self._files.secret())
        if identity.mode == "setuid":
            os.chown(password, identity.uid, identity.gid)
        argv = [str(self._program.sibling("initdb")), "-D", str(partial), "-U", ROLE, f"--pwfile={password}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        if not self._durable:
            argv.append("--no-sync")
        try:
            outcome = await run_to_end(argv, identity=identity, timeout_s=INITDB_TIMEOUT_S)
        finally:
            password.unlink(missing_ok=True)
        if outcome.code != 0:
            raise EmbeddedFailed(f"initdb failed in {folder}: {cause_in(outcome.output)}")
        partial.rename(self._data)


def _reachable_folder(folder: Path, identity: RunAs) -> Path:
    """Return where programs are copied to when the server's user cannot reach the installed ones."""
    programs = folder / "programs"
    programs.mkdir(mode=0o755, exist_ok=True)
    give_tree(programs, identity)
    return programs
