"""`voicegw reconcile mapping`: which column of a vendor's export means what."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError
from voicegateway_shared.money import format_usd

if TYPE_CHECKING:
    from voicegateway_controller.reconcile.files import ColumnMapping
    from voicegateway_controller.reconcile.statement import VendorStatement

PATH: Final = "/api/v1/reconcile-mappings"
LINES_SHOWN: Final = 20
COLUMNS: Final = {"name": "mapping", "provider": "provider", "kind": "kind", "saved": "saved"}
LINE_COLUMNS: Final = {
    "sku": "line",
    "day": "day",
    "account": "account",
    "credential": "key",
    "meter": "meter",
    "quantity": "quantity",
    "amount": "USD",
    "category": "category",
}

app = typer.Typer(help="Which column of a vendor's export means what.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path, typer.Argument(help="The vendor's export: CSV or XLSX.", exists=True, dir_okay=False)]


@app.command("list")
def list_mappings(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """List the mappings that come along and those that were saved."""
    found = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(found)
        return
    output.as_table(COLUMNS, [_row(each) for each in found["mappings"]], title="column mappings")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A mapping's name.")],
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Print a mapping as YAML, as `save` takes it."""
    output.text(api_client(url, token, home.expanduser()).get(f"{PATH}/{name}")["document"])


@app.command()
def propose(
    file: File,
    provider: Annotated[str, typer.Option(help="Whose export it is, as in model strings: groq.")],
    encoding: Annotated[
        str, typer.Option(help="Of a CSV without a byte-order mark: utf-8, cp1252, latin-1.")
    ] = "utf-8",
    out: Annotated[Path | None, typer.Option(help="Write it here instead of printing it.", dir_okay=False)] = None,
) -> None:
    """Guess a mapping from an export's headings, for you to read, mend and save. Asks no controller."""
    from voicegateway_controller.reconcile import files

    text = files.mapping_yaml(files.propose(file.read_bytes(), file.name, provider=provider, encoding=encoding))
    if out is None:
        output.text(text)
        return
    out.write_text(text, encoding="utf-8")
    output.line(f"wrote {out}: read it, mend it, try it with `voicegw reconcile mapping check {file} --mapping {out}`")


@app.command()
def check(
    file: File,
    month: Annotated[str, typer.Option(help="2026-10.")],
    mapping: Annotated[str, typer.Option(help="A mapping's YAML file, or the name of one that comes along.")],
    is_json: Json = False,
) -> None:
    """Read an export by a mapping and say what comes out. Books nothing, asks no controller."""
    from voicegateway_controller.reconcile import files

    found = _mapping(mapping)
    statement = files.read_table(file.read_bytes(), file.name, found, month=month_of(month), now=datetime.now(UTC))
    if is_json:
        output.as_json(_document(statement))
        return
    rows = [_line(line) for line in _lines(statement)]
    output.as_table(LINE_COLUMNS, rows[:LINES_SHOWN], title=f"{found.provider}, {month}")
    if len(rows) > LINES_SHOWN:
        output.line(f"… and {len(rows) - LINES_SHOWN} lines more; --json prints all")
    output.line(f"{len(rows)} lines, ${_document(statement)['amount_usd']} in all")
    for note in statement.notes:
        output.line(f"note: {note}")


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="The mapping as YAML.", exists=True, dir_okay=False)],
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Save a mapping for everybody, in place of the one of its name."""
    from voicegateway_controller.reconcile import files

    text = file.read_text(encoding="utf-8")
    name = files.parse_mapping(text).name
    saved = api_client(url, token, home.expanduser()).put(f"{PATH}/{name}", {"document": text})
    if is_json:
        output.as_json(saved)
    else:
        output.line(f"saved {saved['name']} for {saved['provider']}")


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="A saved mapping's name.")],
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Delete a saved mapping; what was imported by it stays as it is."""
    api_client(url, token, home.expanduser()).delete(f"{PATH}/{name}")
    output.line(f"deleted {name}")


def month_of(text: str) -> date:
    """Read `2026-10`. Raises ConfigurationError."""
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise ConfigurationError(f"--month {text!r} is no month: write 2026-10") from error


def _mapping(name: str) -> "ColumnMapping":
    from voicegateway_controller.reconcile import files

    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return files.parse_mapping(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise VoiceGatewayError(f"{path} cannot be read: {error.strerror}") from error
    found = files.builtin().get(name)
    if found is None:
        raise ConfigurationError(
            f"no mapping {name!r} comes along ({', '.join(files.builtin())}); for a saved one: "
            f"`voicegw reconcile mapping show {name} > {name}.yaml`"
        )
    return found


def _row(each: dict[str, Any]) -> dict[str, str]:
    saved = "" if each["saved_at"] is None else f"{each['saved_at'][:16].replace('T', ' ')} by {each['actor']}"
    return {**each, "kind": "comes along" if each["is_built_in"] else "saved", "saved": saved}


def _document(statement: "VendorStatement") -> dict[str, Any]:
    return {
        "provider": statement.provider,
        "month": f"{statement.month:%Y-%m}",
        "amount_usd": format_usd(sum(line.amount_pico_usd or 0 for line in statement.lines)),
        "notes": list(statement.notes),
        "lines": _lines(statement),
    }


def _lines(statement: "VendorStatement") -> list[dict[str, Any]]:
    return [
        {
            "day": None if line.day is None else line.day.isoformat(),
            "sku": line.sku,
            "account": line.account,
            "credential": line.credential,
            "model": line.model,
            "meter": line.meter,
            "quantity": line.quantity,
            "requests": line.requests,
            "amount_usd": None if line.amount_pico_usd is None else format_usd(line.amount_pico_usd),
            "category": line.category,
        }
        for line in statement.lines
    ]


def _line(line: dict[str, Any]) -> dict[str, str]:
    shown = {key: "" if value is None else str(value) for key, value in line.items()}
    return {**shown, "amount": shown["amount_usd"]}
