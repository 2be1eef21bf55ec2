"""`voicegw reconcile`: a vendor's bill against the ledger, why they differ, and the books made to agree."""

import re
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from voicegateway_controller.cli import output, reconcile_files, reconcile_names
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.progress import waiting
from voicegateway_controller.cli.reconcile_tables import (
    comparison_table,
    print_groups,
    print_report,
    print_runs,
    verdict,
)
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

PATH: Final = "/api/v1/reconciliations"
POLL_S: Final = 0.5
WAIT_S: Final = 1_800.0
"""How long the command waits for a run; the run itself goes on and is seen with `voicegw reconcile show`."""
SEND_TIMEOUT_S: Final = 120.0
ACCEPT_TIMEOUT_S: Final = 120.0
WORST: Final = 10
"""Cells shown below the waterfall."""
FILE_BYTES_MAX: Final = 20 * 2**20
_MONTH: Final = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)


class _VendorFirst(TyperGroup):
    """A first word that is no command is a vendor: `voicegw reconcile openai` is `voicegw reconcile run openai`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_VendorFirst,
    help="Compare a vendor's bill with the ledger: `voicegw reconcile openai --month 2026-10`.",
    no_args_is_help=True,
)
app.add_typer(reconcile_names.app, name="names")
app.add_typer(reconcile_files.app, name="mapping")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(help="A reconciliation's number, as `list` shows it.", min=1)]
MonthOption = Annotated[str, typer.Option("--month", help="Which month, as 2026-10.")]
By = Annotated[str | None, typer.Option("--by", help="Both sides by day, model or key as well.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write the report as a page into this file.")]


@app.command()
def run(
    vendor: Annotated[str, typer.Argument(help="Our id of the vendor, as in the model string: openai.")],
    month: MonthOption,
    file: Annotated[Path | None, typer.Option(help="The vendor's invoice or export: CSV, XLSX or PDF.")] = None,
    mapping: Annotated[
        str | None, typer.Option(help="How to read the file; the vendor's own mapping unless told.")
    ] = None,
    total: Annotated[str | None, typer.Option(help="The invoice's total with tax, in USD, as 123.45.")] = None,
    tax: Annotated[str | None, typer.Option(help="The tax in that total.")] = None,
    threshold: Annotated[str | None, typer.Option(help="Drift that is let pass: 0.5% or $1.00.")] = None,
    by: By = None,
    html: Html = None,
    is_accepting: Annotated[bool, typer.Option("--accept", help="Book what makes the ledger agree, at once.")] = False,
    reference: Annotated[str, typer.Option(help="With --accept: the invoice's own number.")] = "",
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Reconcile a month. Exit code 0: drift within the threshold; 1: above it; 2: it could not be done."""
    _check_by(by)
    month = _checked_month(month)
    client = api_client(url, token, home.expanduser())
    number = _start(client, vendor, month, file=file, mapping=mapping, total=total, tax=tax,
                    threshold=threshold)  # fmt: skip
    found = _awaited(client, number)
    if is_accepting:
        _accept(client, number, reason="", reference=reference, is_forced=False, is_quiet=is_json)
        found = client.get(f"{PATH}/{number}")
    _show(client, found, by=by, html=html, is_json=is_json)
    if not found["report"]["is_within"]:
        raise typer.Exit(1)


@app.command("list")
def list_all(
    vendor: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    month: Annotated[str | None, typer.Option(help="Only of this month, as 2026-10.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 20,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List reconciliations, the newest first."""
    query = {"limit": str(limit)}
    if vendor is not None:
        query["provider"] = vendor
    if month is not None:
        query["month"] = _checked_month(month)
    answer = api_client(url, token, home.expanduser()).get(PATH, **query)
    if is_json:
        output.as_json(answer)
    else:
        print_runs(answer["reconciliations"])


@app.command()
def show(
    number: Number,
    by: By = None,
    html: Html = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show a reconciliation again, exactly as it was. Exit code 1 if its drift was above its threshold."""
    _check_by(by)
    client = api_client(url, token, home.expanduser())
    found = client.get(f"{PATH}/{number}")
    if found["report"] is None:
        raise VoiceGatewayError(_why_none(found))
    _show(client, found, by=by, html=html, is_json=is_json)
    if not found["report"]["is_within"]:
        raise typer.Exit(1)


@app.command()
def compare(
    number: Number,
    other: Annotated[int | None, typer.Option("--with", help="With this one; the one before unless told.")] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show what changed since the run before of the same month: restatements, and changes of our books."""
    query = {} if other is None else {"with": str(other)}
    answer = api_client(url, token, home.expanduser()).get(f"{PATH}/{number}/compare", **query)
    if is_json:
        output.as_json(answer)
    else:
        comparison_table(answer)


@app.command()
def accept(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; kept with the corrections.")] = "",
    reference: Annotated[str, typer.Option(help="The invoice's own number.")] = "",
    is_forced: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Although the vendor may still add to it, told of no fees of plans, or its file has another total.",
        ),
    ] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Book corrections so that the books say what the vendor billed, and post its invoice; the second time nothing."""
    client = api_client(url, token, home.expanduser())
    booked = _accept(client, number, reason=reason, reference=reference, is_forced=is_forced, is_quiet=is_json)
    if is_json:
        output.as_json(booked)


@app.command()
def reverse(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why it is taken back; kept with the counter-entries.")],
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Take an acceptance back by counter-entries: the books are as they were before."""
    client = api_client(url, token, home.expanduser())
    booked = client.post(f"{PATH}/{number}/reverse", {"reason": reason}, timeout_s=ACCEPT_TIMEOUT_S)
    if is_json:
        output.as_json(booked)
    else:
        output.line(f"Taken back: {booked['entries']} entries, ${booked['booked_usd']} booked.")


def _start(
    client: ApiClient, vendor: str, month: str, *, file: Path | None, mapping: str | None, total: str | None,
    tax: str | None, threshold: str | None,
) -> int:  # fmt: skip
    if file is None:
        if mapping is not None:
            raise ConfigurationError("--mapping says how to read a --file")
        asked: dict[str, Any] = {"provider": vendor, "month": month, "source": "api" if total is None else "total"}
        told = {"total_usd": total, "tax_usd": tax, "threshold": threshold}
        asked |= {name: value for name, value in told.items() if value is not None}
        return int(client.post(PATH, asked)["number"])
    query = {"provider": vendor, "month": month, "name": file.name}
    told = {"mapping": mapping, "total_usd": total, "tax_usd": tax, "threshold": threshold}
    query |= {name: value for name, value in told.items() if value is not None}
    return int(client.post_bytes(f"{PATH}/file", _read(file), timeout_s=SEND_TIMEOUT_S, **query)["number"])


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            body = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from error
    if len(body) > FILE_BYTES_MAX:
        raise ConfigurationError(f"{file} is larger than {FILE_BYTES_MAX} bytes: export one month only")
    return body


def _awaited(client: ApiClient, number: int) -> dict[str, Any]:
    """Wait until the run has ended; its failure is ours."""
    deadline = time.monotonic() + WAIT_S
    with waiting("begun") as say:
        while True:
            found: dict[str, Any] = client.get(f"{PATH}/{number}")
            if found["state"] != "running":
                break
            if time.monotonic() >= deadline:
                raise VoiceGatewayError(f"it still runs: see `voicegw reconcile show {number}` later")
            say(found["step"] or "begun")
            time.sleep(POLL_S)
    if found["report"] is None:
        raise VoiceGatewayError(_why_none(found))
    return found


def _why_none(found: dict[str, Any]) -> str:
    if found["state"] == "running":
        return f"reconciliation {found['number']} still runs: {found['step']}"
    return f"reconciliation {found['number']} failed: {found['error']}"


def _show(client: ApiClient, found: dict[str, Any], *, by: str | None, html: Path | None, is_json: bool) -> None:
    number = found["number"]
    if html is not None:
        page = b"".join(client.stream(f"{PATH}/{number}/report.html"))
        try:
            html.write_bytes(page)
        except OSError as error:
            raise ConfigurationError(f"{html} cannot be written: {error.strerror or error}") from error
    groups = None if by is None else client.get(f"{PATH}/{number}/groups", by=by)
    cells = client.get(f"{PATH}/{number}/cells", limit=str(WORST))["cells"]
    if is_json:
        output.as_json({**found, "cells": cells, **({} if groups is None else {"groups": groups["groups"]})})
        return
    print_report(found, cells)
    if groups is not None:
        print_groups(groups)
    if html is not None:
        output.line(f"The report is in {html}.")
    output.line(verdict(found), style="green" if found["report"]["is_within"] else "red")


def _accept(
    client: ApiClient, number: int, *, reason: str, reference: str, is_forced: bool, is_quiet: bool
) -> dict[str, Any]:
    asked = {"reason": reason, "reference": reference, "force": is_forced}
    booked: dict[str, Any] = client.post(f"{PATH}/{number}/accept", asked, timeout_s=ACCEPT_TIMEOUT_S)
    if not is_quiet and booked["is_new"]:
        output.line(f"Accepted: {booked['entries']} entries, ${booked['booked_usd']} booked.")
    elif not is_quiet:
        output.line(f"It was accepted before: nothing new is booked. Correction {booked['correction_id']}.")
    return booked


def _checked_month(month: str) -> str:
    if _MONTH.fullmatch(month) is None:
        raise ConfigurationError(f"--month {month!r} is no month; write 2026-10")
    return month


def _check_by(by: str | None) -> None:
    if by not in (None, "day", "model", "key"):
        raise ConfigurationError(f"--by {by!r} is unknown; take day, model or key")
