"""Which controller a command talks to: given, from the environment, or the local stack of this home."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from voicegateway_controller.client import ApiClient
from voicegateway_controller.local.connection import Connection
from voicegateway_shared.errors import ConfigurationError

HOME_DEFAULT: Final = Path("~/.voicegateway")

Url = Annotated[str | None, typer.Option("--url", envvar="VOICEGATEWAY_URL", help="The controller's address.")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="VOICEGATEWAY_TOKEN", help="A viewer or admin token.", show_default=False),
]
Home = Annotated[Path, typer.Option("--home", envvar="VOICEGATEWAY_HOME", help="The local stack's folder.")]


def api_client(url: str | None, token: str | None, home: Path) -> ApiClient:
    """The controller to ask: `--url` and `--token`, else the local stack that runs on this home, else the demo's.

    Raises:
        ConfigurationError: there is none; the message says what to do.
    """
    if url is not None:
        if not token:
            raise ConfigurationError("a controller needs a token: set VOICEGATEWAY_TOKEN or pass --token")
        return ApiClient(url, token)
    for place in (home, home / "demo"):
        connection = Connection.read(place)
        if connection is not None and _is_alive(connection.pid):
            return ApiClient(connection.url, connection.admin_token)
    raise ConfigurationError(
        "no controller to ask: run `voicegw up` (or `voicegw demo`), or set VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN"
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
