"""The table of a decision: nothing of it is cut off, however narrow the terminal."""

import io
from typing import Any, Final

import pytest
from rich.console import Console

from voicegateway_controller.cli.resolve_tables import candidates_table, reasons

WHY: Final = "breaker (open: errors, key d732bc01ce3c at 127.0.0.1:35171, again in 12 s)"
HEADINGS: Final = ("order", "candidate", "passes", "weight", "price", "p50 TTFB", "key here")
PART: Final = {
    "strategy": "sticky",
    "candidates": [
        {
            "model": model, "position": position, "place": position + 1, "passes": not rejections, "weight": 1,
            "price_usd": "0.00056", "ttfb_p50_ms": None, "has_key_here": False, "is_degraded": False,
            "rejections": rejections,
        }
        for position, (model, rejections) in enumerate([
            ("cartesia/sonic-3:f786b574-daa5-4673-aa0c-cbe3e8534c02", []),
            ("openai/gpt-4o-mini-tts", [{"reason": "breaker", "detail": WHY[9:-1]}]),
        ])
    ],
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 110, 119])
def test_a_narrow_table_keeps_its_columns_and_its_reasons_stand_below(width: int) -> None:
    shown = _shown(PART, width)

    assert [heading for heading in HEADINGS if heading not in shown] == []
    assert "…" not in shown
    assert reasons(PART, width=width) == [f"openai/gpt-4o-mini-tts: {WHY}"]


def test_a_wide_table_has_its_reasons_in_a_column() -> None:
    assert WHY in _shown(PART, 240)
    assert reasons(PART, width=240) == []


def _shown(part: dict[str, Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(candidates_table(part, width=width))
    return capture.get()
