"""Tables of limits: pools as they are, and what a simulation found."""

from collections.abc import Iterable
from typing import Any, Final

from rich.table import Table
from rich.text import Text

_PERIODS: Final = {1_000: "s", 60_000: "min", 3_600_000: "h", 86_400_000: "d"}


def summary(report: dict[str, Any]) -> Iterable[Text]:
    """One line on what is in force; another when the pools' state is not known."""
    if not report["pools"]:
        yield Text("No limits are declared. `voicegw limits apply FILE` declares some; docs/guides/limits.md says how.")
    else:
        yield Text(f"revision {report['revision']}, {len(report['pools'])} pools", style="dim")
    if not report["is_live"]:
        yield Text("Redis is away: nobody knows how the pools are; holders go by their offline policy.", style="red")


def pools_table(report: dict[str, Any]) -> Table:
    """One row per pool, in the order of declaration."""
    headings = (
        "pool", "limit", "level", "leased", "spent", "holders", "waiting", "refused", "top holder", "vendor says", ""
    )  # fmt: skip
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index in (0, 8, 9, 10) else "right", overflow="fold")
    for pool in report["pools"]:
        live = pool["live"]
        numbers = ("level", "leased", "spent", "holders", "waiters", "refused")
        cells = [_number(live[name]) if live else "–" for name in numbers]
        if pool["meter"] == "slots":
            cells[2] = "–"
        table.add_row(pool["id"], _limit(pool), *cells, _top(live), _learned(pool), _condition(live))
    return table


def simulation_table(answer: dict[str, Any]) -> Table:
    """One row per pool: what it would have made of the traffic."""
    covered = answer["covered_until"] if answer["is_truncated"] else answer["until"]
    title = (
        f"{answer['requests']} requests, {answer['since']} to {covered}, waiting at most {answer['admit_wait_ms']} ms"
    )
    if answer["is_truncated"]:
        title += f" (there were more: up to {answer['until']} was asked for)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
    headings = (
        "pool", "limit", "holds", "requests", "delayed", "p95 ms", "refused", "peak/min", "peak open", "worst minute",
        "smallest that holds",
    )  # fmt: skip
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index in (0, 2, 9) else "right", overflow="fold")
    for pool in answer["pools"]:
        table.add_row(
            pool["id"],
            _limit(pool),
            Text("yes", style="green") if pool["holds"] else Text("no", style="red"),
            *(_number(pool[name]) for name in ("matched", "delayed", "delay_p95_ms", "refused")),
            *(_number(pool[name]) for name in ("peak_per_min", "peak_open")),
            pool["worst_minute"] or "–",
            _smallest(pool),
        )
    return table


def _limit(pool: dict[str, Any]) -> str:
    return _amount(pool, pool["slots"] if pool["meter"] == "slots" else pool["units"])


def _smallest(pool: dict[str, Any]) -> str:
    if pool["smallest"] is None:
        return "none: a larger burst"
    return _amount(pool, pool["smallest"]) if pool["matched"] else "–"


def _amount(pool: dict[str, Any], units: int) -> str:
    if pool["meter"] == "slots":
        return f"{_number(units)} open"
    period = _PERIODS.get(pool["period_ms"], f"{pool['period_ms']} ms")
    return f"{_number(units)} {pool['meter']}/{period}"


def _top(live: dict[str, Any] | None) -> str:
    if not live or not live["top_holders"]:
        return ""
    top = live["top_holders"][0]
    return f"{top['holder']} {_number(top['leased'])}"


def _learned(pool: dict[str, Any]) -> str:
    told = [
        f"{_number(each['limit'])}/{_PERIODS.get(each['period_ms'], '?')}" if each["period_ms"] else str(each["limit"])
        for each in pool["learned"]
    ]
    return ", ".join(dict.fromkeys(told))


def _condition(live: dict[str, Any] | None) -> Text:
    if not live:
        return Text("unused", style="dim")
    if live["paused_ms"]:
        return Text(f"paused {live['paused_ms'] / 1000:.1f} s", style="red")
    if live["learning_ms"]:
        return Text(f"learning {live['learning_ms'] / 1000:.1f} s", style="yellow")
    return Text("")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
