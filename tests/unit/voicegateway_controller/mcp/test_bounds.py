"""Answers of tools stay within their bounds, and say what they left out."""

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from voicegateway_controller.mcp_server.bounds import BYTES_MAX, fitted
from voicegateway_controller.mcp_server.preview import DIFF_LINE_CHARS_MAX, DIFF_LINES_MAX, diff


class Found(BaseModel):
    rows: list[str] = []
    few: list[str] = []
    text: str = ""
    left_out: int = 0


def test_what_fits_is_left_as_it_is() -> None:
    found = Found(rows=["a"] * 100, left_out=3)

    assert fitted(found, "rows") is found


@pytest.mark.parametrize("length", [1, 1_000, BYTES_MAX * 2])
def test_rows_are_cut_from_the_longest_list_until_all_fits(length: int) -> None:
    count = 60_000 if length == 1 else 300
    found = fitted(Found(rows=["x" * length] * count, few=["y"]), "rows", "few")

    assert len(found.model_dump_json()) <= BYTES_MAX
    assert found.left_out == count - len(found.rows)
    assert found.few == ["y"]


@pytest.mark.parametrize("lists", [("rows",), ()], ids=["empty list", "no list"])
def test_what_no_cut_makes_fit_is_refused_in_words(lists: tuple[str, ...]) -> None:
    with pytest.raises(ToolError, match="too large"):
        fitted(Found(text="x" * BYTES_MAX), *lists)


def test_diffs_are_bounded_in_lines_and_in_their_length() -> None:
    lines = diff([], [{"name": "x" * 1_000, "number": each} for each in range(1_000)]).splitlines()

    assert len(lines) == DIFF_LINES_MAX + 1
    assert lines[-1].endswith(" more lines")
    assert max(map(len, lines)) <= DIFF_LINE_CHARS_MAX
