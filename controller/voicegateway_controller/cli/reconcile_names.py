"""`voicegw reconcile names`: what a vendor's words for models mean, and which of its keys are ours."""

from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client

PATH: Final = "/api/v1/reconciliations/names"

app = typer.Typer(help="Declare what a vendor's names mean.", invoke_without_command=True)
Vendor = Annotated[str, typer.Argument(help="Our id of the vendor.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def names(
    context: typer.Context, is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT
) -> None:
    """Show the declared aliases and links."""
    if context.invoked_subcommand is not None:
        return
    answer = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(answer)
        return
    headings = {"provider": "vendor", "name": "its word", "model": "our model", "valid_from": "from", "valid_to": "to"}
    rows = [{key: "" if value is None else value for key, value in row.items()} for row in answer["aliases"]]
    output.as_table(headings, rows, title="aliases")
    headings = {"provider": "vendor", "credential": "its key", "key_id": "our fingerprint"}
    output.as_table(headings, answer["links"], title="links")


@app.command()
def alias(
    vendor: Vendor,
    name: Annotated[str, typer.Argument(help="The vendor's word: a line item or a model.")],
    model: Annotated[str, typer.Argument(help="The catalogue's model that it means.")],
    since: Annotated[str | None, typer.Option("--from", help="First day on which it does, as 2026-10-01.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="First day on which it does no more.")] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Say which model a vendor's word means."""
    asked: dict[str, Any] = {"provider": vendor, "name": name, "model": model, "valid_from": since, "valid_to": until}
    api_client(url, token, home.expanduser()).put(f"{PATH}/aliases", asked)
    output.line(f"{vendor}'s {name} is {model} from the next reconciliation on.")


@app.command()
def unalias(
    vendor: Vendor,
    name: Annotated[str, typer.Argument(help="The vendor's word.")],
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Forget a vendor's word."""
    answer = api_client(url, token, home.expanduser()).delete(f"{PATH}/aliases", provider=vendor, name=name)
    _say_gone(answer, f"alias {name}")


@app.command()
def link(
    vendor: Vendor,
    credential: Annotated[str, typer.Argument(help="The vendor's id of the key.")],
    key_id: Annotated[str, typer.Argument(help="Our fingerprint of it, as limits and sessions show it.")],
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Say which of our keys a vendor's credential is: cells are then compared key by key."""
    asked = {"provider": vendor, "credential": credential, "key_id": key_id}
    api_client(url, token, home.expanduser()).put(f"{PATH}/links", asked)
    output.line(f"{vendor}'s {credential} is {key_id} from the next reconciliation on.")


@app.command()
def unlink(
    vendor: Vendor,
    credential: Annotated[str, typer.Argument(help="The vendor's id of the key.")],
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Forget a link."""
    answer = api_client(url, token, home.expanduser()).delete(f"{PATH}/links", provider=vendor, credential=credential)
    _say_gone(answer, f"link of {credential}")


def _say_gone(answer: dict[str, Any], what: str) -> None:
    if not answer["is_gone"]:
        output.error(f"there is no {what}")
        raise typer.Exit(1)
    output.line(f"The {what} is forgotten.")
