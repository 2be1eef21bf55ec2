"""`voicegw allowances`: what vendors give each month or sold ahead, how much is left, and its entries in the books."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.declarations import print_declared, read_declarations, say_applied

PATH: Final = "/api/v1/allowances"
POST_TIMEOUT_S: Final = 120.0
MS_PER_MINUTE: Final = 60_000

app = typer.Typer(help="Free quantities, subscriptions, packs: declared, drawn, booked.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a list `allowances:`.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only if this revision is in force; see `voicegw allowances declared`.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the allowances of a file: they replace all that are in force. What was booked stays booked."""
    declared, _ = read_declarations(file, "allowances")
    if is_dry_run:
        output.line(f"{file} is right: {_validated(declared)} allowances. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    applied = client.put(PATH, {"allowances": declared}, if_match=None if if_revision is None else str(if_revision))
    say_applied(applied, "allowances")


@app.command()
def declared(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Print the declared allowances as a file that `voicegw allowances apply` takes."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(report)
        return
    print_declared(report, "allowances")


@app.command()
def show(
    month: Annotated[str | None, typer.Option(help="This month, 2026-10; default: the current one.")] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show what is used and left, what that is worth, where the month will end, and what is booked."""
    query = {} if month is None else {"month": month}
    report = api_client(url, token, home.expanduser()).get(f"{PATH}/status", **query)
    if is_json:
        output.as_json(report)
        return
    if not report["allowances"]:
        output.line(f"No allowances are declared for {report['month']}: see `voicegw allowances apply --help`.")
        return
    columns = {
        "name": "allowance", "kind": "kind", "given": "given", "used": "used", "left": "left", "projected": "projected",
        "credit_usd": "worth USD", "booked_usd": "booked USD",
    }  # fmt: skip
    output.as_table(columns, [_row(each) for each in report["allowances"]], title=f"allowances in {report['month']}")


@app.command()
def post(
    month: Annotated[str, typer.Option(help="This month, 2026-10.")],
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Book what the allowances of a month give and cost, as far as it is not booked yet; as often as you like."""
    client = api_client(url, token, home.expanduser())
    answer = client.post(f"{PATH}/post", {"month": month}, timeout_s=POST_TIMEOUT_S)
    if is_json:
        output.as_json(answer)
        return
    if not answer["posted"]:
        output.line("The books are right already: nothing was booked.")
        return
    columns = {"name": "allowance", "month": "month", "what": "what", "kind": "kind", "amount_usd": "USD"}
    output.as_table(columns, answer["posted"], title="booked")


def _row(standing: dict[str, Any]) -> dict[str, Any]:
    unit = standing["unit"]
    shown = {name: _shown(standing[name], unit) for name in ("given", "used", "left", "projected")}
    if standing["kind"] == "subscription":
        shown = dict.fromkeys(shown, "")
    return {**standing, **shown}


def _shown(value: str | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "usd":
        return f"{Decimal(value):f} USD"
    if unit == "ms":
        return f"{Decimal(value) / MS_PER_MINUTE:,.1f} min"
    return f"{int(value):,}"


def _validated(declared: list[Any]) -> int:
    from voicegateway_controller.allowances.service import validated

    return len(validated(declared))
