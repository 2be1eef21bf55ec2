"""`voicegw routing`: declare chains, stacks and defaults, and see which are in force."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.declarations import print_declared, read_file
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/routing"

app = typer.Typer(help="Chains, stacks and defaults: declare them, see them.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a mapping `routing:`.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only if this revision is in force; see `voicegw routing show`.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the routing of a file: it replaces all that is in force, everywhere, within a second."""
    document = _read(file)
    if is_dry_run:
        output.line(f"{file} is right: {_validated(document)}. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    applied = client.put(PATH, {"routing": document}, if_match=None if if_revision is None else str(if_revision))
    if applied["is_changed"]:
        what = f"{applied['chains']} chains, {applied['stacks']} stacks"
        output.line(f"revision {applied['revision']} is in force: {what}.")
    else:
        output.line(f"revision {applied['revision']} is in force already: nothing has changed.")
    for warning in applied["warnings"]:
        output.line(f"note: {warning}", style="yellow")


@app.command()
def show(
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print what is declared as a file that `voicegw routing apply` takes."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(report)
        return
    print_declared(report, "routing")


def _read(file: Path) -> dict[str, Any]:
    found = read_file(file).get("routing")
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file}: must have a mapping `routing:`, such as `routing: {{chains: …}}`")
    return found


def _validated(document: dict[str, Any]) -> str:
    from voicegateway_controller.limits.providers import known_providers
    from voicegateway_controller.routing.definitions import validated

    routing = validated(document, providers=known_providers())
    return f"{len(routing.chains)} chains, {len(routing.stacks)} stacks"
