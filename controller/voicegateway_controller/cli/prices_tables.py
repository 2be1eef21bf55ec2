"""Tables of prices: what holds, what one is, what a usage costs, what changed, what differs."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from voicegateway_controller.cli.prices_usage import friendly

WIDE: Final = 140
"""Characters of a window that has room for everything."""
LIST_COLUMNS: Final = (
    "provider", "model", "modality", "meter", "context", "layer", "scope", "amount", "currency", "per", "list_amount",
    "effective_from", "effective_to", "verified_on", "verified_days", "is_stale", "confidence", "price_id",
)  # fmt: skip
_SHORT: Final[Mapping[str, str]] = {"minute": "min", "hour": "h", "second": "s"}
_SIZES: Final = ((1_000_000, "M"), (1_000, "k"))
_STYLES: Final[Mapping[str, str]] = {"new": "red", "known": "yellow", "agrees": "green"}


def prices_table(rows: Sequence[Mapping[str, Any]], *, width: int, title: str) -> Table:
    """One row per price: what it is for, what it costs, how fresh it is; the rest where there is room."""
    is_wide = width >= WIDE
    table = _table(title)
    table.add_column("model", overflow="fold")
    table.add_column("meter and context", overflow="fold")
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("layer", no_wrap=True)
    if is_wide:
        table.add_column("window", no_wrap=True)
    table.add_column("verified", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("price id", no_wrap=True, style="dim")
    for row in rows:
        days = f"{row['verified_days']} d"
        cells: list[str | Text] = [
            f"{row['provider']}/{row['model']}",
            what_text(row),
            short_price(row),
            layer_text(row),
            *([window_text(row)] if is_wide else []),
            Text(f"{days} stale" if row["is_stale"] else days, style="yellow" if row["is_stale"] else ""),
            *([row["price_id"]] if is_wide else []),
        ]
        table.add_row(*cells)
    return table


def csv_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows for a spreadsheet: one flat text per column."""
    return [{**row, "context": context_text(row["when"])} for row in rows]


def price_facts(row: Mapping[str, Any]) -> Group:
    """Everything about one price, a fact a line; what says nothing is left out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    basis = row["basis"]
    source = row["source"]
    facts: list[tuple[str, str]] = [
        ("price", price_text(row)),
        ("what", f"{row['provider']}/{row['model']} ({row['modality']}): {row['meter']}"),
        ("context", context_text(row["when"])),
        ("layer", layer_text(row)),
        ("list price", row["list_amount"] or ""),
        ("discount", f"{row['discount']} of the list price" if row["discount"] else ""),
        ("factor", row["multiplier"] if row["multiplier"] != "1" else ""),
        ("credits", _credits(row["credit_price"])),
        *((key.replace("_", " "), ", ".join(basis[key])) for key in ("fallback", "minus", "plus", "not_billed")),
        ("instead of", ", ".join(basis["instead_of"])),
        ("times", basis["times"] or ""),
        ("minimum", friendly(row["meter"], basis["minimum"]) if basis["minimum"] else ""),
        ("rounded", _rounding(row["meter"], basis)),
        ("tiers", _tiers(row["tiers"])),
        ("window", window_text(row)),
        ("recorded", _recorded(row)),
        ("source", source["url"] + (f", via {source['via']}" if source["via"] else "")),
        ("verified", _verified(row)),
        ("confidence", row["confidence"]),
        ("note", row["note"]),
        ("below", ", ".join(row["overridden_by"])),
    ]
    for name, value in facts:
        if value:
            table.add_row(name, value)
    return Group(Text(row["price_id"], style="bold"), table)


def records_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """The history of managed prices, the newest first."""
    table = _table("history, the newest first")
    for heading in ("record", "recorded", "by", "what", "window", "reason", ""):
        table.add_column(heading, overflow="fold")
    for record in records:
        state = "in force" if record["is_in_force"] else f"until {day_text(record['superseded_at'])}"
        table.add_row(
            str(record["record_id"]),
            day_text(record["recorded_at"]),
            record["recorded_by"],
            f"{record['kind']} {_content(record['content'])}".strip(),
            window_text(record),
            record["reason"],
            state,
        )
    return table


def changes_table(changes: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """What a change did, one thing a row."""
    table = _table(title)
    for heading in ("did", "what", "before", "window", "record"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        what = change["price_id"] or f"{change['kind']} of {change['provider']}"
        table.add_row(
            change["action"],
            f"{what} {_content(change['content'])}".strip(),
            change["before_amount"] or "",
            window_text(change),
            "" if change["record_id"] is None else str(change["record_id"]),
        )
    return table


def difference_table(changes: Sequence[Mapping[str, Any]], *, one: str, other: str) -> Table:
    """What two lists of prices say differently."""
    table = _table(f"{one} and {other}")
    for heading in ("", "model", "meter and context", one, other, "ratio"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        table.add_row(
            {"added": "+", "removed": "−", "changed": "~"}[change["change"]],
            " ".join(filter(None, (f"{change['provider']}/{change['model']}", change["scope"]))),
            what_text(change),
            change["a"] or "",
            change["b"] or "",
            change["ratio"] or "",
        )
    return table


def drift_table(differences: Sequence[Mapping[str, Any]], *, against: str) -> Table:
    """Our prices beside another map's."""
    table = _table(f"ours and {against}")
    for heading in ("", "model", "meter and context", "ours", "theirs", "ratio"):
        table.add_column(heading, overflow="fold")
    for each in differences:
        table.add_row(
            Text(each["status"], style=_STYLES[each["status"]]),
            f"{each['provider']}/{each['model']}",
            what_text(each),
            each["ours"],
            each["theirs"] if each["what"] in ("", "amount") else f"{each['theirs']}, other {each['what']}",
            each["ratio"] or "",
        )
    return table


def rating_table(answer: Mapping[str, Any]) -> Table:
    """One row per line of a rating and one for its total."""
    title = f"{answer['provider']}/{answer['model']} ({answer['modality']}) at {answer['at']}"
    if answer["context"]:
        title += ", " + context_text(answer["context"])
    table = _table(title)
    table.add_column("meter", no_wrap=True)
    for heading in ("used", "billed", "price", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in answer["lines"]:
        meter = line["meter"]
        price: str | Text = ""
        if line["price"] is not None:
            price = f"{line['price']}{' credits' if line['currency'] == 'credits' else ''} per {per_text(line['per'])}"
        if line["unrated_reason"] is not None:
            price = Text(line["unrated_reason"], style="red")
        quantities = (friendly(meter, line["quantity"]), friendly(meter, line["billed_quantity"]))
        table.add_row(meter, *quantities, price, line["amount_usd"])
    table.add_row(Text("total", style="bold"), "", "", "", Text(answer["amount_usd"], style="bold"))
    return table


def price_text(row: Mapping[str, Any]) -> str:
    """`0.0048 per minute`, with what more of it a person must know to read it."""
    unit = "credits " if row["currency"] == "credits" else "$"
    amount = f"{row['amount']} {unit}" if unit != "$" else f"${row['amount']} "
    return f"{amount}per {per_text(row['per'])}" + (" …" if row["tiers"] else "")


def short_price(row: Mapping[str, Any]) -> str:
    """`$0.0048/min`, for tables."""
    amount = f"{row['amount']} credits" if row["currency"] == "credits" else f"${row['amount']}"
    return amount + short_per(row["per"]) + (" …" if row["tiers"] else "")


def short_per(text: str) -> str:
    """`/min`, `/1M tokens`, for tables."""
    count, _, unit = text.partition(" ")
    number = int(count.replace("_", ""))
    word = unit.removesuffix("s") if unit != "ms" else unit
    if number == 1:
        return f"/{_SHORT.get(word, word)}"
    size = next((f"{number // each}{name}" for each, name in _SIZES if number % each == 0), str(number))
    return f"/{size} {word}s"


def what_text(row: Mapping[str, Any]) -> str:
    """The meter, and the words of its context."""
    return f"{row['meter']} {', '.join(row['when'].values())}".strip()


def per_text(text: str) -> str:
    """`1000000 token` as a person writes it: 1 000 000 tokens."""
    count, _, unit = text.partition(" ")
    number = int(count.replace("_", ""))
    word = unit.removesuffix("s") if unit != "ms" else unit
    return word if number == 1 else f"{number:,} {word}{'' if word == 'ms' else 's'}".replace(",", " ")


def context_text(when: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in when.items())


def layer_text(row: Mapping[str, Any]) -> str:
    return f"{row['layer']} {row['scope']}".strip()


def window_text(row: Mapping[str, Any]) -> str:
    """From when to when; nothing for what holds since ever and without end."""
    start, end = day_text(row["effective_from"]), day_text(row["effective_to"])
    if not start and not end:
        return "always"
    return f"{start or '…'} to {end or '…'}"


def day_text(at: str | None) -> str:
    """An instant without what is nothing: midnight, seconds."""
    if at is None:
        return ""
    text = at.replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z") if text.endswith("T00:00:00Z") else text[:16] + "Z"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")


def _content(content: Mapping[str, Any]) -> str:
    amount = content.get("amount") or content.get("credits") or content.get("multiplier") or content.get("plan") or ""
    return f"{amount} per {content['per']}" if "per" in content else str(amount)


def _credits(price: Mapping[str, Any] | None) -> str:
    return (
        "" if price is None else f"plan {price['plan']}: ${price['amount']} for {price['credits']:,}".replace(",", " ")
    )


def _rounding(meter: str, basis: Mapping[str, Any]) -> str:
    if basis["increment"] == 1:
        return ""
    return f"{basis['rounding']} to {friendly(meter, basis['increment'])}, each {basis['rounding_scope']}"


def _tiers(tiers: Mapping[str, Any] | None) -> str:
    if tiers is None:
        return ""
    steps = ", ".join(f"above {friendly(tiers['basis'], step['above'])}: {step['amount']}" for step in tiers["steps"])
    return f"{tiers['kind']} by {tiers['basis']}: {steps}"


def _recorded(row: Mapping[str, Any]) -> str:
    parts = (day_text(row["recorded_at"]), f"by {row['recorded_by']}" if row["recorded_by"] else "", row["reason"])
    return ", ".join(filter(None, parts))


def _verified(row: Mapping[str, Any]) -> str:
    by = f" by {row['verified_by']}" if row["verified_by"] else ""
    stale = " (stale)" if row["is_stale"] else ""
    return f"{row['verified_on']}{by}, {row['verified_days']} days ago{stale}"


def ratio_text(ratio: Any) -> str | None:
    """A ratio of exact fractions for people: four digits behind the point."""
    if ratio is None:
        return None
    return f"{Decimal(ratio.numerator) / Decimal(ratio.denominator):.4f}".rstrip("0").rstrip(".")
