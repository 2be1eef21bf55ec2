"""`voicegw budgets`: see live how much of them is spent, declare them, ask what they will come to."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.budgets_tables import anomalies, budgets_table, forecast_table, projects_table, summary
from voicegateway_controller.cli.declarations import print_declared, read_declarations, say_applied, watch
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/budgets"

app = typer.Typer(help="The fleet's budgets: live, declared, foretold.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def budgets(
    context: typer.Context,
    is_watching: Annotated[bool, typer.Option("--watch", help="Show it anew every second until Ctrl-C.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show each budget's open window: spent, reserved, left, burn per hour, when it runs out, when it resets."""
    if context.invoked_subcommand is not None:
        return
    client = api_client(url, token, home.expanduser())
    status = client.get(f"{PATH}/status")
    if is_json:
        output.as_json(status)
    elif is_watching:
        watch(status, lambda: client.get(f"{PATH}/status"), _shown)
    else:
        output.console.print(_shown(status))


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a list `budgets:`, and perhaps a `zone:` for all.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only if this revision is in force; see `voicegw budgets show`.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the budgets of a file: they replace all that are in force, everywhere, within a second."""
    declared, whole = read_declarations(file, "budgets")
    zone = whole.get("zone")
    if zone is not None and not isinstance(zone, str):
        raise ConfigurationError(f"{file}: zone: {zone!r} is no text; write an IANA name such as Europe/Berlin")
    if is_dry_run:
        output.line(f"{file} is right: {_validated(declared, zone)} budgets. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    asked = {"budgets": declared} if zone is None else {"budgets": declared, "zone": zone}
    applied = client.put(PATH, asked, if_match=None if if_revision is None else str(if_revision))
    say_applied(applied, "budgets")
    for warning in applied["warnings"]:
        output.line(f"warning: {warning}", style="yellow")


@app.command()
def show(
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print the declared budgets as a file that `voicegw budgets apply` takes."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(report)
        return
    print_declared(report, "budgets")


@app.command()
def forecast(
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Say when budgets run out, what windows and months will come to, and which hours are odd."""
    status = api_client(url, token, home.expanduser()).get(f"{PATH}/status")
    if is_json:
        kept = ("id", "window_id", "amount_usd", "spent_usd", "resets_at", "forecast")
        foretold = [{name: budget[name] for name in kept} for budget in status["budgets"]]
        output.as_json({**{name: status[name] for name in ("as_of", "projects", "anomalies")}, "budgets": foretold})
        return
    width = output.console.width
    output.console.print(
        Group(forecast_table(status, width=width), projects_table(status, width=width), *anomalies(status))
    )


def _shown(status: dict[str, Any]) -> Group:
    width = output.console.width
    return Group(*summary(status), budgets_table(status, width=width), *anomalies(status))


def _validated(declared: list[Any], zone: str | None) -> int:
    from voicegateway_controller.budgets.definitions import validated, with_zone
    from voicegateway_controller.limits.providers import known_providers

    return len(validated(with_zone(declared, zone), providers=known_providers()))
