"""Invoices as files: two layouts a vendor, and all of them say the same money."""

import csv
import io
import sys
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest
from tests.fixtures.month import MonthPlan, make_month

from voicegateway.testing.vendors.billing import (
    INVOICE_LAYOUTS,
    BillingFaults,
    BillingSimulators,
    Invoice,
    invoice_csv,
    invoice_pdf,
    invoice_xlsx,
)
from voicegateway.testing.vendors.billing.simulators import WITHOUT_API
from voicegateway_shared.money import parse_usd

OCTOBER = date(2026, 10, 1)
AMOUNTS = {"Cost (USD)", "total", "cost_usd", "Charge", "Amount", "charge", "Price", "Cost"}


@pytest.fixture(scope="module")
def sims(tmp_path_factory: pytest.TempPathFactory) -> BillingSimulators:
    """A month with legs, a credit and a tax."""
    directory = tmp_path_factory.mktemp("truth")
    make_month(MonthPlan(requests=200, calls=12, vendors=("assemblyai", "groq"))).write_truth(directory)
    return BillingSimulators(truth_dir=directory, faults=BillingFaults(credit_usd="0.01", tax_percent="8.1"))


def _rows(text: str, layout: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="," if layout == "a" else ";"))


def _sum(rows: list[dict[str, str]]) -> int:
    (name,) = AMOUNTS & set(rows[0])
    return sum(parse_usd(row[name].replace("$", "").replace(",", "")) for row in rows)


@pytest.mark.parametrize("layout", ["a", "b"])
@pytest.mark.parametrize("vendor", WITHOUT_API)
def test_a_csv_and_a_spreadsheet_add_up_to_what_is_charged(sims: BillingSimulators, vendor: str, layout: Any) -> None:
    invoice = sims.invoice(vendor, OCTOBER)

    rows = _rows(invoice_csv(invoice, layout=layout).decode("utf-8-sig"), layout)
    sheet: Any = openpyxl.load_workbook(io.BytesIO(invoice_xlsx(invoice, layout=layout))).active
    cells = [list(row) for row in sheet.iter_rows(values_only=True)]
    header = cells.index(list(INVOICE_LAYOUTS[vendor][layout]))

    assert header == (0 if layout == "a" else 3)
    assert _sum(rows) == sims.total_pico_usd(vendor, OCTOBER) > 0
    assert [[cell or "" for cell in row] for row in cells[header + 1 :]] == [list(row.values()) for row in rows]


@pytest.mark.parametrize("vendor", WITHOUT_API)
def test_the_two_layouts_of_a_vendor_share_no_order_of_columns(vendor: str) -> None:
    a, b = (list(INVOICE_LAYOUTS[vendor][layout].values()) for layout in ("a", "b"))

    assert a != b
    assert not set(INVOICE_LAYOUTS[vendor]["a"]) & set(INVOICE_LAYOUTS[vendor]["b"])


@pytest.mark.parametrize("vendor", WITHOUT_API)
def test_a_pdf_says_its_total_in_whole_cents(sims: BillingSimulators, vendor: str) -> None:
    invoice = sims.invoice(vendor, OCTOBER)

    text = pypdf.PdfReader(io.BytesIO(invoice_pdf(invoice))).pages[0].extract_text()

    total = invoice.total_pico_usd
    assert f"Total due: ${total // 10**12:,}.{total // 10**10 % 100:02d}" in text
    assert total == invoice.subtotal_pico_usd + invoice.tax_pico_usd
    assert total % 10**10 == 0
    assert abs(total - sims.total_pico_usd(vendor, OCTOBER)) <= 10**10


def test_legs_are_rounded_up_one_by_one(sims: BillingSimulators) -> None:
    lines = [line for line in sims.invoice("livekit", OCTOBER).lines if line.product == "agent-session"]

    minutes = sum(int(line.quantity) for line in lines)
    assert sum(line.pico_usd for line in lines) == minutes * parse_usd("0.01")
    assert sum(line.count for line in lines) == 12


def test_without_the_libraries_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = Invoice(vendor="groq", number="1", month=OCTOBER, lines=())
    for name in ("fpdf", "openpyxl"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ImportError, match="pip install fpdf2"):
        invoice_pdf(invoice)
    with pytest.raises(ImportError, match="openpyxl"):
        invoice_xlsx(invoice)


def test_an_export_of_nothing_has_its_header(tmp_path: Path) -> None:
    invoice = BillingSimulators(truth_dir=tmp_path).invoice("groq", OCTOBER)

    assert invoice_csv(invoice).decode() == "date,model,type,unit,units,api_key,cost_usd\r\n"
