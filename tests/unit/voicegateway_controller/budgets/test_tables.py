"""Budgets in a terminal: whole words in an ordinary window, everything in a wide one."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from voicegateway_controller.cli.budgets_tables import amount, budgets_table, forecast_table, projects_table

PROJECTION = {"likely_usd": "831.2", "low_usd": "728", "high_usd": "933.123"}
FORECAST = {
    "burn_last_hour_usd": "1.234567",
    "runs_out_at": "2026-11-21T18:20:00+01:00",
    "window_end": PROJECTION,
    "month_end": PROJECTION,
    "sureness": "good",
    "weeks": 4,
}
ACME: dict[str, Any] = {
    "id": "acme.day",
    "window": "day",
    "resets_at": "2026-11-22T00:00:00+01:00",
    "action": "block",
    "state": "ok",
    "amount_usd": "25",
    "spent_usd": "17.312",
    "reserved_usd": "2.5",
    "left_usd": "5.188",
    "percent": 69.2,
    "is_unbacked": False,
    "forecast": FORECAST,
}
SPENT = {**ACME, "id": "fleet.month", "state": "exhausted", "spent_usd": "26", "left_usd": "0", "percent": 104.0}
SESSION = {
    **ACME,
    "id": "one-call",
    "window": "session",
    "resets_at": None,
    "forecast": None,
    **dict.fromkeys(("spent_usd", "reserved_usd", "left_usd", "percent")),
}
STATUS = {
    "as_of": "2026-11-21T12:00:00Z",
    "budgets": [ACME, SPENT, SESSION],
    "projects": [
        {
            "project": "",
            "zone": "Europe/Berlin",
            "spent_this_month_usd": "12.3",
            "burn_last_hour_usd": "1",
            "burn_last_day_usd": "2",
            "month_end": PROJECTION,
            "sureness": "fair",
            "weeks": 1,
        }
    ],
}


def _lines(renderable: RenderableType, width: int) -> list[list[str]]:
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 110, 160])
def test_no_word_is_cut_off(width: int) -> None:
    for table in (budgets_table, forecast_table, projects_table):
        assert not [word for line in _lines(table(STATUS, width=width), width) for word in line if "…" in word]


def test_a_wide_window_shows_what_is_spent_reserved_and_left() -> None:
    _, acme, spent, session = _lines(budgets_table(STATUS, width=160), 160)

    assert acme == [
        "acme.day", "25.00", "████████████████▒▒░░░░░░", "69.2", "%", "17.31", "2.50", "5.19", "1.23", "11-21", "18:20",
        "11", "h", "0", "min", "block",
    ]  # fmt: skip
    # More than all is still a full bar, and nothing of it is reserved.
    assert spent[2:5] == ["█" * 24, "104.0", "%"]
    assert spent[-1] == "exhausted"
    assert session == ["one-call", "25.00", "each", "session", "–", "–", "–", "–", "–", "–", "block"]


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (None, "–"),
        ("0", "0.00"),
        ("1234567.891", "1 234 567.89"),
        ("1", "1.00"),
        ("0.0002688", "0.0002688"),
        ("0.123456789", "0.1235"),
        ("0.5", "0.50"),
    ],
)
def test_amounts_are_shown_as_people_read_them(usd: str | None, shown: str) -> None:
    assert amount(usd) == shown
