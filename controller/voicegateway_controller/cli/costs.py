"""`voicegw costs`: what was spent, by whom, on what."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.instants import read_instant
from voicegateway_shared.errors import ConfigurationError

COLUMNS: Final = ("key", "requests", "amount_usd", "estimated_requests", "unrated_requests")


class GroupBy(StrEnum):
    """What a cost table can be grouped by."""

    provider = "provider"
    model = "model"
    project = "project"
    session = "session"
    agent = "agent"
    modality = "modality"
    day = "day"
    hour = "hour"


def costs(
    by: Annotated[GroupBy, typer.Option("--by", help="One row per …")] = GroupBy.provider,
    since: Annotated[
        str | None, typer.Option(help="From this instant or day (UTC); default: start of today. '7d', '24h' work too.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to this instant or day (UTC); default: now.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    is_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Show what was spent, exact to the last digit, straight from the ledger's rollups."""
    query = {"by": by.value}
    for name, value in (("since", since), ("until", until)):
        if value is not None:
            query[name] = instant(value, now=datetime.now(UTC), name=name).isoformat().replace("+00:00", "Z")
    if project is not None:
        query["project"] = project
    answer = api_client(url, token, home.expanduser()).get("/api/v1/costs", **query)
    if is_json:
        output.as_json(answer)
    elif is_csv:
        output.as_csv(COLUMNS, answer["rows"])
    else:
        _print(answer, by.value)


def instant(text: str, *, now: datetime, name: str) -> datetime:
    """Read `2026-11-21`, `2026-11-21T10:00:00Z`, `24h` or `7d` as an instant in UTC.

    Raises:
        ConfigurationError: it is none of these; the message names the option.
    """
    try:
        return read_instant(text, now=now)
    except ConfigurationError as error:
        raise ConfigurationError(f"--{name} {error}") from error


def _print(answer: dict[str, Any], by: str) -> None:
    rows = [{**row, "amount_usd": f"{Decimal(row['amount_usd']):f}"} for row in answer["rows"]]
    headings = {"key": by, "requests": "requests", "amount_usd": "USD"}
    if any(row["estimated_requests"] for row in rows):
        headings["estimated_requests"] = "estimated"
    if any(row["unrated_requests"] for row in rows):
        headings["unrated_requests"] = "unrated"
    total = {"key": "total", **answer["total"]}
    output.as_table(headings, [*rows, total], title=f"{answer['since']} to {answer['until']}")
