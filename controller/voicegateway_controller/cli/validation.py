"""`voicegw validation`: our counts beside those of plugins and vendors, and why they differ."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant

PATH: Final = "/api/v1/validation"
WIDE: Final = 180
"""Characters of a window that has room for requests' ids and instants."""


def validation(
    since: Annotated[str | None, typer.Option(help="From this day on: 2026-11-21, or 7d. Default: a week.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    has_requests: Annotated[bool, typer.Option("--requests", help="List requests instead of models.")] = False,
    model: Annotated[str | None, typer.Option(help="With --requests: only this model, provider/model.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show where our count of a request and its plugin's or its vendor's disagree, by how much, and why."""
    query = {} if project is None else {"project": project}
    if since is not None:
        query["since"] = instant(since, now=datetime.now(UTC), name="since").isoformat().replace("+00:00", "Z")
    client = api_client(url, token, home.expanduser())
    if has_requests:
        if model is not None:
            query["provider"], _, query["model"] = model.partition("/")
        answer = client.get(f"{PATH}/requests", **query)
    else:
        answer = client.get(PATH, **query)
    if is_json:
        output.as_json(answer)
    elif has_requests:
        _print_requests(answer)
    else:
        _print_models(answer)


def _print_models(answer: dict[str, Any]) -> None:
    rows = [
        {
            "model": f"{row['provider']}/{row['model']}",
            "meter": row["meter"],
            "source": row["source"],
            "agreeing": f"{row['agreeing']}/{row['requests']}",
            "difference": f"{int(row['theirs']) - int(row['ours']):+d}",
            "why": ", ".join(f"{count} {finding}" for finding, count in sorted(row["findings"].items())),
        }
        for row in answer["rows"]
    ]
    columns = {
        "model": "model", "meter": "meter", "source": "by", "agreeing": "agree", "difference": "they − we",
        "why": "why not",
    }  # fmt: skip
    output.as_table(columns, rows, title=f"counts compared since {answer['since'][:10]}")
    for finding in sorted({finding for row in answer["rows"] for finding in row["findings"]}):
        output.line(f"{finding}: {answer['meaning'][finding]}", style="dim")


def _print_requests(answer: dict[str, Any]) -> None:
    rows = [{**row, "model": f"{row['provider']}/{row['model']}"} for row in answer["rows"]]
    columns = {
        "session_id": "session", "model": "model", "meter": "meter", "source": "by", "ours": "ours",
        "theirs": "theirs", "finding": "why",
    }  # fmt: skip
    if output.console.width >= WIDE:
        columns = {"request_id": "request", "charged_at": "when", **columns}
    output.as_table(columns, rows, title="requests whose counts disagree, the newest first")
    if output.console.width < WIDE:
        output.line("a wider window and --json have each request's id and instant", style="dim")
