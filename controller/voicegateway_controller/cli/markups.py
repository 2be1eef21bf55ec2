"""`voicegw markups` and `voicegw margins`: what customers are charged, and what that leaves."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.declarations import print_declared, read_declarations, say_applied

PATH: Final = "/api/v1/markups"
COLUMNS: Final = ("project", "provider", "model", "cost_usd", "price_usd", "margin_usd", "margin_percent", "is_thin")

app = typer.Typer(help="What customers are charged for what we pay: declared.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with a list `markups:`.")],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether the file is right.")] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only if this revision is in force; see `voicegw markups show`.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Declare the markups of a file: they replace all that are in force, everywhere, within a second."""
    declared, _ = read_declarations(file, "markups")
    if is_dry_run:
        from voicegateway_controller.exports.markups.definitions import validated
        from voicegateway_controller.limits.providers import known_providers

        count = len(validated(declared, providers=known_providers()))
        output.line(f"{file} is right: {count} markups. Nothing was declared.")
        return
    client = api_client(url, token, home.expanduser())
    applied = client.put(PATH, {"markups": declared}, if_match=None if if_revision is None else str(if_revision))
    say_applied(applied, "markups")


@app.command()
def show(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Print the declared markups as a file that `voicegw markups apply` takes."""
    report = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(report)
        return
    print_declared(report, "markups")


def margins(
    month: Annotated[str, typer.Option(help="Such as 2026-10, UTC.", show_default=False)],
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    thin: Annotated[int, typer.Option(help="Less than so many percent of the price is thin.", min=-100, max=100)] = 10,
    is_json: Json = False,
    is_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show cost, price and margin of a month by project and model; thin margins are marked."""
    query = {"month": month, "thin_percent": str(thin), **({} if project is None else {"project": project})}
    report = json.loads(b"".join(api_client(url, token, home.expanduser()).stream("/api/v1/margins", **query)))
    if is_json:
        output.as_json(report)
    elif is_csv:
        output.as_csv(COLUMNS, report["rows"])
    else:
        _print(report)


def _print(report: dict[str, Any]) -> None:
    rows = [
        {
            **row,
            **{key: _rounded(row[key]) for key in ("cost_usd", "price_usd", "margin_usd")},
            "project": row["project"] or "total",
            "model": f"{row['provider']}/{row['model']}".strip("/"),
            "margin_percent": "–" if row["margin_percent"] is None else f"{row['margin_percent']} %",
            "is_thin": "thin" if row["is_thin"] else "",
        }
        for row in (*report["rows"], report["total"])
    ]
    headings = {
        "project": "project", "model": "model", "cost_usd": "cost USD", "price_usd": "price USD",
        "margin_usd": "margin USD", "margin_percent": "of price", "is_thin": "",
    }  # fmt: skip
    title = f"Margins of {report['month']}, rounded; thin is below {report['thin_percent']} %"
    output.as_table(headings, rows, title=title)
    if report["is_cut"]:
        output.line("There are more rows than are shown; the total counts them all.", style="yellow")


def _rounded(amount: str) -> str:
    """Return six decimals, to be read side by side; --json and --csv have all twelve."""
    return f"{Decimal(amount).quantize(Decimal('0.000001')):f}"
