"""A call's picture in the terminal: each request where it was, nothing wider than the window."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.cli.session_timeline import BARS_MAX, clock, timeline


def _item(part: str, model: str, start_s: float, end_s: float, usd: str = "0.01", **changes: Any) -> dict[str, Any]:
    provider, _, name = model.partition("/")
    return {
        "request_id": "r", "part": part, "provider": provider, "model": name, "amount_usd": usd, "outcome": "ok",
        "started_at": _at(start_s), "ended_at": _at(end_s), "direction": "", "lines": [],
        "is_estimated": False, "is_unrated": False, "is_corrected": False, **changes,
    }  # fmt: skip


def _at(seconds: float) -> str:
    return f"2026-11-21T09:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"


def _session(*items: dict[str, Any], ends_s: float | None = 60) -> dict[str, Any]:
    ended = None if ends_s is None else _at(ends_s)
    return {"started_at": _at(0), "ended_at": ended, "items": list(items), "open_legs": []}


def test_each_request_is_a_bar_where_it_was() -> None:
    session = _session(
        _item("stt", "deepgram/nova-3", 0, 60, "0.0048"),
        _item("llm", "openai/gpt-4.1-mini", 15, 30, "0.000269"),
        _item("tts", "cartesia/sonic-3", 30, 30.001, "0.05", outcome="error"),
    )

    lines = [line.plain for line in timeline(session, width=80)]

    assert lines == [
        "                         0:00    0:15    0:30    0:45",
        "stt deepgram/nova-3     ▕████████████████████████████████▏ 0:00.0   0.0048",
        "llm openai/gpt-4.1-mini ▕        ████████                ▏ 0:15.0 0.000269",
        "tts cartesia/sonic-3    ▕                █               ▏ 0:30.0     0.05 error",
    ]


def test_of_many_requests_each_model_has_a_lane() -> None:
    items = [_item("llm", "openai/gpt-4.1-mini", at / 2, at / 2 + 0.4) for at in range(BARS_MAX)]
    items.append(_item("stt", "deepgram/nova-3", 0, 60, "0.0048"))

    lines = [line.plain for line in timeline(_session(*items), width=80)]

    assert len(lines) == 3
    assert any(line.startswith("llm openai/gpt-4.1-mini") and f"{BARS_MAX}×" in line for line in lines)
    assert any("0.60" in line for line in lines)


def test_what_goes_on_has_no_end_and_what_has_no_time_no_bar() -> None:
    open_leg = {
        "part": "transport", "provider": "livekit", "model": "agent-session", "started_at": _at(0), "ended_at": None,
        "duration_ms": 30_000, "amount_usd": "0.005", "is_unrated": False,
    }  # fmt: skip
    live = {**_session(_item("llm", "openai/gpt-4.1", 10, 20), ends_s=None), "open_legs": [open_leg]}

    lines = [line.plain for line in timeline(live, width=100)]
    nothing = [line.plain for line in timeline(_session(_item("llm", "a/b", 1, 2, started_at=None)), width=80)]

    assert "▶▏" in lines[1]
    assert "so far" in lines[1]
    assert nothing == ["nothing of this call has a time"]


def test_clocks() -> None:
    assert [clock(ms) for ms in (0, 59_949, 61_500, 3_723_400)] == ["0:00.0", "0:59.9", "1:01.5", "1:02:03.4"]


@given(st.lists(st.tuples(st.integers(0, 3_500), st.integers(0, 3_500)), max_size=BARS_MAX + 10), st.integers(40, 200))
def test_no_line_is_wider_than_the_window(times: list[tuple[int, int]], width: int) -> None:
    items = [_item("llm", "openai/" + "x" * 300, min(each), max(each), outcome="error") for each in times]

    assert all(line.cell_len <= width for line in timeline(_session(*items, ends_s=None), width=width))
