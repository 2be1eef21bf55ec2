"""Which controller a command talks to: given, of a context, or the local stack of this home."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from voicegateway_controller.cli.context_file import CONTEXT_VARIABLE, LOCAL, read_contexts
from voicegateway_controller.client import ApiClient
from voicegateway_controller.local.connection import Connection
from voicegateway_shared.errors import ConfigurationError

HOME_DEFAULT: Final = Path("~/.voicegateway")
_CHOSEN: Final[list[str]] = []
"""The context that `--context` names in this run of the program."""

Url = Annotated[str | None, typer.Option("--url", envvar="VOICEGATEWAY_URL", help="The controller's address.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="VOICEGATEWAY_TOKEN",
        help="A token: viewer to look, operator or admin to change.",
        show_default=False,
    ),
]
Home = Annotated[Path, typer.Option("--home", envvar="VOICEGATEWAY_HOME", help="The local stack's folder.")]


def choose_context(name: str | None) -> None:
    """Have this run's commands talk to a context, as `--context` says; None leaves it to the environment."""
    _CHOSEN[:] = [] if name is None else [name]


def chosen_context() -> str | None:
    """Return the context that `--context` or VOICEGATEWAY_CONTEXT names, None where neither does."""
    return _CHOSEN[0] if _CHOSEN else os.environ.get(CONTEXT_VARIABLE) or None


def api_client(url: str | None, token: str | None, home: Path) -> ApiClient:
    """The controller to ask. The first that is said of: `--url`; `--context`; VOICEGATEWAY_URL; VOICEGATEWAY_CONTEXT;
    the current context; the local stack that runs on this home; the demo's.

    Raises:
        ConfigurationError: there is none; the message says what to do.
    """
    is_flag = url is not None and url != os.environ.get("VOICEGATEWAY_URL")
    if url is not None and (is_flag or not _CHOSEN):
        if not token:
            raise ConfigurationError("a controller needs a token: set VOICEGATEWAY_TOKEN or pass --token")
        return ApiClient(url, token)
    # A token on the command line is meant, also where the address is another's: it is never replaced by an admin's.
    own = token if token and token != os.environ.get("VOICEGATEWAY_TOKEN") else None
    contexts = read_contexts(home)
    name = chosen_context() or contexts.current
    if name and name != LOCAL:
        context = contexts.get(name)
        return ApiClient(context.url, own or context.bearer(name))
    for place in (home, home / "demo"):
        connection = Connection.read(place)
        if connection is not None and _is_alive(connection.pid):
            return ApiClient(connection.url, own or connection.admin_token)
    raise ConfigurationError(
        "no controller to ask: run `voicegw up` (or `voicegw demo`), set VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN, or "
        "name one with `voicegw contexts set`"
    )


def database_url(home: Path) -> str:
    """Where Postgres is: `VOICEGATEWAY_DATABASE_URL`, else the local stack's that runs on this home, or the demo's.

    Raises:
        ConfigurationError: nobody says; the message names what to set.
    """
    from voicegateway_controller.settings import load_database_settings

    if not {"VOICEGATEWAY_DATABASE_URL", "DATABASE_URL"} & os.environ.keys():
        for place in (home, home / "demo"):
            connection = Connection.read(place)
            if connection is not None and connection.database_url and _is_alive(connection.pid):
                return load_database_settings(database_url=connection.database_url).database_url.get_secret_value()
    return load_database_settings().database_url.get_secret_value()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
