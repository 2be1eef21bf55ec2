"""The typer application: one line per command."""

import sys

import typer

from voicegateway_controller.cli import (
    alerts,
    budgets,
    costs,
    demo,
    doctor,
    inference,
    limits,
    output,
    providers,
    resolve,
    routing,
    serve,
    sessions,
    tokens,
)
from voicegateway_shared.errors import VoiceGatewayError

app = typer.Typer(
    name="voicegw",
    help="Run a fleet of LiveKit voice-agent workers without losing track of a single cent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("up")(serve.up)
app.command("controller")(serve.controller)
app.command("runner")(serve.runner)
app.command("inference")(inference.inference)
app.command("migrate")(serve.migrate)
app.command("costs")(costs.costs)
app.command("resolve")(resolve.resolve)
app.command("doctor")(doctor.doctor)
app.add_typer(limits.app, name="limits")
app.add_typer(budgets.app, name="budgets")
app.add_typer(routing.app, name="routing")
app.add_typer(providers.app, name="providers")
app.add_typer(sessions.app, name="sessions")
app.add_typer(alerts.app, name="alerts")
app.add_typer(tokens.app, name="tokens")


def run() -> None:
    """Run a command; our own errors become one line and exit code 2, Ctrl-C becomes 130."""
    try:
        app()
    except VoiceGatewayError as error:
        output.error(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
