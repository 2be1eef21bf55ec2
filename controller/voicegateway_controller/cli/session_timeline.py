"""A call as a picture for a terminal: a bar for each request along the call; of many, a lane for each model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from voicegateway_controller.calls.timeline import Moment, lasts_ms, moments

BARS_MAX: Final = 60
"""Rows of a screen or two; beyond, requests of one model share a lane."""
BAR_CELLS_MIN: Final = 16
NAME_CELLS_MIN: Final = 4
NAME_CELLS_MAX: Final = 36
_EDGE_CELLS: Final = 5
"""The bar's two edges, and the blanks around them and before the amount."""
COLORS: Final = {
    "stt": "cyan", "llm": "magenta", "tts": "green", "realtime": "yellow",
    "transport": "blue", "telephony": "blue", "recording": "blue",
}  # fmt: skip
TROUBLE: Final = "red"
_HEIGHTS: Final = " ▁▂▃▄▅▆▇█"
_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
"""Seconds between marks of the axis."""
_TICK_CELLS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the picture before it has a width."""

    name: str
    color: str
    spans: Sequence[tuple[int, int]]
    """Start and length, ms."""
    is_lane: bool
    is_open: bool
    told: str
    usd: str
    notes: str


def timeline(session: Mapping[str, Any], *, width: int) -> list[Text]:
    """Return the lines of a call's picture, each at most `width` cells wide."""
    found = [each for each in moments(session) if each.starts_ms is not None]
    total_ms = max(lasts_ms(session) or 0, 1)
    rows = _bars(found, total_ms) if len(found) <= BARS_MAX else _lanes(found, total_ms)
    if not rows:
        return [Text("nothing of this call has a time", style="dim")]
    names = min(max(cell_len(row.name) for row in rows), NAME_CELLS_MAX)
    told = max(cell_len(row.told) for row in rows)
    usd = max(cell_len(row.usd) for row in rows)
    notes = min(max(cell_len(row.notes) for row in rows), 24)
    room = width - told - usd - _EDGE_CELLS
    if room - names - notes - 1 < BAR_CELLS_MIN:
        # What cannot be seen in so narrow a window is in the table.
        names, notes = max(NAME_CELLS_MIN, min(names, room - BAR_CELLS_MIN)), 0
    cells = max(BAR_CELLS_MIN, room - names - (notes + 1 if notes else 0))
    lines = [_axis(total_ms, names, cells)]
    for row in rows:
        line = Text(_cut(row.name, names).ljust(names), no_wrap=True)
        line.append(" ▕", style="dim")
        line.append(_drawn(row, total_ms, cells), style=row.color)
        line.append("▏", style="dim")
        line.append(f" {row.told.rjust(told)} {row.usd.rjust(usd)}")
        if notes and row.notes:
            line.append(f" {_cut(row.notes, notes)}", style=TROUBLE if row.color == TROUBLE else "dim")
        lines.append(line)
    for line in lines:
        line.truncate(width)
    return lines


def clock(ms: int) -> str:
    """Return an instant of a call as minutes:seconds.tenths, with hours where there are any."""
    tenths = ms // 100
    seconds, minutes, hours = tenths // 10 % 60, tenths // 600 % 60, tenths // 36_000
    head = f"{hours}:{minutes:02}" if hours else str(minutes)
    return f"{head}:{seconds:02}.{tenths % 10}"


def _bars(found: Sequence[Moment], total_ms: int) -> list[_Row]:
    return [
        _Row(
            name=f"{each.part} {each.model}",
            color=TROUBLE if _is_trouble(each) else COLORS.get(each.part, "white"),
            spans=[_span(each, total_ms)],
            is_lane=False,
            is_open=each.lasts_ms is None,
            told=clock(each.starts_ms or 0),
            usd=f"{each.amount_usd:f}",
            notes=", ".join([*([each.outcome] if _is_trouble(each) else []), *each.notes]),
        )
        for each in found
    ]


def _lanes(found: Sequence[Moment], total_ms: int) -> list[_Row]:
    lanes: dict[tuple[str, str], list[Moment]] = {}
    for each in found:
        lanes.setdefault((each.part, each.model), []).append(each)
    rows = []
    for (part, model), held in lanes.items():
        troubles = sum(map(_is_trouble, held))
        rows.append(
            _Row(
                name=f"{part} {model}",
                color=COLORS.get(part, "white"),
                spans=[_span(each, total_ms) for each in held],
                is_lane=True,
                is_open=any(each.lasts_ms is None for each in held),
                told=f"{len(held)}×",
                usd=f"{sum((each.amount_usd for each in held), Decimal(0)):f}",
                notes=f"{troubles} not ok" if troubles else "",
            )
        )
    return rows


def _span(moment: Moment, total_ms: int) -> tuple[int, int]:
    start = moment.starts_ms or 0
    return start, max(0, total_ms - start) if moment.lasts_ms is None else moment.lasts_ms


def _is_trouble(moment: Moment) -> bool:
    return moment.outcome not in ("ok", "cancelled", "open", "")


def _drawn(row: _Row, total_ms: int, cells: int) -> str:
    """Return the row's bar: full where it was busy; of a lane, as high as the busiest moment's share of each cell."""
    busy = [0] * cells
    for start, length in row.spans:
        first = min(start * cells // total_ms, cells - 1)
        last = min(max(first, -(-(start + length) * cells // total_ms) - 1), cells - 1)
        for cell in range(first, last + 1):
            busy[cell] += 1
    if not row.is_lane:
        drawn = "".join("█" if each else " " for each in busy)
    else:
        most = max(busy)
        drawn = "".join(_HEIGHTS[-(-each * 8 // most)] for each in busy)
    return drawn[:-1] + "▶" if row.is_open else drawn


def _axis(total_ms: int, names: int, cells: int) -> Text:
    """Return marks of time above the bars, each where its instant is."""
    wanted = total_ms / 1000 * _TICK_CELLS / cells
    step_ms = 1_000 * next((each for each in _TICKS if each >= wanted), _TICKS[-1])
    marks = [" "] * (cells + _TICK_CELLS)
    for at_ms in range(0, total_ms + 1, step_ms):
        text = clock(at_ms)[:-2]
        at = at_ms * cells // total_ms
        if at + len(text) <= cells:
            marks[at : at + len(text)] = text
    return Text(" " * (names + 2) + "".join(marks).rstrip(), style="dim", no_wrap=True)


def _cut(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else f"{text[: cells - 1]}…"
