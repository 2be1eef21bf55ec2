"""Tables of limits: pools as they are, and what a simulation found."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

WIDE: Final = 140
"""Characters of a window that has room for everything."""
_PERIODS: Final = {1_000: "s", 60_000: "min", 3_600_000: "h", 86_400_000: "d"}


def summary(report: dict[str, Any], *, width: int) -> Iterable[Text]:
    """One line on what is in force; another when the pools' state is not known."""
    if not report["pools"]:
        yield Text("No limits are declared. `voicegw limits apply FILE` declares some; docs/guides/limits.md says how.")
    else:
        more = "" if width >= WIDE else "; a wider window or --json shows holders and what vendors say"
        yield Text(f"revision {report['revision']}, {len(report['pools'])} pools{more}", style="dim")
    if not report["is_live"]:
        yield Text("Redis is away: nobody knows how the pools are; holders go by their offline policy.", style="red")


def pools_table(report: dict[str, Any], *, width: int) -> Table:
    """One row per pool, in the order of declaration; who holds most and what vendors say only where there is room."""
    is_wide = width >= WIDE
    table = Table(box=None, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim")
    table.add_column("pool", no_wrap=True)
    for heading in ("limit", "level", "leased", "spent", "wait", "refused"):
        table.add_column(heading, justify="right", no_wrap=True)
    if is_wide:
        for heading in ("holders", "top holder", "vendor says"):
            table.add_column(heading, justify="right" if heading == "holders" else "left", no_wrap=True)
    table.add_column("", no_wrap=True)
    for pool in report["pools"]:
        live = pool["live"]
        units = [_units(pool, live[name]) if live else "–" for name in ("level", "leased", "spent")]
        if pool["meter"] == "slots":
            units[2] = "–"
        cells = [_limit(pool), *units, *(_number(live[name]) if live else "–" for name in ("waiters", "refused"))]
        if is_wide:
            cells += [_number(live["holders"]) if live else "–", _top(pool), _learned(pool)]
        table.add_row(pool["id"], *cells, _condition(live))
    return table


def simulation_table(answer: dict[str, Any], *, width: int) -> Group:
    """One row per pool: what it would have made of the traffic."""
    covered = answer["covered_until"] if answer["is_truncated"] else answer["until"]
    title = (
        f"{answer['requests']} requests, {answer['since']} to {covered}, waiting at most {answer['admit_wait_ms']} ms"
    )
    if answer["is_truncated"]:
        title += f" (there were more: up to {answer['until']} was asked for)"
    is_wide = width >= WIDE
    table = Table(box=None, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim")
    headings = ["pool", "limit", "holds", "requests", "delayed", "refused", "smallest"]
    headings += ["p95 ms", "peak/min", "peak open", "worst minute"] if is_wide else []
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("pool", "holds") else "right", no_wrap=True)
    for pool in answer["pools"]:
        cells: list[str | Text] = [
            pool["id"],
            _limit(pool),
            Text("yes", style="green") if pool["holds"] else Text("no", style="red"),
            *(_number(pool[name]) for name in ("matched", "delayed", "refused")),
            _smallest(pool),
        ]
        if is_wide:
            cells += [_number(pool["delay_p95_ms"]), _units(pool, pool["peak_per_min"]), _number(pool["peak_open"])]
            cells += [pool["worst_minute"] or "–"]
        table.add_row(*cells)
    parts: list[Text | Table] = [Text(title, style="italic"), table]
    if any(pool["matched"] and pool["meter"] != "slots" for pool in answer["pools"]):
        parts.append(Text("smallest: with the burst that the limit has now; declare `burst` beside it", style="dim"))
    return Group(*parts)


def _limit(pool: dict[str, Any]) -> str:
    return _amount(pool, pool["slots"] if pool["meter"] == "slots" else pool["units"])


def _smallest(pool: dict[str, Any]) -> str:
    if pool["smallest"] is None:
        return "larger burst"
    return _amount(pool, pool["smallest"]) if pool["matched"] else "–"


def _amount(pool: dict[str, Any], units: int) -> str:
    if pool["meter"] == "slots":
        return f"{_number(units)} open"
    number, unit = (units // 1000, " s") if pool["meter"] == "audio_ms" else (units, "")
    # As it may be declared: 200k.
    text = f"{number // 1000}k" if number % 1000 == 0 else _number(number)
    return f"{text}{unit}/{_period(pool['period_ms'])}"


def _units(pool: dict[str, Any], units: int) -> str:
    """In the terms of the declaration: sound is counted in milliseconds and declared in seconds."""
    return f"{_number(round(units / 1000))} s" if pool["meter"] == "audio_ms" else _number(units)


def _period(period_ms: int) -> str:
    return _PERIODS.get(period_ms, f"{period_ms} ms")


def _top(pool: dict[str, Any]) -> str:
    live = pool["live"]
    if not live or not live["top_holders"]:
        return ""
    top = live["top_holders"][0]
    return f"{top['holder']} {_units(pool, top['leased'])}"


def _learned(pool: dict[str, Any]) -> str:
    told = [
        _units(pool, each["limit"]) + (f"/{_period(each['period_ms'])}" if each["period_ms"] else "")
        for each in pool["learned"]
    ]
    return ", ".join(dict.fromkeys(told))


def _condition(live: dict[str, Any] | None) -> Text:
    if not live:
        return Text("unused", style="dim")
    if live["paused_ms"]:
        return Text(f"paused {live['paused_ms'] / 1000:.1f} s", style="red")
    if live["learning_ms"]:
        return Text(f"learning {live['learning_ms'] / 1000:.1f} s", style="yellow")
    return Text("")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
