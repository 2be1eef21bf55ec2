"""Where the local stack listens and the tokens it made, for commands in another terminal."""

import os
from pathlib import Path
from typing import Final

import msgspec

from voicegateway_shared.errors import ConfigurationError

FILE_NAME: Final = "connection.json"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One controller's address and credentials; the file is readable by its owner alone."""

    url: str
    admin_token: str
    worker_token: str
    pid: int
    database_url: str = ""
    """For commands that read the database themselves; of the local stack while it runs."""

    def write(self, home: Path) -> None:
        """Replace the file in one step."""
        partial = home / f"{FILE_NAME}.{os.getpid()}.partial"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self))
        partial.replace(home / FILE_NAME)

    @classmethod
    def read(cls, home: Path) -> "Connection | None":
        """Return the last stack's connection, None when this home never had one.

        Raises:
            ConfigurationError: the file is damaged.
        """
        path = home.expanduser() / FILE_NAME
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"{path} is damaged ({error}); delete it and run `voicegw up` again") from error
