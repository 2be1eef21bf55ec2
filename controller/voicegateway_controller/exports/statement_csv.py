"""A statement as CSV, exact to the last digit, and as JSON of the same lines. Pure."""

import csv
import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from voicegateway_controller.exports.markups.rules import shown_usd
from voicegateway_controller.exports.statement import Key, Statement, Sums
from voicegateway_shared.money import format_usd

COLUMNS: Final = (
    "section", "agent", "provider", "model", "modality", "meter", "kind", "late_for", "quantity", "billed_quantity",
    "cost_usd", "list_usd", "previous_cost_usd",
)  # fmt: skip
PRICE_COLUMNS: Final = ("price_usd", "margin_usd")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute with a cell that somebody else named."""


def statement_csv(statement: Statement) -> str:
    """Return a statement for spreadsheets: names that would be formulas get an apostrophe before them."""
    columns = (*COLUMNS, *PRICE_COLUMNS) if statement.is_priced else COLUMNS
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(columns)
    for row in statement_rows(statement):
        out.writerow([_safe(name, row[name]) for name in columns])
    return text.getvalue()


def statement_rows(statement: Statement) -> Iterator[dict[str, str]]:
    """Yield the lines, what was charged as a minimum, and the total, which is the sum of those before it."""
    before = statement.before.by(_unlate)
    for key, sums in sorted(statement.current.lines.items()):
        # What a line was the month before stands beside it once.
        previous = before.get(key[:6], Sums()) if not key[6] else Sums()
        yield _row("line", key, sums, previous)
    for name, sums in sorted(before.items()):
        if (*name, "") not in statement.current.lines:
            yield _row("line", (*name, ""), Sums(), sums)
    for (rule,), missing in sorted(statement.current.minimums.items()):
        yield _row("minimum", ("", "", "", "", rule, "minimum", ""), Sums(price=missing), Sums())
    total = statement.current.total
    yield _row(
        "total",
        ("",) * 7,
        Sums(pico_usd=total.pico_usd, list_pico_usd=total.list_pico_usd, price=statement.current.price),
        statement.before.total,
    ) | {"quantity": "", "billed_quantity": ""}


def _row(section: str, key: Key, sums: Sums, previous: Sums) -> dict[str, str]:
    return {
        "section": section,
        **dict(zip(("agent", "provider", "model", "modality", "meter", "kind", "late_for"), key, strict=True)),
        "quantity": str(sums.quantity),
        "billed_quantity": str(sums.billed),
        "cost_usd": format_usd(sums.pico_usd),
        "list_usd": format_usd(sums.list_pico_usd),
        "previous_cost_usd": format_usd(previous.pico_usd),
        "price_usd": shown_usd(sums.price),
        "margin_usd": shown_usd(sums.price - Fraction(sums.pico_usd)),
    }


def _unlate(key: Key) -> Key:
    return key[:6]


def _safe(name: str, value: str) -> str:
    # Our own numbers begin with a minus where they are negative, and should be computed with.
    if name.endswith(("_usd", "quantity")) or not value.startswith(FORMULA_STARTS):
        return value
    return f"'{value}"
