"""Invoices that are one number: a total by hand, or found in a PDF's text."""

import io
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from voicegateway_controller.reconcile.errors import UnreadableFile
from voicegateway_controller.reconcile.exact import NotExact, pico_usd
from voicegateway_controller.reconcile.files.numerals import NotANumber, read_number
from voicegateway_controller.reconcile.files.sheet import FILE_BYTES_MAX
from voicegateway_controller.reconcile.files.table import document_of
from voicegateway_controller.reconcile.sources.answers import Window
from voicegateway_controller.reconcile.statement import VendorDocument, VendorLine, VendorStatement
from voicegateway_shared.money import format_usd

PAGES_MAX: Final = 200
TEXT_CHARS_MAX: Final = 2_000_000
SKU_TOTAL: Final = "invoice total"

_AMOUNT: Final = r"(?P<sign>[-−(]?)\s*(?P<currency>US\$|USD|EUR|GBP|[$€£¥])?\s*(?P<number>[-−]?[0-9][0-9.,' ]*)\)?"
_TAIL: Final = r"\s*(?P<after>USD|EUR|GBP|[€£¥])?"
_NAMED: Final = r"(?:\s*\((?P<named>USD|EUR|GBP|US\$|\$)\)|\s+in\s+(?P<in>USD|EUR|GBP))?\s*:?\s*"
_TOTALS: Final = re.compile(
    r"(?P<label>grand total|invoice total|total amount due|total amount|total due|amount due|balance due|total)"
    + f"{_NAMED}(?:{_AMOUNT}{_TAIL})?",
    re.IGNORECASE,
)
_TAXES: Final = re.compile(
    r"(?P<label>(?:sales tax|tax|vat|gst)(?:\s*\(?[0-9.,]+\s?%\)?)?)" + f"{_NAMED}(?:{_AMOUNT}{_TAIL})?", re.IGNORECASE
)
_ALONE: Final = re.compile(_AMOUNT + _TAIL)
_DUE: Final = ("total amount due", "total due", "amount due", "balance due")


def manual_total(
    *, provider: str, month: date, now: datetime, total: str, tax: str | None = None, note: str = "stated by hand"
) -> VendorStatement:
    """Return a statement of a total with its tax, both in US dollars. Raises UnreadableFile."""
    body = f"total: {total}\ntax: {tax or '0'}\n".encode()
    return _statement(
        provider,
        Window(month),
        total=_dollars("--total", total),
        tax=_dollars("--tax", tax) if tax is not None else None,
        document=document_of(body, f"{provider} {month:%Y-%m}, {note}", now),
    )


def read_pdf(
    body: bytes,
    name: str,
    *,
    provider: str,
    month: date,
    now: datetime,
    total: str | None = None,
    tax: str | None = None,
) -> VendorStatement:
    """Return a statement of the total that a PDF names, or that is given because it names several or none.

    Raises:
        UnreadableFile: no total, or more than one, or no PDF; says what was found.
    """
    if total is None:
        lines = _lines(body, name)
        found = _total(lines, name)
        found_tax = _tax(lines, name) if tax is None else _dollars("--tax", tax)
    else:
        _check_pdf(body, name)
        found, found_tax = _dollars("--total", total), None if tax is None else _dollars("--tax", tax)
    return _statement(provider, Window(month), total=found, tax=found_tax, document=document_of(body, name, now))


def _statement(
    provider: str, window: Window, *, total: int, tax: int | None, document: VendorDocument
) -> VendorStatement:
    if tax is not None and abs(tax) > abs(total):
        raise UnreadableFile(f"a tax of ${format_usd(tax)} is more than the total of ${format_usd(total)}")
    line = VendorLine(provider=provider, day=None, sku=SKU_TOTAL, amount_pico_usd=total - (tax or 0))
    taxes = [VendorLine(provider=provider, day=None, sku="tax", amount_pico_usd=tax, category="tax")] if tax else []
    return VendorStatement(
        provider=provider,
        month=window.month,
        lines=(line, *taxes),
        documents=(document,),
        settled_until=window.next_month,
        grains=(),
        has_amounts=True,
        invoice_pico_usd=total,
        is_invoice=True,
        notes=("one number for the month: it is compared as a whole",),
    )


def _dollars(where: str, text: str) -> int:
    try:
        value = read_number(text)
        if value is None:
            raise NotANumber(f"{text!r} is no number")
        return pico_usd(value)
    except (NotANumber, NotExact) as error:
        raise UnreadableFile(f"{where}: {error}; write US dollars, such as 123.45") from error


def _check_pdf(body: bytes, name: str) -> None:
    if len(body) > FILE_BYTES_MAX:
        raise UnreadableFile(f"{name} has {len(body) >> 20} MiB; at most {FILE_BYTES_MAX >> 20} are read")
    if not body.lstrip()[:5] == b"%PDF-":
        raise UnreadableFile(f"{name} is no PDF")


def _lines(body: bytes, name: str) -> list[str]:
    """The lines of a PDF's text, in its order."""
    _check_pdf(body, name)
    # Half a second of imports that no other command needs.
    from pypdf import PdfReader

    texts: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(body))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableFile(f"{name} needs a password: say its total, --total 123.45 --tax 1.20")
        for page in reader.pages[:PAGES_MAX]:
            texts.append(page.extract_text())
            if sum(map(len, texts)) > TEXT_CHARS_MAX:
                raise UnreadableFile(f"{name} has more than {TEXT_CHARS_MAX} characters of text")
    except UnreadableFile:
        raise
    # pypdf lets through whatever its parsers raise at a file that somebody broke.
    except Exception as error:
        raise UnreadableFile(f"{name} is a broken PDF: {type(error).__name__}: {error}") from error
    lines = [" ".join(line.split()) for text in texts for line in text.splitlines()]
    return [line for line in lines if line]


def _total(lines: Sequence[str], name: str) -> int:
    found = _labelled(_TOTALS, lines, name)
    # What is due may be nothing, where it is paid already; what was charged is the total.
    charged = {amount for label, amount in found if label not in _DUE} or {amount for _, amount in found if amount}
    if len(charged) == 1:
        return charged.pop()
    told = ", ".join(f"{label} ${format_usd(amount)}" for label, amount in found) or "none"
    raise UnreadableFile(f"{name} names no single total (found: {told}): say it, --total 123.45 --tax 1.20")


def _tax(lines: Sequence[str], name: str) -> int | None:
    found = {amount for _, amount in _labelled(_TAXES, lines, name) if amount}
    if len(found) > 1:
        told = ", ".join(f"${format_usd(amount)}" for amount in sorted(found))
        raise UnreadableFile(f"{name} names several taxes ({told}): say their sum, --total 123.45 --tax 1.20")
    return found.pop() if found else None


def _labelled(pattern: re.Pattern[str], lines: Sequence[str], name: str) -> list[tuple[str, int]]:
    """Amounts behind a label, on its line or alone on the next."""
    found = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        match = pattern.fullmatch(line)
        if match is None:
            continue
        amount = match if match["number"] else _ALONE.fullmatch(after)
        if amount is not None:
            currency = (match["named"] or match["in"] or amount["currency"] or amount["after"] or "USD").upper()
            found.append((match["label"].lower(), _amount(amount, currency, name)))
    return found


def _amount(match: re.Match[str], currency: str, name: str) -> int:
    if currency not in ("USD", "US$", "$"):
        raise UnreadableFile(f"{name} is in {currency}: say its total in US dollars, --total 123.45 --tax 1.20")
    text = match["number"].strip()
    # An invoice's amounts have two decimals: that tells a decimal comma from one of thousands.
    decimal = "," if re.search(r",[0-9]{2}$", text) else "."
    try:
        value = read_number(text, decimal=decimal)
    except NotANumber as error:
        raise UnreadableFile(f"{name}: {error}: say its total, --total 123.45 --tax 1.20") from error
    pico = pico_usd(value if value is not None else Decimal(0))
    return -pico if match["sign"] and pico > 0 else pico
