"""`voicegw export`: FOCUS files, statements and usage events from the ledger, and a check of FOCUS files."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_controller.cli.export_events import Customers, EventsFile
from voicegateway_controller.cli.progress import counting, received
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/exports"
BREACHES_MAX: Final = 50
"""Broken rules that are printed; their number is always told."""

app = typer.Typer(help="What leaves the ledger for others: FOCUS, statements, usage events.", no_args_is_help=True)
Month = Annotated[str, typer.Option(help="Such as 2026-10, UTC.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Where to; standard output when absent.")]


class Grain(StrEnum):
    """How much one row of a FOCUS file holds."""

    ENTRY = "entry"
    HOUR = "hour"
    DAY = "day"


class FocusFormat(StrEnum):
    """What a FOCUS file is written in."""

    CSV = "csv"
    CSV_GZ = "csv.gz"
    PARQUET = "parquet"


class StatementFormat(StrEnum):
    """What a statement is written in."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


class EventFormat(StrEnum):
    """Whose events."""

    OPENMETER = "openmeter"
    STRIPE = "stripe"


class Value(StrEnum):
    """What a Stripe event counts."""

    QUANTITY = "quantity"
    COST = "cost"
    PRICE = "price"


@app.command()
def focus(
    month: Month,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    form: Annotated[FocusFormat, typer.Option("--format", help="What to write.")] = FocusFormat.CSV,
    grain: Annotated[Grain, typer.Option(help="One row for each entry, or for an hour's or a day's sum.")] = Grain.DAY,
    out: Out = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Write a month as FOCUS 1.2, with the names of 1.3: every entry of the books, exact to the last digit."""
    query = {"month": month, "format": form.value, "grain": grain.value, **_given(project=project)}
    _write(api_client(url, token, home.expanduser()).stream(f"{PATH}/focus", **query), out, what=f"FOCUS of {month}")


@app.command()
def statement(
    project: Annotated[str, typer.Option(help="Whose statement.", show_default=False)],
    month: Month,
    form: Annotated[StatementFormat, typer.Option("--format", help="What to write.")] = StatementFormat.HTML,
    with_price: Annotated[bool, typer.Option("--with-price", help="Also what the project is charged.")] = False,
    out: Out = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Write what a project owes for a month: by agent, model and meter, beside the month before."""
    query = {"project": project, "month": month, "format": form.value, "with_price": str(with_price).lower()}
    pieces = api_client(url, token, home.expanduser()).stream(f"{PATH}/statement", **query)
    _write(pieces, out, what=f"statement of {project} for {month}")


@app.command()
def events(
    form: Annotated[EventFormat, typer.Option("--format", help="Whose events.", show_default=False)],
    since: Annotated[str | None, typer.Option(help="Only what was written down since this instant or day.")] = None,
    until: Annotated[str | None, typer.Option(help="Only what was written down before this instant or day.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier run ended.")] = None,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Go on from the cursor in this file, and keep the new one there.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    value: Annotated[
        Value, typer.Option(help="What a Stripe event counts: money is in pico-dollars.")
    ] = Value.QUANTITY,
    customers: Annotated[
        Path | None, typer.Option(help="YAML or JSON, `customers: {project: cus_…}`: for Stripe.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON lines are appended to this file.")] = None,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Write entries as usage events, one JSON a line, each once, in the order of the books; go on where it ended."""
    if cursor is not None and cursor_file is not None:
        raise ConfigurationError("give --cursor or --cursor-file, not both")
    if (form is EventFormat.STRIPE) != (customers is not None):
        raise ConfigurationError("--customers goes with --format stripe: Stripe's events name your customers' ids")
    named = None if customers is None else Customers.read(customers)
    file = EventsFile(out, cursor_file, cursor)
    now = datetime.now(UTC)
    query = {"format": form.value, "value": value.value, **_given(project=project)}
    for name, text in (("since", since), ("until", until)):
        if text is not None:
            query[name] = instant(text, now=now, name=name).isoformat().replace("+00:00", "Z")
    client = api_client(url, token, home.expanduser())
    count, has_more = 0, True
    # What goes to this very terminal shows by itself how far it is.
    with counting("events", is_quiet=out is None and sys.stdout.isatty()) as shown:
        while has_more:
            page = json.loads(b"".join(client.stream(f"{PATH}/events", **query, **_given(cursor=file.cursor))))
            made = page["events"] if named is None else named.all_named(page["events"])
            file.add(made, cursor=page["next_cursor"])
            count += len(made)
            shown.add(len(made))
            has_more = page["has_more"]
    output.errors.print(f"{count} events; go on later with --cursor {file.cursor}", highlight=False)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="A FOCUS file: CSV, gzipped CSV or Parquet.")],
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold a FOCUS file, ours or another's, to the column rules of FOCUS 1.2. Exit code 1 when it breaks any."""
    from voicegateway_controller.exports.focus.validating import validate_file

    found = validate_file(file)
    if is_json:
        breaches = [
            {"rule": rule, "count": count, "rows": found.examples[rule]} for rule, count in found.broken.most_common()
        ]
        output.as_json({"version": "1.2", "rows": found.rows, "is_valid": not breaches, "breaches": breaches})
    else:
        for rule, count in found.broken.most_common(BREACHES_MAX):
            rows = ", ".join(str(row) for row in found.examples[rule] if row)
            output.line(f"{rule}{f': {count} rows, such as {rows}' if rows else ''}", style="red")
        verdict = f"breaks {len(found.broken)} rules" if found.broken else "keeps all of them"
        output.line(f"{file}: {found.rows} rows held to FOCUS 1.2: it {verdict}.")
    if found.broken:
        raise typer.Exit(1)


def _given(**query: str | None) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def _write(pieces: Iterable[bytes], out: Path | None, *, what: str) -> None:
    """Write all of it or nothing: a file appears when it is complete."""
    # What goes to this very terminal shows by itself how far it is.
    pieces = received(pieces, what, is_quiet=out is None and sys.stdout.isatty())
    if out is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            for piece in pieces:
                file.write(piece)
        part.replace(out)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
