"""The typer application: one line per command."""

import sys
from typing import Annotated

import typer

from voicegateway_controller.cli import (
    access,
    alerts,
    allowances,
    audit,
    budgets,
    completion,
    config,
    contexts,
    costs,
    declarations,
    demo,
    doctor,
    exits,
    export,
    fleet,
    inference,
    init,
    ledger,
    limits,
    logs,
    markups,
    mcp,
    models,
    output,
    pipes,
    prices,
    projects,
    providers,
    reconcile,
    requests,
    rerate,
    resolve,
    routing,
    serve,
    session,
    sessions,
    tokens,
    top,
    validation,
    vault,
    vendor_keys,
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
app.command("init")(init.init)
app.command("up")(serve.up)
app.command("controller")(serve.controller)
app.command("runner")(serve.runner)
app.command("inference")(inference.inference)
app.command("mcp")(mcp.mcp)
app.command("migrate")(serve.migrate)
app.command("costs")(costs.costs)
app.command("session")(session.session)
app.command("requests")(requests.requests)
app.command("models")(models.models)
app.command("logs")(logs.logs)
app.command("top")(top.top)
app.command("validation")(validation.validation)
app.command("margins")(markups.margins)
app.command("resolve")(resolve.resolve)
app.command("doctor")(doctor.doctor)
ledger.app.command("rerate")(rerate.rerate)
app.add_typer(ledger.app, name="ledger")
app.add_typer(export.app, name="export")
app.add_typer(markups.app, name="markups")
app.add_typer(allowances.app, name="allowances")
app.add_typer(limits.app, name="limits")
app.add_typer(budgets.app, name="budgets")
app.add_typer(routing.app, name="routing")
app.add_typer(prices.app, name="prices")
app.add_typer(projects.app, name="projects")
app.add_typer(providers.app, name="providers")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(sessions.app, name="sessions")
app.add_typer(fleet.app, name="fleet")
app.add_typer(alerts.app, name="alerts")
app.add_typer(tokens.app, name="tokens")
app.add_typer(audit.app, name="audit")
app.add_typer(config.app, name="config")
app.add_typer(contexts.app, name="contexts")
app.command("completion")(completion.completion)
app.add_typer(vendor_keys.app, name="keys")
app.add_typer(vault.app, name="vault")


@app.callback()
def root(
    context: Annotated[
        str | None, typer.Option("--context", help="Talk to this controller; see `voicegw contexts`.")
    ] = None,
) -> None:
    """Run a fleet of LiveKit voice-agent workers without losing track of a single cent."""
    access.choose_context(context)


def run() -> None:
    """Run a command; our own errors become one line and an exit code of `exits`, Ctrl-C becomes 130."""
    try:
        completion.answer_shell()
        command = typer.main.get_command(app)
        pipes.prepare(command)
        command(prog_name=completion.PROGRAM)
    except VoiceGatewayError as error:
        output.error(declarations.told(error))
        sys.exit(exits.code_of(error))
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
