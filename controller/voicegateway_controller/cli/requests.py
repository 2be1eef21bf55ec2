"""`voicegw requests`: the last requests, by filters; or one of them, whole."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_controller.client import ApiClient

PATH: Final = "/api/v1/requests"
PAGE_MAX: Final = 500
LIMIT_MAX: Final = 100_000
COLUMNS: Final = {"request_id": "request", "at": "ended", "model": "model", "amount": "USD", "notes": ""}
WIDE: Final = {
    "request_id": "request", "at": "ended", "model": "model", "project": "project", "session_id": "session",
    "ttfb_ms": "ttfb ms", "duration_ms": "ms", "amount": "USD", "notes": "",
}  # fmt: skip
_LINES: Final = {
    "meter": "meter", "kind": "kind", "quantity": "quantity", "billed_quantity": "billed", "amount_usd": "USD",
    "price_id": "price", "unrated_reason": "unrated",
}  # fmt: skip


def requests(
    request_id: Annotated[str | None, typer.Argument(help="One request, whole; without, a list.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model, without its provider.")] = None,
    modality: Annotated[str | None, typer.Option(help="stt, llm, tts, realtime, or of a call's legs.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this call's, whenever it was.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    outcome: Annotated[str | None, typer.Option(help="ok, cancelled, interrupted or error.")] = None,
    since: Annotated[str | None, typer.Option(help="Ended from then on: an instant, a day, 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Ended before then.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=LIMIT_MAX)] = 50,
    is_wide: Annotated[bool, typer.Option("--wide", help="Also project, session and times.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the last requests with what each cost, or show one: what its worker delivered, what the books have."""
    client = api_client(url, token, home.expanduser())
    if request_id is not None:
        found = client.get(f"{PATH}/{quote(request_id, safe='')}")
        output.as_json(found) if is_json else _print(found)
        return
    asked = {
        "project": project, "provider": provider, "model": model, "modality": modality, "session": session,
        "agent": agent, "outcome": outcome,
    }  # fmt: skip
    query = {key: value for key, value in asked.items() if value is not None}
    for name, value in (("since", since), ("until", until)):
        if value is not None:
            query[name] = instant(value, now=datetime.now(UTC), name=name).isoformat().replace("+00:00", "Z")
    rows, is_all = _listed(client, query, limit)
    if is_json:
        output.as_json(rows)
        return
    output.as_table(
        WIDE if is_wide else COLUMNS, [_row(each) for each in rows], title=f"{len(rows)} requests, times in UTC"
    )
    if not is_all:
        output.line("there are more: --limit, --since and --until show them")


def notes(row: dict[str, Any]) -> str:
    """Return what is to be known of a request beside its amount."""
    told = [row["outcome"]] if row["outcome"] != "ok" else []
    if row["error_type"] or row["status_code"]:
        told.append(" ".join(str(each) for each in (row["error_type"], row["status_code"]) if each))
    if row["attempts"] > 1:
        told.append(f"{row['attempts']} attempts")
    told += [name for name in ("estimated", "unrated", "corrected") if row[f"is_{name}"]]
    return ", ".join(told)


def _listed(client: ApiClient, query: dict[str, str], limit: int) -> tuple[list[dict[str, Any]], bool]:
    rows: list[dict[str, Any]] = []
    while True:
        page = client.get(PATH, **query, limit=str(min(PAGE_MAX, limit - len(rows))))
        rows += page["requests"]
        if page["next"] is None or len(rows) >= limit:
            return rows, page["next"] is None
        query = {**query, "cursor": page["next"]}


def _row(each: dict[str, Any]) -> dict[str, Any]:
    return {
        **each,
        "at": each["ended_at"][5:19].replace("T", " "),
        "model": f"{each['provider']}/{each['model']}",
        "ttfb_ms": each["ttfb_ms"] or "",
        "amount": "not rated" if each["amount_usd"] is None else each["amount_usd"],
        "notes": notes(each),
    }


def _print(found: dict[str, Any]) -> None:
    span = found["span"]
    facts = {
        "model": f"{found['provider']}/{found['model']}",
        "modality": found["modality"],
        "project": found["project"],
        "session": found["session_id"],
        "agent": found["agent"],
        "room": span["room"],
        "started": found["started_at"],
        "ended": found["ended_at"],
        "took": f"{found['duration_ms']} ms",
        "first byte": "" if found["ttfb_ms"] is None else f"{found['ttfb_ms']} ms",
        "outcome": notes(found) or "ok",
        "vendor's answer": " ".join(filter(None, (span["response_model"], span["response_id"]))),
        "key": span["key_id"],
        "usage": ", ".join(f"{meter} {count}" for meter, count in sorted(span["usage"].items())),
        "reported": ", ".join(f"{meter} {count}" for meter, count in sorted(span["reported"].items())),
        "trace": span["trace_id"],
        "USD": "not rated yet" if found["amount_usd"] is None else found["amount_usd"],
    }
    rows = [{"name": name, "value": value} for name, value in facts.items() if value]
    output.as_table({"name": "", "value": ""}, rows, title=found["request_id"])
    if found["entries"]:
        lines = [{key: "" if each[key] is None else each[key] for key in _LINES} for each in found["entries"]]
        output.as_table(_LINES, lines, title="entries")
