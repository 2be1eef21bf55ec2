"""Tables of budgets: how their windows stand, and what they will come to."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.table import Table
from rich.text import Text

WIDE: Final = 140
"""Characters of a window that has room for everything."""
NARROW: Final = 110
"""Below this only what one must know at once."""
BAR_WIDE: Final = 24
BAR: Final = 10
BAR_NARROW: Final = 6
CENTS: Final = Decimal("0.01")
"""What amounts are rounded to; those below a dollar that cents do not tell are shown with four digits."""
_STYLES: Final = {"ok": "green", "learning": "yellow", "over": "red", "exhausted": "red"}


def summary(status: dict[str, Any]) -> Iterable[Text]:
    """One line on what is in force; another when Redis does not answer."""
    if not status["budgets"]:
        yield Text(
            "No budgets are declared. `voicegw budgets apply FILE` declares some; docs/guides/budgets.md says how."
        )
    else:
        yield Text(
            f"revision {status['revision']}, {len(status['budgets'])} budgets; USD; █ spent ▒ reserved ░ left",
            style="dim",
        )
    if not status["is_live"]:
        yield Text("Redis is away: the ledger says what is spent; workers go by their offline policy.", style="red")


def budgets_table(status: dict[str, Any], *, width: int) -> Table:
    """One row per budget, in the order of declaration; all columns only where there is room."""
    headings = ["spent", "reserved", "left", "per hour", "runs out", "resets in"]
    if width < WIDE:
        headings = ["spent", "left", "runs out", "resets in"] if width >= NARROW else ["left", "runs out", "resets in"]
    table = _table(width=width)
    table.add_column("budget", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("action", no_wrap=True)
    table.add_column("", no_wrap=True)
    as_of = datetime.fromisoformat(status["as_of"])
    for budget in status["budgets"]:
        cells = {
            "spent": amount(budget["spent_usd"]),
            "reserved": amount(budget["reserved_usd"]),
            "left": amount(budget["left_usd"]),
            "per hour": amount(budget["forecast"]["burn_last_hour_usd"]) if budget["forecast"] else "–",
            "runs out": _runs_out(budget, as_of),
            "resets in": _resets_in(budget, as_of),
        }
        row: list[str | Text] = [budget["id"], amount(budget["amount_usd"]), _bar(budget, width=width)]
        row += [cells[heading] for heading in headings]
        row += [budget["action"]] if width >= NARROW else []
        table.add_row(*row, _state(budget))
    return table


def forecast_table(status: dict[str, Any], *, width: int) -> Table:
    """One row per budget: how fast money goes and what the window and the month will come to."""
    headings = ["spent", "last hour"] if width >= NARROW else []
    headings += ["runs out", "window's end", "month's end"]
    table = _table(width=width, title="Budgets: what they will come to if nothing stops it, in USD")
    table.add_column("budget", no_wrap=True)
    for heading in ("amount", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("sure", no_wrap=True)
    as_of = datetime.fromisoformat(status["as_of"])
    for budget in status["budgets"]:
        forecast = budget["forecast"]
        cells = {
            "spent": amount(budget["spent_usd"]),
            "last hour": amount(forecast["burn_last_hour_usd"]) if forecast else "–",
            "runs out": _runs_out(budget, as_of),
            "window's end": _projection(forecast["window_end"], width=width) if forecast else "–",
            "month's end": _projection(forecast["month_end"], width=width) if forecast else "–",
        }
        row = [cells[heading] for heading in headings]
        table.add_row(budget["id"], amount(budget["amount_usd"]), *row, _sureness(forecast) if forecast else "")
    return table


def projects_table(status: dict[str, Any], *, width: int) -> Table:
    """One row per project: this month so far and at its end."""
    columns = {"this month": "spent_this_month_usd", "last hour": "burn_last_hour_usd"}
    if width >= NARROW:
        columns["per hour of the last day"] = "burn_last_day_usd"
    table = _table(width=width, title="Projects: the calendar month, in USD")
    table.add_column("project", no_wrap=True)
    for heading in (*columns, "month's end"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("zone", no_wrap=True)
    table.add_column("sure", no_wrap=True)
    for project in status["projects"]:
        table.add_row(
            project["project"] or "all",
            *(amount(project[name]) for name in columns.values()),
            _projection(project["month_end"], width=width),
            project["zone"],
            _sureness(project),
        )
    return table


def anomalies(status: dict[str, Any]) -> Iterable[Text]:
    """One line for each odd hour."""
    for odd in status["anomalies"]:
        who = f"project {odd['project']}" if odd["project"] else "the fleet"
        yield Text(
            f"odd: {who} spent {amount(odd['spent_usd'])} in the hour of {odd['hour']}; "
            f"usual is {amount(odd['usual_usd'])} ({odd['weeks']} weeks)",
            style="red",
        )


def amount(usd: str | None) -> str:
    """Show an amount as people read it: in cents, or with four digits where it is small and cents do not tell it."""
    if usd is None:
        return "–"
    value = Decimal(usd)
    if abs(value) >= 1 or value == value.quantize(CENTS):
        return f"{value.quantize(CENTS):,f}".replace(",", " ")
    return f"{value.quantize(Decimal(1).scaleb(value.adjusted() - 3)).normalize():f}"


def _bar(budget: dict[str, Any], *, width: int) -> Text:
    if budget["spent_usd"] is None:
        return Text("each session" if budget["window"] == "session" else "not known", style="dim")
    cells = BAR_WIDE if width >= WIDE else BAR if width >= NARROW else BAR_NARROW
    whole = Decimal(budget["amount_usd"])
    spent = min(cells, int(Decimal(budget["spent_usd"]) * cells / whole))
    reserved = min(cells - spent, int(Decimal(budget["reserved_usd"]) * cells / whole))
    bar = Text("█" * spent, style=_STYLES[budget["state"]])
    bar.append("▒" * reserved, style="yellow")
    bar.append("░" * (cells - spent - reserved), style="dim")
    return bar.append(f" {budget['percent']:.1f} %", style="")


def _runs_out(budget: dict[str, Any], as_of: datetime) -> str:
    forecast = budget["forecast"]
    if not forecast or not forecast["runs_out_at"]:
        return "–"
    at = datetime.fromisoformat(forecast["runs_out_at"])
    return "now" if at <= as_of else f"{at:%m-%d %H:%M}"


def _resets_in(budget: dict[str, Any], as_of: datetime) -> str:
    if not budget["resets_at"]:
        return "–"
    minutes = max(0, int((datetime.fromisoformat(budget["resets_at"]) - as_of).total_seconds()) // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def _state(budget: dict[str, Any]) -> Text:
    state = Text("" if budget["state"] == "ok" else budget["state"], style=_STYLES[budget["state"]])
    return state.append(" unbacked", style="yellow") if budget["is_unbacked"] else state


def _projection(projection: dict[str, Any] | None, *, width: int) -> str:
    if not projection:
        return "–"
    likely = amount(projection["likely_usd"])
    if width < WIDE:
        return likely
    return f"{likely} ({amount(projection['low_usd'])} to {amount(projection['high_usd'])})"


def _sureness(forecast: dict[str, Any]) -> str:
    weeks = forecast["weeks"]
    return f"{forecast['sureness']}, {weeks} week{'' if weeks == 1 else 's'}"


def _table(*, width: int, title: str | None = None) -> Table:
    padding = (0, 2 if width >= WIDE else 1, 0, 0)
    return Table(title=title, title_justify="left", box=None, padding=padding, header_style="dim")
