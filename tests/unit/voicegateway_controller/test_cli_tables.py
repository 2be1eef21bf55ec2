"""Tables of the command line are read in eighty columns."""

import io

import pytest
from rich.console import Console

from voicegateway_controller.cli import output

COLUMNS = {"session": "session", "model": "model", "why": "why", "usd": "cost USD", "share": "of price"}
ROWS = [
    {
        "session": "mock-job-73af36080b52",
        "model": "openai/gpt-4o-mini-transcribe",
        "why": "4 pushed_not_sent, 27 socket_time",
        "usd": "0.001642839102",
        "share": "16.7 %",
    },
    {"session": "[b]AJ_1", "model": "deepgram/nova-3", "why": "", "usd": "-12.5", "share": "–"},
]


def _printed(monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    written = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=written, width=width))
    output.as_table(COLUMNS, ROWS, title="calls")
    return [line.rstrip() for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_text_is_lost_and_numbers_and_ids_stay_whole(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = _printed(monkeypatch, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    for whole in ("mock-job-73af36080b52", "0.001642839102", "16.7 %", "[b]AJ_1"):
        assert any(whole in line for line in lines)
    letters = "".join("".join(lines).split())
    assert sorted(letters) == sorted(
        "".join("".join(["calls", *COLUMNS.values(), *(c for r in ROWS for c in r.values())]).split())
    )


def test_a_title_that_is_wider_than_its_table_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=written, width=80))
    output.as_table({"day": "day"}, [{"day": "2026-11-22"}], title="2026-11-22T00:00:00Z to 2026-11-22T13:00:00Z")

    assert written.getvalue().splitlines()[0] == "2026-11-22T00:00:00Z to 2026-11-22T13:00:00Z"


def test_where_there_is_room_each_row_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    title, headings, first, second = _printed(monkeypatch, 120)
    assert (title, headings.split()) == ("calls", ["session", "model", "why", "cost", "USD", "of", "price"])
    # Texts stand left, numbers right.
    assert first.index("openai/") == second.index("deepgram/") == headings.index("model")
    assert first.index("0.001642839102") + len("0.001642839102") == second.index("-12.5") + len("-12.5")


def test_no_word_is_broken_where_a_long_name_or_a_heading_can_take_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"model": "model", "kind": "kind", "usd": "typical $", "ms": "p50 ms", "share": "of all", "day": "24 h"}
    long = "livekit/assemblyai/universal-streaming-multilingual"
    rows = [
        {"model": long, "kind": "stt", "usd": "0.016667", "ms": "1,204", "share": "100 %", "day": "1,000,000"},
        {"model": "openai/gpt-realtime", "kind": "realtime"},
    ]
    written = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=written, width=80))
    output.as_table(columns, rows, title="[b]2 models")
    lines = [line.rstrip() for line in written.getvalue().splitlines()]

    assert max(map(len, lines)) <= 80
    for whole in ("[b]2 models", "realtime", "typical $", "p50 ms", "0.016667", "100 %", "1,000,000"):
        assert any(whole in line for line in lines), whole


def test_a_line_says_what_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=written, width=80))
    output.line("    + [openai/gpt-4.1-mini]", style="dim")
    assert written.getvalue() == "    + [openai/gpt-4.1-mini]\n"
