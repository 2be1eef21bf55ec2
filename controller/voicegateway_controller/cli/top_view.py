"""What `voicegw top` shows of what it saw. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MINUTES: Final = 30
ROWS_LEAST: Final = 3
ROWS_DEFAULT: Final = 6
WIDE: Final = 100
"""Characters of a window that has room for two tables side by side."""
NEAR_PERCENT: Final = 50
"""What is used less is not near its end."""
_BARS: Final = "▁▂▃▄▅▆▇█"


def screen(seen: dict[str, Any], *, width: int, height: int | None) -> RenderableType:
    """Return one view; `height` None shows all that is worth it."""
    rows = ROWS_DEFAULT if height is None else max(ROWS_LEAST, (height - 12) // 3)
    at = datetime.fromtimestamp(seen["at"], UTC)
    pairs = [
        (
            _dearest("dearest projects, last hour", seen.get("projects"), rows),
            _dearest("dearest models, last hour", seen.get("models"), rows),
        ),
        (_budgets(seen.get("budgets"), rows), _limits(seen.get("limits"), rows)),
        (_calls(seen.get("live"), rows), _fleet(seen.get("workers"), seen.get("providers"), rows)),
    ]
    parts: list[RenderableType] = [_head(seen, at), _spark(seen.get("projects"), at, width), Text("")]
    for left, right in pairs:
        parts.append(_beside(left, right) if width >= WIDE else Group(left, right))
        parts.append(Text(""))
    parts += [Text(f"{name}: {problem}", style="red") for name, problem in seen["problems"].items()]
    parts.append(Text(f"{at:%H:%M:%S} UTC · q leaves", style="dim"))
    return Group(*parts)


def _head(seen: dict[str, Any], at: datetime) -> Text:
    live, workers = seen.get("live"), seen.get("workers")
    told = [f"{live['calls']} calls"] if live else ["calls unknown"]
    if workers is not None:
        main = [each for each in workers["workers"] if each["kind"] == "worker"]
        drained = sum(each["is_drained"] or each["is_drain_ordered"] for each in main)
        told.append(f"{len(main)} workers" + (f" ({drained} drained)" if drained else ""))
    minutes = _minutes(seen.get("projects"), at)
    hour = sum(minutes, Decimal(0))
    # The minute that is not over says too little.
    told += [f"${_money(minutes[-2])} in the last minute", f"${_money(hour)} in {MINUTES} minutes"]
    return Text(" · ".join(told), style="bold")


def _spark(spend: dict[str, Any] | None, at: datetime, width: int) -> Text:
    minutes = _minutes(spend, at)[-max(1, width) :]
    most = max(minutes)
    bars = "".join(_BARS[int(each / most * (len(_BARS) - 1))] if most else _BARS[0] for each in minutes)
    return Text(f"{bars}  $ per minute, most {_money(most)}", style="cyan")


def _minutes(spend: dict[str, Any] | None, at: datetime) -> list[Decimal]:
    """Return what was spent in each of the last minutes, the oldest first."""
    this = at.replace(second=0, microsecond=0)
    by_minute: dict[datetime, Decimal] = {}
    for point in spend["points"] if spend else ():
        minute = datetime.fromisoformat(point["at"])
        by_minute[minute] = by_minute.get(minute, Decimal(0)) + Decimal(point["amount_usd"])
    return [by_minute.get(this - timedelta(minutes=each), Decimal(0)) for each in range(MINUTES - 1, -1, -1)]


def _dearest(title: str, spend: dict[str, Any] | None, rows: int) -> Group:
    sums: dict[str, list[Any]] = {}
    for point in spend["points"] if spend else ():
        held = sums.setdefault(point["key"], [Decimal(0), 0])
        held[0] += Decimal(point["amount_usd"])
        held[1] += point["requests"]
    dearest = sorted(sums.items(), key=lambda each: -each[1][0])[:rows]
    return _table(title, ("", "$", "requests"), [(key, _money(held[0]), str(held[1])) for key, held in dearest])


def _budgets(status: dict[str, Any] | None, rows: int) -> Group:
    found = []
    for each in status["budgets"] if status else ():
        if each["spent_usd"] is None or not Decimal(each["amount_usd"]):
            continue
        percent = int(100 * Decimal(each["spent_usd"]) / Decimal(each["amount_usd"]))
        if percent >= NEAR_PERCENT or each["state"] in ("exhausted", "over"):
            found.append((percent, each))
    near = sorted(found, key=lambda each: -each[0])[:rows]
    return _table(
        f"budgets over {NEAR_PERCENT} %",
        ("", "spent", "of", ""),
        [
            (each["id"], _percent(percent), f"${_money(Decimal(each['amount_usd']))}", each["state"].replace("ok", ""))
            for percent, each in near
        ],
    )


def _limits(report: dict[str, Any] | None, rows: int) -> Group:
    found = []
    for pool in report["pools"] if report else ():
        live = pool["live"]
        if live is None:
            continue
        most = pool["slots"] or pool["burst"]
        used = live["leased"] if pool["slots"] else most - live["level"]
        percent = max(0, 100 * used // most) if most else 0
        if percent >= NEAR_PERCENT or live["paused_ms"] or live["waiters"]:
            notes = [f"paused {-(-live['paused_ms'] // 1000)} s"] if live["paused_ms"] else []
            notes += [f"{live['waiters']} wait"] if live["waiters"] else []
            found.append((percent, pool["id"], ", ".join(notes)))
    near = sorted(found, key=lambda each: -each[0])[:rows]
    return _table(
        f"limits over {NEAR_PERCENT} %",
        ("", "used", ""),
        [(name, _percent(percent), notes) for percent, name, notes in near],
    )


def _calls(live: dict[str, Any] | None, rows: int) -> Group:
    calls = sorted(live["sessions"] if live else (), key=lambda each: -Decimal(each["amount_usd"]))[:rows]
    return _table(
        "dearest live calls",
        ("", "project", "$ so far"),
        [(each["session_id"], each["project"], _money(Decimal(each["amount_usd"]))) for each in calls],
    )


def _fleet(workers: dict[str, Any] | None, providers: dict[str, Any] | None, rows: int) -> Group:
    shown: list[tuple[str, ...]] = []
    for each in providers["targets"] if providers else ():
        if each["state"] != "closed" or each["is_degraded"]:
            state = f"{each['state']}: {each['cause']}" if each["state"] != "closed" else "slow"
            shown.append((f"{each['provider']}/{each['model'] or '(the account)'}", state.replace("_", " ")))
    for each in providers["disabled"] if providers else ():
        shown.append((f"{each['provider']}/{each['model']}".rstrip("/"), "switched off"))
    main = [each for each in workers["workers"] if each["kind"] == "worker"] if workers else []
    for each in sorted(main, key=lambda each: -(each["load_permille"] or 0)):
        told = [f"{(each['load_permille'] or 0) / 10:g} % load", f"{each['active_jobs'] or 0} calls"]
        told += ["drained"] if each["is_drained"] else ["draining"] if each["is_drain_ordered"] else []
        told += [] if each["is_up_to_date"] else [f"old {', '.join(each['behind'])}"]
        shown.append((f"{each['agent'] or 'worker'}@{each['host']}", ", ".join(told)))
    return _table("vendors and workers", ("", ""), shown[: rows + 2])


def _beside(left: Group, right: Group) -> Table:
    both = Table.grid(expand=True, padding=(0, 2))
    both.add_column(ratio=1)
    both.add_column(ratio=1)
    both.add_row(left, right)
    return both


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
    for index, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="left" if index == 0 or not heading else "right",
            overflow="ellipsis",
            no_wrap=True,
            header_style="dim",
        )
    for row in rows:
        # Names are no markup.
        table.add_row(*(each if isinstance(each, Text) else Text(each) for each in row))
    if not table.row_count:
        table.add_row(Text("–", style="dim"), *("" for _ in headings[1:]))
    # A title of the table itself is broken at the table's width, which is one letter where there is nothing to show.
    return Group(Text(title, style="bold dim", no_wrap=True, overflow="ellipsis"), table)


def _percent(percent: int) -> Any:
    return Text(f"{percent} %", style="red" if percent >= 100 else "yellow" if percent >= 80 else "")


def _money(amount: Decimal) -> str:
    """Two digits behind the point, four for less than a dollar."""
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"
