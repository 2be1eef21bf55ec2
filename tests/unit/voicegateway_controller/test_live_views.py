"""What `voicegw logs` and `voicegw top` print of what they are told."""

from typing import Any

import pytest
from rich.console import Console

from voicegateway_controller.cli.event_lines import Heard, events_in, line_of
from voicegateway_controller.cli.top_view import screen

AT = 1_767_225_630.0
"""2026-01-01T00:00:30Z."""


def _rendered(seen: dict[str, Any], *, width: int) -> str:
    console = Console(width=width, record=True, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(screen(seen, width=width, height=40))
    return capture.get()


def _seen() -> dict[str, Any]:
    points = [
        {"at": "2025-12-31T23:59:00Z", "key": "acme", "amount_usd": "1.50", "requests": 9},
        {"at": "2025-12-31T23:59:00Z", "key": "beta", "amount_usd": "0.25", "requests": 1},
        {"at": "2026-01-01T00:00:00Z", "key": "acme", "amount_usd": "0.10", "requests": 2},
    ]
    budget = {"id": "acme.day", "spent_usd": "9.5", "amount_usd": "10", "state": "ok"}
    pool = {
        "id": "openai.requests", "slots": 0, "burst": 100,
        "live": {"level": 20, "leased": 5, "paused_ms": 1_500, "waiters": 3},
    }  # fmt: skip
    worker = {
        "kind": "worker", "agent": "receptionist", "host": "h1", "load_permille": 425, "active_jobs": 3,
        "is_drained": False, "is_drain_ordered": True, "is_up_to_date": False, "behind": ["limits"],
    }  # fmt: skip
    call = {"session_id": "AJ_[red]1", "project": "acme", "amount_usd": "0.0123"}
    target = {"provider": "groq", "model": "", "state": "open", "cause": "rate_limited", "is_degraded": False}
    return {
        "at": AT, "problems": {},
        "projects": {"points": points}, "models": {"points": points},
        "live": {"calls": 2, "workers": 4, "sessions": [call]},
        "budgets": {
            "budgets": [
                budget, {**budget, "id": "calm", "spent_usd": "1"}, {**budget, "id": "unknown", "spent_usd": None},
            ]
        },
        "limits": {"pools": [pool, {**pool, "id": "cold", "live": None}]},
        "workers": {"workers": [worker, {**worker, "kind": "job"}]},
        "providers": {"targets": [target], "disabled": [{"provider": "rime", "model": ""}]},
    }  # fmt: skip


def test_top_shows_what_matters() -> None:
    shown = _rendered(_seen(), width=160)

    for text in (
        "2 calls · 1 workers (1 drained) · $1.75 in the last minute · $1.85 in 30 minutes", "▁█▁", "acme    1.60",
        "acme.day", "95 %", "openai.requests", "80 %", "paused 2 s, 3 wait", "AJ_[red]1", "0.0123",
        "groq/(the account)", "open: rate limited", "rime", "receptionist@h1",
        "42.5 % load, 3 calls, draining, old limits",
        "00:00:30 UTC",
    ):  # fmt: skip
        assert text in shown, f"{text}\n{shown}"
    assert "calm" not in shown
    assert "unknown" not in shown
    assert "cold" not in shown


@pytest.mark.parametrize("width", [80, 120])
def test_titles_of_tables_without_a_row_stay_whole(width: int) -> None:
    shown = _rendered({"at": AT, "problems": {}}, width=width)

    for title in ("budgets over 50 %", "limits over 50 %", "vendors and workers"):
        assert title in shown


def test_top_of_a_fleet_of_which_nothing_is_known() -> None:
    shown = _rendered({"at": AT, "problems": {"live": "Redis is unavailable"}}, width=60)

    assert "calls unknown" in shown
    assert "live: Redis is unavailable" in shown
    assert max(map(len, shown.splitlines())) <= 60


def test_events_are_read_from_their_lines() -> None:
    lines = ["retry: 2000", "", ": 1-0", "", "id: 1-1", "event: a.b", 'data: {"x":', "data:  1}", "", "id: 2-0", ""]

    assert list(events_in(lines)) == [Heard("1-1", "a.b", {"x": 1})]


def test_each_kind_is_one_line_and_no_terminal_is_told_what_to_do() -> None:
    settled = {
        "outcome": "error", "is_estimated": True, "is_unrated": False, "ttfb_ms": 250, "provider": "openai",
        "model": "gpt\x1b[31m", "amount_usd": "0.001", "session_id": "AJ_1",
    }  # fmt: skip

    def line(kind: str, **data: Any) -> tuple[str, str]:
        return line_of({"kind": kind, "at": "2026-01-01T10:20:30.000Z", "project": "acme", "data": data})

    assert line("request.settled", **settled) == (
        "10:20:30 request.settled       [acme] openai/gpt [31m $0.001, 250 ms (error, estimated) AJ_1",
        "red",
    )
    assert line("session.begun", session_id="AJ", agent="a", room="")[0].endswith("[acme] AJ a")
    assert line("breaker.opened", provider="openai", model="", cause="errors")[0].endswith("openai: errors")
    assert line("alert.raised", severity="warning", title="Spent")[0].endswith("warning: Spent")
    assert line("request.left_out", requests=7)[0].endswith("7 more requests")
    assert line("worker.drained", worker_id="AW", agent="", host="h")[0].endswith("AW h")
    assert line("something.new", what="ever")[0].endswith("ever")
    assert line("configuration.changed", number=3, layer="db", summary="", kinds=["limits"], actor="t")[0].endswith(
        "version 3, db: limits by t"
    )
