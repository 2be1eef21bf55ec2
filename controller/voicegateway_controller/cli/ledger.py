"""`voicegw ledger`: prove the books, close months, see why they were corrected."""

import asyncio
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client, database_url
from voicegateway_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from voicegateway_controller.ledger.audit import Audit

PATH: Final = "/api/v1/ledger"
WIDE: Final = 140
"""Characters of a window that has room for corrections' ids; --json always has them."""
CLOSE_TIMEOUT_S: Final = 330.0
"""A little longer than the controller gives Postgres."""

app = typer.Typer(help="The books: prove them, close months, correct the past.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def verify(
    month: Annotated[str | None, typer.Option(help="This month, 2026-10; default: the last two.")] = None,
    since: Annotated[str | None, typer.Option(help="From this month on, up to now.")] = None,
    is_json: Json = False,
    home: Home = HOME_DEFAULT,
) -> None:
    """Prove the books: entries unchanged, sums equal, everything traced to its cause, debits equal to credits.

    Reads the database itself (VOICEGATEWAY_DATABASE_URL, or the local stack's), and trusts no controller. Exit code 1
    when a check finds anything. Keep the printed heads of the chains elsewhere: they show that nobody rewrote the past.
    """
    first, end = _months(month, since, today=datetime.now(UTC).date())
    found = asyncio.run(_audit(database_url(home.expanduser()), first, end))
    if is_json:
        output.as_json(_document(found))
    else:
        _print(found)
    if not found.is_sound:
        raise typer.Exit(1)


@app.command()
def periods(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """List the months: open or closed, and what is booked in them."""
    answer = api_client(url, token, home.expanduser()).get(f"{PATH}/periods")
    if is_json:
        output.as_json(answer)
        return
    rows = [{**each, "state": "closed" if each["is_closed"] else "open"} for each in answer["periods"]]
    columns = {
        "month": "month", "state": "state", "entries": "entries", "amount_usd": "USD", "late_entries": "late",
        "pending_spans": "waiting", "closed_by": "closed by",
    }  # fmt: skip
    output.as_table(columns, rows, title="months of the books")


@app.command()
def close(
    month: Annotated[str, typer.Option(help="The month, 2026-10; it must be over.")],
    reason: Annotated[str, typer.Option(help="For whoever asks later.")] = "",
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Close a month for good: what comes later is booked in the first open month."""
    read_month(month)
    if not is_sure and not typer.confirm(f"Close {month} for good?"):
        output.line("nothing was closed.")
        raise typer.Exit(1)
    client = api_client(url, token, home.expanduser())
    made = client.post(f"{PATH}/periods", {"month": month, "reason": reason}, timeout_s=CLOSE_TIMEOUT_S)
    if is_json:
        output.as_json(made)
    else:
        output.line(f"{made['month']} is closed: {made['entries']} entries, {made['amount_usd']} USD.")


@app.command()
def balance(
    month: Annotated[str | None, typer.Option(help="Only this month, 2026-10; default: all.")] = None,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show the trial balance: costs by project, what is accrued and payable by vendor. Exit code 1 if not zero."""
    query = {}
    if month is not None:
        first, end = _months(month, None, today=datetime.now(UTC).date())
        query = {"since": f"{first:%Y-%m}", "until": f"{end:%Y-%m}"}
    answer = api_client(url, token, home.expanduser()).get(f"{PATH}/balance", **query)
    if is_json:
        output.as_json(answer)
    else:
        total = {"name": "total", **answer, "balance_usd": answer["difference_usd"]}
        columns = {"name": "account", "debit_usd": "debit", "credit_usd": "credit", "balance_usd": "balance"}
        output.as_table(columns, [*answer["accounts"], total], title=f"trial balance {month or ''}".strip())
    if answer["difference_usd"] != "0":
        raise typer.Exit(1)


@app.command()
def corrections(
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 50,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List why the books were corrected, by whom, and what it came to; the newest first."""
    answer = api_client(url, token, home.expanduser()).get(f"{PATH}/corrections", limit=str(limit))
    if is_json:
        output.as_json(answer)
        return
    if not answer["corrections"]:
        output.line("nothing was corrected.")
        return
    columns = {
        "when": "when", "kind": "kind", "actor": "by", "entries": "entries", "amount_usd": "USD", "reason": "reason",
    }  # fmt: skip
    if output.console.width >= WIDE:
        columns["id"] = "correction"
    rows = [{**each, "when": f"{each['created_at'][:16].replace('T', ' ')}Z"} for each in answer["corrections"]]
    output.as_table(columns, rows, title="corrections, the newest first")


def read_month(text: str) -> date:
    """Return the first day of a month written as `2026-10`.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        if len(text) != len("2026-10"):
            raise ValueError(text)
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no month; write one such as 2026-10") from error


def _months(month: str | None, since: str | None, *, today: date) -> tuple[date, date]:
    from voicegateway_controller.months import next_month

    if month is not None and since is not None:
        raise ConfigurationError("give --month or --since, not both")
    if month is not None:
        first = read_month(month)
        return first, next_month(first)
    this = today.replace(day=1)
    last = date(this.year - (this.month == 1), (this.month - 2) % 12 + 1, 1)
    first = last if since is None else read_month(since)
    if first > this:
        raise ConfigurationError(f"--since {since} is in the future")
    return first, next_month(this)


async def _audit(url: str, first: date, end: date) -> "Audit":
    from voicegateway_controller.db.engine import make_engine
    from voicegateway_controller.ledger.audit import audit

    engine = make_engine(url, pool_size=2, application_name="voicegw-ledger")
    try:
        with output.errors.status("") as status:
            return await audit(
                engine,
                since=first,
                until=end,
                progress=lambda check, month: status.update(f"{month:%Y-%m}: {check} …"),
            )
    finally:
        await engine.dispose()


def _document(found: "Audit") -> dict[str, Any]:
    return {
        "since": f"{found.since:%Y-%m}",
        "until": f"{found.until:%Y-%m}",
        "is_sound": found.is_sound,
        "checks": [
            {
                "name": each.name,
                "promise": each.promise,
                "looked_at": each.looked_at,
                "findings": each.findings,
                "notes": each.notes,
            }
            for each in found.checks
        ],
        "heads": list(found.heads),
    }


def _print(found: "Audit") -> None:
    output.line(f"the books from {found.since:%Y-%m} to before {found.until:%Y-%m}")
    for each in found.checks:
        result = "holds" if not each.findings else f"BROKEN: {len(each.findings)} findings"
        output.line(f"  {each.name:<10}{result:<8}{each.looked_at:>12,}  {each.promise}")
    for each in found.checks:
        for text in each.findings:
            output.line(f"{each.name}: {text}", style="red")
        for text in each.notes:
            output.line(f"{each.name}: {text}", style="dim")
    if found.heads:
        output.line(f"{len(found.heads)} chains; keep their heads elsewhere (--json). The newest:", style="dim")
        output.line(found.heads[-1], style="dim")
