"""`voicegw session`: what one whole call cost, along its time."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.session_timeline import timeline

COLUMNS: Final = {
    "at": "at",
    "part": "part",
    "model": "model",
    "quantity": "quantity",
    "amount_usd": "USD",
    "notes": "",
}


def session(
    session_id: Annotated[str, typer.Argument(help="The call: its LiveKit job id, as `voicegw costs --by session`.")],
    is_table: Annotated[
        bool, typer.Option("--table", help="A row for each request with what it used, instead of the picture.")
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show a whole call: models, agent minutes, phone, recording; its parts and its total, as the books have them.

    In a terminal each request is a bar along the call; where it is piped, or with --table, a row.
    """
    found = api_client(url, token, home.expanduser()).get(f"/api/v1/sessions/{quote(session_id, safe='')}")
    if is_json:
        output.as_json(found)
    else:
        _print(found, is_table=is_table or not output.console.is_terminal)


def _print(found: dict[str, Any], *, is_table: bool) -> None:
    title = " · ".join(
        filter(
            None,
            (found["session_id"], ", ".join(found["projects"]), found["agent"], found["room"], found["started_at"]),
        )
    )
    if is_table:
        output.as_table(COLUMNS, _rows(found), title=title)
    else:
        output.line(title, style="bold")
        for each in timeline(found, width=output.console.width):
            output.console.print(each, soft_wrap=True, highlight=False)
    if found["left_out"]:
        output.line(f"{found['left_out']} more requests are in the sums and not listed")
    _print_sums(found)


def _rows(found: dict[str, Any]) -> list[dict[str, str]]:
    start = found["started_at"]
    rows = [
        {
            "at": _offset(item["started_at"] or item["ended_at"], start),
            "part": item["part"],
            "model": f"{item['provider']}/{item['model']}",
            "quantity": quantity(item["lines"]),
            "amount_usd": _money(item["amount_usd"]),
            "notes": notes(item),
        }
        for item in found["items"]
    ]
    rows += [
        {
            "at": _offset(leg["started_at"] or start, start),
            "part": leg["part"],
            "model": f"{leg['provider']}/{leg['model']}",
            "quantity": f"{leg['duration_ms'] / 1000:g} s",
            "amount_usd": _money(leg["amount_usd"]),
            "notes": "so far" if leg["ended_at"] is None else "not in the books yet",
        }
        for leg in found["open_legs"]
    ]
    return rows


def _print_sums(found: dict[str, Any]) -> None:
    sums = [{**part, "amount_usd": _money(part["amount_usd"])} for part in found["parts"]]
    sums.append({"part": "total", "requests": found["requests"], "amount_usd": _money(found["total_usd"])})
    if found["open_legs"]:
        sums.append({"part": "so far", "requests": "", "amount_usd": _money(found["so_far_usd"])})
    output.as_table({"part": "part", "requests": "requests", "amount_usd": "USD"}, sums, title="")
    if found["is_live"]:
        output.line("the call is live")
    if found["pending"]:
        output.line(f"{found['pending']} requests are not rated yet: look again in a moment")
    if found["unrated_requests"]:
        output.line(f"{found['unrated_requests']} have no price: the total is a lower bound", style="yellow")


def quantity(lines: list[dict[str, Any]]) -> str:
    """Return what was used, of every meter, and what was billed of it where that is more."""
    used: dict[str, list[int]] = {}
    for line in lines:
        sums = used.setdefault(line["meter"], [0, 0])
        sums[0] += line["quantity"]
        sums[1] += line["billed_quantity"]
    told = []
    for meter, (count, billed) in used.items():
        if meter == "requests" and len(used) > 1:
            continue
        more = f" (billed {_amount(meter, billed)})" if billed > count else ""
        told.append(f"{_amount(meter, count)} {_word(meter)}{more}".replace("  ", " ").strip())
    return ", ".join(told)


def notes(item: dict[str, Any]) -> str:
    """Return what is to be known of an item: how it went, and how sure its amount is."""
    told = [item["direction"]] if item["direction"] else []
    if item["outcome"] != "ok":
        told.append(item["outcome"])
    for name in ("estimated", "unrated", "corrected"):
        if item[f"is_{name}"]:
            told.append(name)
    reasons = {line["unrated_reason"] for line in item["lines"] if line["unrated_reason"]} if item["is_unrated"] else ()
    return ", ".join([*told, *sorted(reasons)])


def _amount(meter: str, count: int) -> str:
    if meter.endswith("_ms"):
        return f"{count / 1000:g} s"
    return str(count)


def _word(meter: str) -> str:
    return {"participant_ms": "", "requests": "request"}.get(meter, meter.removesuffix("_ms").replace("_", " "))


def _offset(at: str, start: str | None) -> str:
    """Return how far into the call an instant is, as minutes:seconds.tenths."""
    if not at or not start:
        return ""
    seconds = max(0.0, (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds())
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _money(text: str) -> str:
    return f"{Decimal(text):f}"
