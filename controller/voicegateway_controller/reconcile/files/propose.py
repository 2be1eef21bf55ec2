"""Guess a column mapping from a file's headings, for people to read, mend and save."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec

from voicegateway_controller.reconcile.errors import UnreadableFile
from voicegateway_controller.reconcile.files.mapping import ColumnMapping, UnitRule
from voicegateway_controller.reconcile.files.numerals import NotANumber, read_number
from voicegateway_controller.reconcile.files.sheet import Cell, Numeral, Row, read_rows
from voicegateway_controller.reconcile.files.table import HEADING_ROWS_MAX
from voicegateway_controller.reconcile.sources.line_words import TOKEN_METERS

SAMPLE_ROWS: Final = 200
_FIELDS: Final[Sequence[tuple[str, str]]] = (
    ("currency", r"currency|price unit|währung"),
    ("credential", r".*(api[ _-]?key|key[ _-]?name|key[ _-]?id|token name).*|key"),
    ("kind", r"(usage |meter |token )?(type|kind|metric|meter)"),
    ("unit", r"((quantity|usage|metric|meter|billing) ?)?units?( of measure)?"),
    ("requests", r"(num(ber)?( of)? )?(requests?|calls?|count)"),
    ("amount", r"(total |net )?(cost|amount|charge|total|price|spend|betrag)s?( (in )?(usd|\$|dollars))?|usd"),
    ("date", r".*\b(date|day|timestamp|time|period start|usage day|datum)\b.*"),
    ("account", r".*\b(project|workspace|account|organi[sz]ation|team|sub ?account)\b.*"),
    ("model", r".*\b(model|resource|service|product)\b.*"),
    ("sku", r".*\b(line item|sku|description|item|category)\b.*"),
    ("quantity", r".*\b(quantity|usage|units?|consumed|hours|minutes|seconds|tokens|characters|billable)\b.*"),
)
"""A mapping's field and the headings that it may have; the first field that fits a heading has it."""
_NUMBERS: Final = frozenset({"requests", "amount", "quantity"})
_WORDS: Final = frozenset({"unit", "kind", "currency"})
"""What is never a number; ids of projects and keys may be."""
_UNITS: Final = {
    "hours": ("audio_sent_ms", "3600000"),
    "hour": ("audio_sent_ms", "3600000"),
    "minutes": ("participant_ms", "60000"),
    "minute": ("participant_ms", "60000"),
    "min": ("participant_ms", "60000"),
    "seconds": ("audio_sent_ms", "1000"),
    "second": ("audio_sent_ms", "1000"),
    "characters": ("characters_sent", "1"),
    "tokens": ("", "1"),
    "1k tokens": ("", "1000"),
    "1m tokens": ("", "1000000"),
    "requests": ("requests", "1"),
}
_DATES: Final = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%Y-%m-%d %H:%M")


def propose(body: bytes, name: str, *, provider: str, encoding: str = "utf-8") -> ColumnMapping:
    """Return what a file's columns seem to be. People must confirm it: headings lie. Raises UnreadableFile."""
    rows = list(islice(read_rows(body, name, encoding=encoding), SAMPLE_ROWS))
    headings, sample = _headings(rows)
    fields: dict[str, str] = {}
    for heading in headings:
        plain = " ".join(re.split(r"[\s_()-]+", heading.lower())).strip()
        is_number = _are_numbers(_cells(headings, sample, heading))
        for field, pattern in _FIELDS:
            fits = is_number if field in _NUMBERS else not (is_number and field in _WORDS)
            if field not in fields and fits and re.fullmatch(pattern, plain):
                fields[field] = heading
                break
    if "amount" not in fields and "quantity" not in fields:
        raise UnreadableFile(
            f"{name}: no heading looks like an amount or a quantity; there are {', '.join(map(repr, headings))}. "
            "Write a mapping by hand"
        )
    columns = {field: _cells(headings, sample, heading) for field, heading in fields.items()}
    more: dict[str, Any] = {"units": _units(columns, fields.get("quantity", "")), "meters": _meters(columns)}
    more["decimal"] = "," if _has_decimal_comma(columns.get("amount", columns.get("quantity", []))) else "."
    more["date_format"] = _date_format(columns.get("date", []))
    if encoding != "utf-8":
        more["encoding"] = encoding
    if "sku" in fields:
        # Where no column is called a model, the line item is the nearest to one.
        fields.setdefault("model", fields["sku"])
    if not more["units"]:
        fields.pop("quantity", None)
    return msgspec.convert({"name": provider, "provider": provider, **fields, **more}, ColumnMapping)


def _headings(rows: Sequence[Row]) -> tuple[list[str], Sequence[Sequence[Cell]]]:
    """The first of the fullest rows among those at the top, and what follows it."""
    top = rows[:HEADING_ROWS_MAX]
    widths = [sum(isinstance(cell, str) and bool(cell) for cell in cells) for _, cells in top]
    if not widths:
        return [], []
    at = widths.index(max(widths))
    return [str(cell) for cell in top[at][1] if cell], [cells for _, cells in rows[at + 1 :]]


def _cells(headings: Sequence[str], sample: Sequence[Sequence[Cell]], heading: str) -> list[Cell]:
    index = headings.index(heading)
    return [cells[index] for cells in sample if index < len(cells) and cells[index]]


def _units(columns: dict[str, list[Cell]], quantity: str) -> dict[str, UnitRule]:
    said = {str(cell).strip().lower() for cell in columns.get("unit", [])}
    if said:
        known = {word: _UNITS[word] for word in sorted(said) if word in _UNITS}
        return {word: UnitRule(meter=meter, factor=factor) for word, (meter, factor) in known.items()}
    for word in re.split(r"[\s_()-]+", quantity.lower()):
        if word in _UNITS:
            meter, factor = _UNITS[word]
            return {"*": UnitRule(meter=meter, factor=factor)}
    return {}


def _meters(columns: dict[str, list[Cell]]) -> dict[str, str]:
    said = {str(cell).strip().lower() for cell in columns.get("kind", [])}
    known = {word: TOKEN_METERS.get(" ".join(re.split(r"[\s_-]+", word)), "") for word in sorted(said)}
    return {word: meter for word, meter in known.items() if meter}


def _are_numbers(cells: Sequence[Cell]) -> bool:
    texts = [str(cell) for cell in cells if isinstance(cell, str)]
    return bool(texts) and len(texts) == len(cells) and (_all_read(texts, ".") or _all_read(texts, ","))


def _has_decimal_comma(cells: Sequence[Cell]) -> bool:
    """Say whether numbers only make sense with a decimal comma."""
    texts = [str(cell) for cell in cells if not isinstance(cell, Numeral)]
    return bool(texts) and not _all_read(texts, ".") and _all_read(texts, ",")


def _all_read(texts: Sequence[str], decimal: str) -> bool:
    try:
        for text in texts:
            read_number(text, decimal=decimal)
    except NotANumber:
        return False
    return True


def _date_format(cells: Sequence[Cell]) -> str:
    texts = [str(cell) for cell in cells if isinstance(cell, str)]
    if not texts or all(re.match(r"\d{4}-\d{2}-\d{2}", text) for text in texts):
        return "iso"
    if all(re.fullmatch(r"\d{4}-\d{2}", text) for text in texts):
        return "month"
    for form in _DATES:
        if all(_is_date(text, form) for text in texts):
            return form
    return "iso"


def _is_date(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True
