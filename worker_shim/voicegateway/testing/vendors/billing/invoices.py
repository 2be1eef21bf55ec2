"""Invoices of vendors that have no billing API, as CSV, XLSX and PDF files.

No vendor publishes the columns of its exports: both layouts of each vendor are made up, plausible, and unlike each
other in their names, their order, their dates and the way they write amounts.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, Literal

import msgspec

from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.credentials import credential
from voicegateway_shared.money import PICO_PER_USD, divide_half_even, format_usd

Layout = Literal["a", "b"]
_CENT: Final = PICO_PER_USD // 100
_UNITS: Final[Mapping[str, tuple[str, int]]] = {
    "session_ms": ("seconds", 1000),
    "socket_open_ms": ("seconds", 1000),
    "audio_sent_ms": ("seconds", 1000),
    "participant_ms": ("minutes", 60_000),
    "characters_sent": ("characters", 1),
}
"""By meter: the unit of invoices, and how many base units it has; anything else is tokens."""
_KINDS: Final = {
    "input_tokens": "input",
    "cache_read_tokens": "cached input",
    "output_tokens": "output",
    "session_ms": "streaming session",
    "socket_open_ms": "streaming session",
    "audio_sent_ms": "audio",
    "characters_sent": "characters",
    "participant_ms": "minutes",
}
INVOICE_LAYOUTS: Final[Mapping[str, Mapping[Layout, Mapping[str, str]]]] = {
    "assemblyai": {
        "a": {"Date": "iso", "Project": "account", "API Key": "key", "Model": "product", "Usage Type": "kind",
              "Unit": "unit", "Quantity": "quantity", "Cost (USD)": "amount"},
        "b": {"usage_date": "us", "product": "product", "api_key_name": "key", "quantity": "quantity",
              "quantity_unit": "unit", "total": "dollars", "currency": "currency"},
    },
    "groq": {
        "a": {"date": "iso", "model": "product", "type": "kind", "unit": "unit", "units": "quantity",
              "api_key": "key", "cost_usd": "amount"},
        "b": {"Day": "us", "Project": "account", "Key": "key", "Service": "product", "Metric": "kind",
              "Consumed": "thousands", "Metric Unit": "unit", "Charge": "dollars"},
    },
    "livekit": {
        "a": {"Period Start": "iso", "Project": "account", "Resource": "product", "Quantity": "quantity",
              "Unit": "unit", "Amount": "amount", "Currency": "currency"},
        "b": {"resource": "product", "billable_minutes": "quantity", "charge": "dollars", "usage_day": "us",
              "project_name": "account"},
    },
    "twilio": {
        "a": {"Start Date": "iso", "Account": "account", "Category": "product", "Count": "count", "Usage": "quantity",
              "Usage Unit": "unit", "Price": "amount", "Price Unit": "currency"},
        "b": {"Date (UTC)": "us", "Description": "product", "Calls": "count", "Minutes": "quantity",
              "Cost": "dollars", "Sub-account": "account"},
    },
}  # fmt: skip
"""By vendor and layout: the header of each column, and which of a line's words is in it."""
DEFAULT_LAYOUTS: Final = INVOICE_LAYOUTS["assemblyai"]
"""What an export of any other vendor looks like."""


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one product, as an invoice tells it."""

    day: date
    product: str
    kind: str
    unit: str
    quantity: str
    count: int
    """Requests or calls."""
    account: str
    key: str
    pico_usd: int
    category: str


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """A month's invoice: its lines are exact, its totals are in whole cents."""

    vendor: str
    number: str
    month: date
    lines: tuple[InvoiceLine, ...]

    @property
    def subtotal_pico_usd(self) -> int:
        """All but tax, in whole cents."""
        return _to_cents(sum(line.pico_usd for line in self.lines if line.category != "tax"))

    @property
    def tax_pico_usd(self) -> int:
        """Tax, in whole cents."""
        return _to_cents(sum(line.pico_usd for line in self.lines if line.category == "tax"))

    @property
    def total_pico_usd(self) -> int:
        """What is to be paid."""
        return self.subtotal_pico_usd + self.tax_pico_usd


def make_invoice(vendor: str, month: date, charges: Iterable[Charge], *, rounds_to_cents: bool = False) -> Invoice:
    """Return the invoice of a month's charges: a line for each day, account, key, product and meter."""
    groups: dict[tuple[date, str, str, str, str, str, int], list[tuple[Charge, ChargedMeter]]] = {}
    for charge in charges:
        for meter in charge.meters:
            key = (
                charge.at.date(),
                charge.sku or charge.model,
                meter.meter,
                charge.account,
                charge.key,
                charge.category,
                charge.copy,
            )
            groups.setdefault(key, []).append((charge, meter))
    lines = []
    for (day, product, name, account, key_fact, category, _), group in sorted(groups.items(), key=lambda item: item[0]):
        unit, size = _UNITS.get(name, ("tokens", 1)) if name else ("", 1)
        pico = sum(meter.pico_usd for _, meter in group)
        lines.append(
            InvoiceLine(
                day=day,
                product=product,
                kind=_KINDS.get(name, name or category),
                unit=unit,
                quantity=_decimal(sum(meter.quantity for _, meter in group), size) if name else "",
                count=len({charge.request_id for charge, _ in group}),
                account=account,
                key=credential(vendor, key_fact),
                pico_usd=_to_cents(pico) if rounds_to_cents else pico,
                category=category,
            )
        )
    number = f"INV-{vendor[:3].upper()}-{month:%Y%m}"
    return Invoice(vendor=vendor, number=number, month=month.replace(day=1), lines=tuple(lines))


def invoice_csv(invoice: Invoice, *, layout: Layout = "a") -> bytes:
    """Return the invoice as CSV; layout `b` has a byte order mark and semicolons where amounts have commas."""
    rows = _rows(invoice, layout)
    text = io.StringIO()
    csv.writer(text, delimiter="," if layout == "a" else ";", lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8" if layout == "a" else "utf-8-sig")


def invoice_xlsx(invoice: Invoice, *, layout: Layout = "a") -> bytes:
    """Return the invoice as a spreadsheet; in layout `b` three rows about the invoice stand before the header.

    Raises:
        ImportError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise ImportError("invoices as XLSX need openpyxl: pip install 'voicegateway[controller]'") from error
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Usage"
    if layout == "b":
        sheet.append([f"Invoice {invoice.number}"])
        sheet.append([f"Billing period {invoice.month:%B %Y}"])
        sheet.append([])
    for row in _rows(invoice, layout):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def invoice_pdf(invoice: Invoice) -> bytes:
    """Return the invoice as a PDF of one page whose text says the subtotal, the tax and the total.

    Raises:
        ImportError: fpdf2 is not installed.
    """
    try:
        from fpdf import FPDF
        from fpdf.enums import XPos, YPos
    except ImportError as error:
        raise ImportError("invoices as PDF need fpdf2: pip install fpdf2") from error
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=11)
    products: dict[str, int] = {}
    for line in invoice.lines:
        if line.category != "tax":
            products[line.product] = products.get(line.product, 0) + line.pico_usd
    texts = [
        f"{invoice.vendor.title()} Inc. (simulated)",
        f"Invoice number: {invoice.number}",
        f"Billing period: {invoice.month:%B %Y}",
        "",
        *(f"{product}: {_money(pico)}" for product, pico in products.items()),
        "",
        f"Subtotal: {_money(invoice.subtotal_pico_usd)}",
        f"Tax: {_money(invoice.tax_pico_usd)}",
        f"Total due: {_money(invoice.total_pico_usd)}",
    ]
    for text in texts:
        page.cell(0, 8, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(page.output())


def _rows(invoice: Invoice, layout: Layout) -> list[list[str]]:
    columns = INVOICE_LAYOUTS.get(invoice.vendor, DEFAULT_LAYOUTS)[layout]
    return [list(columns), *([_words(line)[word] for word in columns.values()] for line in invoice.lines)]


def _words(line: InvoiceLine) -> dict[str, str]:
    return {
        "iso": line.day.isoformat(),
        "us": f"{line.day:%m/%d/%Y}",
        "product": line.product,
        "kind": line.kind,
        "unit": line.unit,
        "quantity": line.quantity,
        "thousands": _with_commas(line.quantity),
        "count": str(line.count),
        "account": line.account or "default",
        "key": line.key,
        "amount": format_usd(line.pico_usd),
        "dollars": _signed_dollars(line.pico_usd),
        "currency": "USD",
    }


def _signed_dollars(pico_usd: int) -> str:
    """Return `$1,234.5006`, and for a credit `-$5`: exact, as people write it."""
    return ("-" if pico_usd < 0 else "") + "$" + _with_commas(format_usd(abs(pico_usd)))


def _money(pico_usd: int) -> str:
    """Return `$1,234.50`, in whole cents."""
    cents = abs(_to_cents(pico_usd)) // _CENT
    return ("-" if pico_usd < 0 else "") + f"${cents // 100:,}.{cents % 100:02d}"


def _with_commas(number: str) -> str:
    whole, point, part = number.partition(".")
    return f"{int(whole):,}{point}{part}" if whole else ""


def _decimal(quantity: int, size: int) -> str:
    """Return a number of base units in a larger unit, exactly when three decimals are enough."""
    thousandths = divide_half_even(quantity * 1000, size)
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03d}".rstrip("0").rstrip(".")


def _to_cents(pico_usd: int) -> int:
    return divide_half_even(pico_usd, _CENT) * _CENT
