"""`voicegw ledger rerate`: a corrected price, or a new one, rates the past anew."""

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

PATH: Final = "/api/v1/ledger/reratings"
LOOK_S: Final = 0.5
STALL_S: Final = 60.0
"""A run on which nobody works for so long has no runner."""
_FILTERS: Final = ("provider", "model", "project")


def rerate(
    reason: Annotated[
        str | None, typer.Option(help="Why; it stands beside every entry that is booked. Needed to begin.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model of the provider.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Charged from this instant or day (UTC) on; '7d', '24h' work too.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Charged before this instant or day (UTC); default: now.")] = None,
    is_unrated: Annotated[bool, typer.Option("--unrated", help="Only requests without a price.")] = False,
    may_lose_price: Annotated[
        bool, typer.Option("--allow-unrated", help="Let requests lose a price that nothing replaces.")
    ] = False,
    may_leave_invoices: Annotated[
        bool, typer.Option("--accepted", help="With --yes: also in months whose invoice was accepted.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(help="By the prices as they were known at this instant (UTC); default: now.")
    ] = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Book at once, without asking.")] = False,
    is_by_day: Annotated[bool, typer.Option("--by-day", help="One row per day instead of one for all.")] = False,
    number: Annotated[int | None, typer.Option("--show", help="Show this run, and wait until it is over.")] = None,
    is_list: Annotated[bool, typer.Option("--list", help="List the newest runs.")] = False,
    stop: Annotated[int | None, typer.Option(help="Stop this run where it is; what it booked stays.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Rate the past anew: say what would change, ask, then book the differences beside the original entries.

    A run goes on in the runner, whatever becomes of this command; look at it again with --show.
    """
    client = api_client(url, token, home.expanduser())
    if is_list:
        _list(client, is_json=is_json)
        return
    if stop is not None:
        stopped = client.delete(f"{PATH}/{stop}")
        output.as_json(stopped) if is_json else output.line(f"re-rating {stop} is {stopped['state']}.")
        return
    if number is not None:
        _show(_watched(client, number, is_quiet=is_json), is_by_day=is_by_day, is_json=is_json)
        return
    given = {"provider": provider, "model": model, "project": project}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    now = datetime.now(UTC)
    for name, text in (("since", since), ("until", until), ("as_of", as_of)):
        if text is not None:
            asked[name] = instant(text, now=now, name=name.replace("_", "-")).isoformat()
    asked |= {"only_unrated": is_unrated, "allow_unrated": may_lose_price}
    if reason is None and not is_dry_run:
        raise ConfigurationError("--reason: say why the past is rated anew, or add --dry-run")
    asked["reason"] = reason or "a dry run"
    if not is_sure or is_dry_run:
        seen = _begun(client, {**asked, "is_dry_run": True}, is_quiet=is_json)
        if is_dry_run or not seen["rerating"]["changed"]:
            _show(seen, is_by_day=is_by_day, is_json=is_json)
            return
        if not _wanted(seen, is_by_day=is_by_day, is_json=is_json):
            raise typer.Exit(1)
        # By the very prices that the answer was about.
        asked |= {name: seen["rerating"][name] for name in ("as_of", "until")}
        # And what it says of accepted invoices was seen.
        may_leave_invoices = True
    done = _begun(client, {**asked, "is_dry_run": False, "allow_accepted": may_leave_invoices}, is_quiet=is_json)
    _show(done, is_by_day=is_by_day, is_json=is_json)


def _begun(client: ApiClient, asked: dict[str, Any], *, is_quiet: bool) -> dict[str, Any]:
    return _watched(client, client.post(PATH, asked)["number"], is_quiet=is_quiet)


def _watched(client: ApiClient, number: int, *, is_quiet: bool) -> dict[str, Any]:
    """Return a run when it is over; with a bar in a terminal. Raises VoiceGatewayError when nobody works on it."""
    moved_at, before = time.monotonic(), None
    is_hidden = is_quiet or not output.errors.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.errors, transient=True, disable=is_hidden) as bar:
        task = bar.add_task(f"re-rating {number}")
        while True:
            found: dict[str, Any] = client.get(f"{PATH}/{number}")
            run = found["rerating"]
            bar.update(task, total=max(run["expected"], run["seen"]) or 1, completed=run["seen"])
            if run["state"] != "running":
                return found
            if before != (before := _progress(client, run)):
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > STALL_S:
                raise VoiceGatewayError(
                    f"nobody has worked on re-rating {number} for {STALL_S:.0f} s: does a runner run, and Postgres "
                    f"answer? It goes on by itself; look with `voicegw ledger rerate --show {number}`"
                )
            time.sleep(LOOK_S)


def _progress(client: ApiClient, run: dict[str, Any]) -> object:
    """Return what moves while somebody works on a run, or on one that was asked for before it."""
    if run["worked_at"] is not None:
        return run["seen"], run["worked_at"]
    return [each["worked_at"] for each in client.get(PATH)["reratings"] if each["state"] == "running"]


def _wanted(seen: dict[str, Any], *, is_by_day: bool, is_json: bool) -> bool:
    """Say whether what a dry run found is to be booked: somebody at a terminal is asked."""
    if is_json or not sys.stdin.isatty():
        raise ConfigurationError(
            f"{seen['rerating']['changed']} requests would change, and nobody is there to be asked: "
            "add --yes to book, or --dry-run to look only"
        )
    _show(seen, is_by_day=is_by_day, is_json=False)
    return typer.confirm("Book these corrections?")


def _show(found: dict[str, Any], *, is_by_day: bool, is_json: bool) -> None:
    if is_json:
        output.as_json(found)
        return
    run = found["rerating"]
    verb = "would change" if run["is_dry_run"] else "changed"
    headings = {"what": "model", "meter": "meter", "requests": "requests", "old": "old USD", "new": "new USD"}
    if is_by_day:
        headings = {"day": "day", **headings}
    title = f"re-rating {run['number']}: {run['changed']} of {run['seen']} requests {verb}"
    if run["changed"]:
        total = {
            "day": "total",
            "what": "" if is_by_day else "total",
            "old": run["before_usd"],
            "new": run["after_usd"],
        }
        total |= {"difference": _signed(Decimal(run["difference_usd"]))}
        rows = [*_rows(found["changes"], is_by_day=is_by_day), total]
        output.as_table({**headings, "difference": "difference"}, rows, title=title)
    else:
        output.line(f"{title}.")
    for text in _remarks(run):
        output.line(text, style="yellow")
    for text in _warnings(found):
        output.line(text, style="red")


def _rows(changes: Iterable[dict[str, Any]], *, is_by_day: bool) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str], list[Any]] = {}
    for each in changes:
        key = (each["day"] if is_by_day else "", f"{each['provider']}/{each['model']}", each["meter"])
        row = sums.setdefault(key, [0, Decimal(), Decimal()])
        row[0] += each["requests"]
        row[1] += Decimal(each["before_usd"])
        row[2] += Decimal(each["after_usd"])
    return [
        {
            "day": day, "what": what, "meter": meter, "requests": requests, "old": f"{old:f}", "new": f"{new:f}",
            "difference": _signed(new - old),
        }
        for (day, what, meter), (requests, old, new) in sorted(sums.items())
    ]  # fmt: skip


def _remarks(run: dict[str, Any]) -> Iterable[str]:
    """What was left as it is, and why."""
    if run["state"] == "cancelled":
        yield "It was stopped before it was over."
    if count := run["without_span"]:
        yield f"{count} requests stay as they are: their spans are no longer in the inbox."
    if count := run["kept"]:
        yield f"{count} requests would lose their price and keep what they have; --allow-unrated takes it."
    if count := run["failed"]:
        yield f"{count} requests could not be rated; the runner's log says why."
    if count := run["still_unrated"]:
        yield f"{count} requests still have no price."


def _warnings(found: dict[str, Any]) -> Iterable[str]:
    """Which accepted invoices the books leave, and by how much."""
    verb = "would be" if found["rerating"]["is_dry_run"] else "are"
    for each in found["accepted"]:
        yield (
            f"{each['provider']} {each['month']}: its invoice was accepted (reconciliation {each['reconciliation']}), "
            f"and the books {verb} {_signed(Decimal(each['difference_usd']))} USD away from it: reconcile and accept "
            "the month again."
        )


def _list(client: ApiClient, *, is_json: bool) -> None:
    answer = client.get(PATH)
    if is_json:
        output.as_json(answer)
        return
    rows = [
        {
            **run,
            "kind": "dry run" if run["is_dry_run"] else "automatic" if run["is_automatic"] else "",
            "about": "/".join(run[name] for name in _FILTERS if run[name]) or "everything",
            "difference": _signed(Decimal(run["difference_usd"])),
        }
        for run in answer["reratings"]
    ]
    columns = {
        "number": "number", "state": "state", "kind": "kind", "about": "about", "seen": "seen", "changed": "changed",
        "difference": "difference USD", "reason": "reason",
    }  # fmt: skip
    output.as_table(columns, rows, title="re-ratings")


def _signed(amount: Decimal) -> str:
    text = f"{amount:+f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if amount else "0"
