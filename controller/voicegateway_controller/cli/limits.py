"""`voicegw limits`: see the fleet's limits live, declare them, ask whether they would have held."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_controller.cli.declarations import print_declared, read_declarations, say_applied, watch
from voicegateway_controller.cli.limits_tables import pools_table, simulation_table, summary
from voicegateway_controller.client import SIMULATE_TIMEOUT_S

PATH: Final = "/api/v1/limits"

app = typer.Typer(help="The fleet's limits: live, declared, simulated.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def limits(
    context: typer.Context,
    is_watching: Annotated[bool, typer.Option("--watch", help="Show it anew every second until Ctrl-C.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show each pool live: rate, level, leased, spent, waiters, refusals, top holder, and what the vendor says."""
    if context.invoked_subcommand is not None:
        return
    client = api_client(url, token, home.expanduser())
    report = client.get(PATH)
    if is_json:
        output.as_json(report)
    elif is_watching:
        watch(report, lambda: client.get(PATH), _shown)
    else:
        output.console.print(_shown(report))


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a list `limits:`.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only if this revision is in force; see `voicegw limits show`.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the limits of a file: they replace all that are in force, everywhere, within a second."""
    document, _ = read_declarations(file, "limits")
    if is_dry_run:
        output.line(f"{file} is right: {_validated(document)} pools. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    applied = client.put(PATH, {"limits": document}, if_match=None if if_revision is None else str(if_revision))
    say_applied(applied, "pools")


@app.command()
def show(
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print the declared limits as a file that `voicegw limits apply` takes."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json({key: report[key] for key in ("revision", "created_at", "created_by", "limits")})
        return
    print_declared(report, "limits")


@app.command()
def simulate(
    file: Annotated[Path | None, typer.Option("--file", help="Limits to try; default: those in force.")] = None,
    since: Annotated[str, typer.Option(help="From this instant or day (UTC); '24h' and '7d' work too.")] = "24h",
    until: Annotated[str | None, typer.Option(help="Up to this instant or day (UTC); default: now.")] = None,
    admit_wait_ms: Annotated[
        int, typer.Option(help="How long a request may wait before it is refused.", min=0, max=10_000)
    ] = 250,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Would these limits have held? Replays the recorded requests; changes nothing. Exit code 1 when one would not."""
    now = datetime.now(UTC)
    asked: dict[str, Any] = {
        "since": instant(since, now=now, name="since").isoformat(),
        "until": (now if until is None else instant(until, now=now, name="until")).isoformat(),
        "admit_wait_ms": admit_wait_ms,
    }
    if file is not None:
        asked["limits"], _ = read_declarations(file, "limits")
    client = api_client(url, token, home.expanduser())
    answer = client.post(f"{PATH}/simulate", asked, timeout_s=SIMULATE_TIMEOUT_S)
    if is_json:
        output.as_json(answer)
    else:
        output.console.print(simulation_table(answer, width=output.console.width))
    if not all(pool["holds"] for pool in answer["pools"]):
        raise typer.Exit(1)


def _shown(report: dict[str, Any]) -> Group:
    width = output.console.width
    return Group(*summary(report, width=width), pools_table(report, width=width))


def _validated(document: list[Any]) -> int:
    from voicegateway_controller.limits.definitions import validated
    from voicegateway_controller.limits.providers import known_providers

    return len(validated(document, providers=known_providers()))
