"""The files one embedded server keeps in the home folder: lock, record, secret, log and data folder."""

import errno
import fcntl
import json
import logging
import os
import secrets
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from voicegateway_controller.embedded.errors import AlreadyRunning, EmbeddedFailed
from voicegateway_controller.embedded.identity import can_reach, give_tree
from voicegateway_controller.embedded.process import RunAs

_log = logging.getLogger(__name__)

# Some hours of a server that complains all the time; twice this is kept (the current and the last file).
LOG_BYTES_MAX = 8 * 1024 * 1024
SECRET_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the last run wrote down about its server: which process, and which port to use again."""

    pid: int
    birth_mark: str
    port: int


class ServerHome:
    """Files of one server below `home`; lives as long as its server object, which holds the lock."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home.expanduser().absolute()
        self.name = name
        self.run_folder = self.home / "run"
        self.log_path = self.home / "logs" / f"{name}.log"
        self._lock: int | None = None

    def create(self) -> None:
        """Make the folders, closed to others.

        Raises:
            EmbeddedFailed: the home cannot be written.
        """
        try:
            for folder in (self.home, self.run_folder, self.log_path.parent, self.home / "secrets"):
                folder.mkdir(mode=0o700, parents=folder == self.home, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.run_folder):
                pass
        except OSError as error:
            raise EmbeddedFailed(
                f"cannot write to {self.home}: {error.strerror}; set VOICEGATEWAY_HOME to a folder you can write"
            ) from error

    def lock(self) -> None:
        """Become the only owner of this server; the system drops the lock when our process ends.

        Raises:
            AlreadyRunning: a live process has it.
        """
        if self._lock is not None:
            return
        descriptor = os.open(self.run_folder / f"{self.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(descriptor, 32)
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise EmbeddedFailed(f"cannot lock {self.home}: {error.strerror}") from error
            raise AlreadyRunning(self.home, int(owner) if owner.isdigit() else None) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def unlock(self) -> None:
        """Let the next owner in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_record(self) -> Record | None:
        """Return what the last run wrote, None when there was none or it is damaged."""
        try:
            return Record(**json.loads(self._record_path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            _log.warning("ignoring a damaged %s: %s", self._record_path, error)
            return None

    def write_record(self, record: Record) -> None:
        """Replace the record in one step, so that a kill leaves the old one or the new one."""
        partial = self._record_path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(record)))
        partial.replace(self._record_path)

    def secret(self) -> str:
        """Return the server's password, made on first use, readable by the owner alone."""
        path = self.home / "secrets" / self.name
        if not path.exists():
            partial = path.with_suffix(".partial")
            write_private(partial, secrets.token_urlsafe(SECRET_BYTES))
            partial.replace(path)
        return path.read_text()

    def open_log(self) -> BinaryIO:
        """Open the log for appending."""
        return open(self.log_path, "ab", buffering=0)

    def trim_log(self) -> None:
        """Move a log that grew too long aside. The server goes on appending to the same file, now empty.

        One that somebody removed or moved is theirs; a disk that has no room for a second is said, and harms nobody.
        """
        try:
            if self.log_path.stat().st_size > LOG_BYTES_MAX:
                shutil.copyfile(self.log_path, self.log_path.with_suffix(".log.1"))
                os.truncate(self.log_path, 0)
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning("cannot trim %s: %s", self.log_path, error.strerror)

    def data_folder(self, identity: RunAs) -> Path:
        """Return the server's folder, made if missing, owned by whom the server will be.

        Where that user cannot reach the home (say it lies in /root), a folder in /var/tmp is used instead,
        remembered in the home and said in the log.
        """
        usual = self.home / self.name
        if (moved := self._moved_folder()) is not None:
            give_tree(moved, identity)
            return moved
        usual_has_data = usual.exists() and any(usual.iterdir())
        if not can_reach(self.home, identity):
            if usual_has_data:
                raise EmbeddedFailed(
                    f"the user nobody cannot reach {usual}, where the data is: chmod o+x the folders above it"
                )
            return self._move(identity)
        usual.mkdir(mode=0o700, exist_ok=True)
        give_tree(usual, identity)
        return usual

    @property
    def _record_path(self) -> Path:
        return self.run_folder / f"{self.name}.json"

    @property
    def _pointer(self) -> Path:
        return self.run_folder / f"{self.name}.folder"

    def _moved_folder(self) -> Path | None:
        if not self._pointer.exists():
            return None
        folder = Path(self._pointer.read_text())
        if not folder.is_dir():
            # Starting empty here would look like a ledger that lost everything.
            raise EmbeddedFailed(
                f"the data folder {folder} named by {self._pointer} is gone: restore it, "
                f"or delete {self._pointer} to start with empty data"
            )
        return folder

    def _move(self, identity: RunAs) -> Path:
        # A fresh name: in a folder that everyone can write, a known one could be waiting for us.
        folder = Path(tempfile.mkdtemp(prefix=f"voicegateway-{self.name}-", dir="/var/tmp"))  # nosec B108
        give_tree(folder, identity)
        self._pointer.write_text(str(folder))
        _log.warning(
            "the user nobody cannot reach %s: the data of %s is in %s; "
            "set VOICEGATEWAY_HOME to a folder that everyone can enter to avoid this",
            self.home,
            self.name,
            folder,
        )
        return folder


def write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read, replacing one of that name."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
