"""The live terminal table of a running demo: calls, spend, budgets, latency, ledger lag."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

SESSIONS_SHOWN = 8


def draw(facts: Mapping[str, Any], *, header: str) -> RenderableType:
    """Draw one moment; `facts` holds the API's answers by name."""
    return Panel(
        Group(
            _summary(facts),
            _budgets(facts["budgets"]["budgets"]),
            _spend("provider", facts["provider"]),
            _spend("model", facts["model"]),
            _spend("project", facts["project"]),
            _latency(facts["latency"]["rows"]),
            _sessions(facts["sessions"]["rows"]),
        ),
        title=header,
        title_align="left",
    )


def waiting(header: str, message: str) -> RenderableType:
    """What stands there until the controller answers."""
    return Panel(Text(message, style="dim"), title=header, title_align="left")


def _summary(facts: Mapping[str, Any]) -> RenderableType:
    total, status = facts["provider"]["total"], facts["status"]
    line = Text()
    line.append(f"{facts['live']['calls']} calls live", style="bold green")
    line.append(f"   {len(facts['sessions']['rows'])} calls seen   {total['requests']} requests   ")
    line.append(f"${_dollars(total['amount_usd'])}", style="bold")
    line.append(f"   ledger lag {status['oldest_pending_age_ms'] or 0} ms, {status['pending_spans']} spans pending")
    if total["estimated_requests"]:
        line.append(f"   {total['estimated_requests']} estimated", style="yellow")
    if total["unrated_requests"]:
        line.append(f"   {total['unrated_requests']} unrated", style="bold red")
    return line


def _spend(by: str, costs: Mapping[str, Any]) -> RenderableType:
    table = _table((f"spend by {by}", "left"), ("requests", "right"), ("USD", "right"))
    for row in costs["rows"]:
        table.add_row(row["key"], str(row["requests"]), _dollars(row["amount_usd"]))
    return table


def _budgets(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table(("budget", "left"), ("spent USD", "right"), ("of", "right"), ("per", "left"), ("", "left"))
    for row in rows:
        reached = [percent for percent in row["thresholds"] if (row["percent"] or 0) >= percent]
        is_told = row["state"] == "ok" and reached
        state = Text(f"{reached[-1]}% reached" if is_told else row["state"], style="yellow" if reached else "green")
        spent = "–" if row["spent_usd"] is None else _dollars(row["spent_usd"])
        table.add_row(row["id"], spent, _dollars(row["amount_usd"]), row["window"], state)
    return table


def _latency(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table(("time to first byte", "left"), ("requests", "right"), ("p50 ms", "right"), ("p95 ms", "right"))
    for row in rows:
        name = f"{row['modality']} {row['provider']}/{row['model']}"
        table.add_row(name, str(row["requests"]), _ms(row["ttfb_p50_ms"]), _ms(row["ttfb_p95_ms"]))
    return table


def _sessions(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table(("last calls", "left"), ("project", "left"), ("requests", "right"), ("USD", "right"), ("", "left"))
    for row in rows[:SESSIONS_SHOWN]:
        state = Text("live", style="green") if row["live"] else Text("ended", style="dim")
        name = row["room"] or row["session_id"]
        table.add_row(name, row["project"], str(row["requests"]), _dollars(row["amount_usd"]), state)
    return table


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    for index, (name, justify) in enumerate(columns):
        table.add_column(name, justify="right" if justify == "right" else "left", ratio=3 if index == 0 else 1)
    return table


def _dollars(amount: str) -> str:
    return f"{Decimal(amount):,.6f}"


def _ms(value: int | None) -> str:
    return "-" if value is None else str(value)
