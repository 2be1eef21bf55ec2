"""`voicegw up | controller | runner | migrate`: run the service, in one process tree or one part of it."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home
from voicegateway_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from voicegateway_controller.local.stack import LocalStack


def controller() -> None:
    """Run the API until SIGTERM. Settings come from VOICEGATEWAY_* (see docs/reference/settings.md)."""
    from voicegateway_controller.serve import serve
    from voicegateway_controller.settings import load_settings

    serve(load_settings())


def runner() -> None:
    """Run the runner (rating, rollups, maintenance) until SIGTERM."""
    from voicegateway_controller.runner import run_runner
    from voicegateway_controller.settings import load_settings

    run_runner(load_settings())


def migrate() -> None:
    """Bring the database schema to this version; safe to run from several places at once."""
    from voicegateway_controller.db.migrate import upgrade
    from voicegateway_controller.settings import load_database_settings

    asyncio.run(upgrade(load_database_settings().database_url.get_secret_value()))
    output.line("The database schema is up to date.")


def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8580,
    database_url: Annotated[
        str | None, typer.Option(envvar=["VOICEGATEWAY_DATABASE_URL", "DATABASE_URL"], help="Your own Postgres.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(envvar=["VOICEGATEWAY_REDIS_URL", "REDIS_URL"], help="Your own Redis or Valkey.")
    ] = None,
    home: Home = HOME_DEFAULT,
    inference_port: Annotated[
        int | None,
        typer.Option(help="Port of the inference server, 0 for none; 8590 where that is free.", min=0, max=65535),
    ] = None,
) -> None:
    """Run everything on this machine: Postgres, Valkey, controller, runner, inference server. Ctrl-C stops it all."""
    from voicegateway_controller.local.inference import port_for
    from voicegateway_controller.local.stack import LocalStack

    served_on = port_for(inference_port)
    _name_files_wholly(home)

    async def run() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_number, stopped.set)
        stack = LocalStack(
            home, host=host, port=port, database_url=database_url, redis_url=redis_url, inference_port=served_on
        )
        async with stack:
            _welcome(stack)
            waiting = asyncio.create_task(stopped.wait())
            failing = asyncio.create_task(stack.services.wait_failed())
            done, _ = await asyncio.wait((waiting, failing), return_when=asyncio.FIRST_COMPLETED)
            for task in (waiting, failing):
                task.cancel()
            if failing in done:
                failing.result()

    asyncio.run(run())


def _name_files_wholly(home: Path) -> None:
    """Name the files of configuration by whole paths: what we start runs in `/`, not in this folder."""
    from voicegateway_controller.configuration.document import find_file

    for variable in ("VOICEGATEWAY_CONFIG", "VOICEGATEWAY_OVERRIDES"):
        named = os.environ.get(variable, "").strip()
        # The overrides may be the text itself, which is too long for a name.
        with contextlib.suppress(OSError, RuntimeError):
            if named and "\n" not in named and Path(named).expanduser().is_file():
                os.environ[variable] = str(Path(named).expanduser().absolute())
    if not os.environ.get("VOICEGATEWAY_CONFIG"):
        try:
            found = find_file(home=home.expanduser())
        except ConfigurationError:
            return
        os.environ["VOICEGATEWAY_CONFIG"] = str(found.absolute())
        output.line(f"configuration {found.absolute()}")


def _welcome(stack: "LocalStack") -> None:
    connection = stack.connection
    output.line(f"controller   {connection.url}", style="bold")
    output.line(f"dashboard    {connection.url}/#token={connection.admin_token}")
    output.line(f"logs         {stack.home / 'logs'}")
    output.line("on every worker, set:")
    output.line(f"  export VOICEGATEWAY_URL={connection.url}")
    output.line(f"  export VOICEGATEWAY_TOKEN={connection.worker_token}")
    if stack.agents_environment:
        output.line("or, without a change to an agent that names its models by strings:")
        for name, value in stack.agents_environment.items():
            output.line(f"  export {name}={value}")
    else:
        output.line("inference is not served: its packages are missing, its port is in use, or you said so")
    output.line("Ctrl-C stops everything; data stays.")
