"""Tables of a decision: the candidates in the order in which they are asked, each with its reasons."""

from typing import Any, Final

from rich.table import Table
from rich.text import Text

WIDE: Final = 120
_KEYS: Final = {True: "yes", False: "no", None: "–"}


def headline(part: dict[str, Any], answer: dict[str, Any]) -> Text:
    """One line: what was asked about, and who would serve."""
    whose = f" of project {part['project']}" if part["project"] else ""
    what = f"chain {part['chain']}{whose}" if part["chain"] else "as asked"
    how = f"{part['strategy']}{', hedged' if part['hedge'] else ''}"
    if part["is_throttled"]:
        how += ", throttled by a budget"
    if part["strategy"] == "weighted":
        how += ", one draw of many"
    line = Text(f"{part['modality']} ({what}, {how}): ")
    if part["serves"] is None:
        line.append("nobody can serve", style="red")
    else:
        line.append(part["serves"], style="bold")
        if part["is_last_resort"]:
            line.append(", as a last resort: nobody passes", style="yellow")
    return line


def candidates_table(part: dict[str, Any], *, width: int) -> Table:
    """One row per candidate, first to last; those that are never asked at the end.

    Where it is narrow the reasons have no column: `reasons` says them.
    """
    is_weighted = part["strategy"] in ("weighted", "sticky")
    is_wide = width >= WIDE
    table = Table(box=None, padding=(0, 2, 0, 2) if is_wide else (0, 1), header_style="dim")
    table.add_column("order", justify="right", no_wrap=True)
    table.add_column("candidate", overflow="fold")
    table.add_column("passes", no_wrap=True)
    if is_weighted:
        table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("p50 TTFB", justify="right", no_wrap=True)
    table.add_column("key here", no_wrap=True)
    if is_wide:
        table.add_column("why", overflow="fold")
    for each in _in_order(part):
        cells: list[str | Text] = [
            "–" if each["place"] is None else str(each["place"]),
            each["model"],
            Text("yes", style="green") if each["passes"] else Text("no", style="red"),
        ]
        if is_weighted:
            cells.append(str(each["weight"]))
        cells += [
            each["unpriced"] if each["price_usd"] is None else f"${each['price_usd']}",
            "–" if each["ttfb_p50_ms"] is None else f"{each['ttfb_p50_ms']} ms",
            _KEYS[each["has_key_here"]],
        ]
        table.add_row(*cells, *([_why(each)] if is_wide else []))
    return table


def reasons(part: dict[str, Any], *, width: int) -> list[str]:
    """A line for each candidate of which there is something to say, where the table is too narrow to say it."""
    return [f"{each['model']}: {why}" for each in _in_order(part) if width < WIDE and (why := _why(each))]


def _in_order(part: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(part["candidates"], key=lambda each: (each["place"] is None, each["place"] or each["position"]))


def _why(each: dict[str, Any]) -> str:
    reasons = [
        f"{reason['reason']} ({reason['detail']})" if reason["detail"] else reason["reason"]
        for reason in each["rejections"]
    ]
    return "; ".join([*reasons, *(["slower than it was"] if each["is_degraded"] else [])])
