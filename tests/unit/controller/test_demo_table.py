"""What the demo's table says of budgets."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from voicegateway_controller.demo import table

BUDGET = {
    "id": "demo",
    "window": "hour",
    "state": "ok",
    "thresholds": [10, 50, 80, 100],
    "amount_usd": "0.25",
    "spent_usd": "0.2",
    "percent": 80.0,
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, ["demo", "0.200000", "0.250000", "hour", "80%", "reached"]),
        ({"spent_usd": "0.01", "percent": 4.0}, ["demo", "0.010000", "0.250000", "hour", "ok"]),
        ({"state": "over", "percent": 100.4}, ["demo", "0.200000", "0.250000", "hour", "over"]),
        ({"window": "session", "spent_usd": None, "percent": None}, ["demo", "–", "0.250000", "session", "ok"]),
    ],
)
def test_a_budget_is_a_line_with_its_state_or_the_highest_threshold_that_is_reached(
    changes: dict[str, Any], line: list[str]
) -> None:
    assert line in [each.split() for each in _lines(BUDGET | changes)]


def _lines(budget: dict[str, Any]) -> list[str]:
    total = {"requests": 0, "amount_usd": "0", "estimated_requests": 0, "unrated_requests": 0}
    facts: dict[str, Any] = {
        "live": {"calls": 0},
        "status": {"oldest_pending_age_ms": 0, "pending_spans": 0},
        "latency": {"rows": []},
        "sessions": {"rows": []},
        "budgets": {"budgets": [budget]},
        **{by: {"total": total, "rows": []} for by in ("provider", "model", "project")},
    }
    console = Console(width=120, file=StringIO())
    with console.capture() as captured:
        console.print(table.draw(facts, header="demo"))
    return [line.strip("│ ") for line in captured.get().splitlines()]
