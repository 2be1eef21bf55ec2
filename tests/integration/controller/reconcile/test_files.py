"""Invoices as files: exports by a mapping, proposals, totals of PDFs; and files that somebody broke."""

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from openpyxl import Workbook, load_workbook
from pypdf import PdfReader, PdfWriter
from tests.fixtures.month import MonthPlan, make_month

from voicegateway.testing.vendors.billing import (
    BillingFaults,
    BillingSimulators,
    Invoice,
    invoice_csv,
    invoice_pdf,
    invoice_xlsx,
)
from voicegateway_controller.reconcile import files
from voicegateway_controller.reconcile.errors import UnreadableFile
from voicegateway_controller.reconcile.files import sheet
from voicegateway_controller.reconcile.statement import VendorStatement
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.usage import METERS

MONTH = date(2026, 10, 1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VENDORS = ("assemblyai", "groq", "livekit", "twilio")


@pytest.fixture(scope="module")
def invoices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Invoice]:
    folder = tmp_path_factory.mktemp("truth")
    make_month(MonthPlan(requests=240, seed=7, first=MONTH, calls=8)).write_truth(folder)
    faults = BillingFaults(credit_usd="0.0001", tax_percent="19")
    sims = BillingSimulators(truth_dir=folder, now=NOW, faults=faults)
    return {vendor: sims.invoice(vendor, MONTH) for vendor in VENDORS}


def bill_of(statement: VendorStatement) -> int:
    return sum(line.amount_pico_usd or 0 for line in statement.lines)


def read(text: str | bytes, mapping: str, name: str = "export.csv") -> VendorStatement:
    body = text.encode() if isinstance(text, str) else text
    return files.read_table(body, name, files.parse_mapping(mapping), month=MONTH, now=NOW)


def workbook(rows: list[list[Any]], title: str = "Usage") -> bytes:
    book = Workbook()
    page: Any = book.active
    page.title = title
    for row in rows:
        page.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def pdf(*lines: str) -> bytes:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=11)
    for line in lines:
        page.cell(0, 8, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(page.output())


SIMPLE = "name: mine\nprovider: groq\ndate: Day\nmodel: Model\namount: Cost\n"


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("write", [invoice_csv, invoice_xlsx])
def test_a_built_in_mapping_reads_every_cent_and_what_is_no_use(
    vendor: str, write: Any, invoices: dict[str, Invoice]
) -> None:
    invoice = invoices[vendor]

    statement = files.read_table(write(invoice), "x", files.builtin()[vendor], month=MONTH, now=NOW)

    assert bill_of(statement) == sum(line.pico_usd for line in invoice.lines)
    assert {line.category for line in statement.lines} == {line.category for line in invoice.lines}
    assert len(statement.lines) == len(invoice.lines) > 2
    used = [line for line in statement.lines if line.category == "usage"]
    assert all(line.meter in METERS and line.quantity is not None for line in used)
    assert statement.settled_until == date(2026, 11, 1)
    assert statement.notes == ()


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("layout", ["a", "b"])
@pytest.mark.parametrize("write", [invoice_csv, invoice_xlsx])
def test_a_proposed_mapping_reads_every_cent(
    vendor: str, layout: Any, write: Any, invoices: dict[str, Invoice]
) -> None:
    invoice = invoices[vendor]
    body = write(invoice, layout=layout)

    mapping = files.propose(body, "x", provider=vendor)
    again = files.parse_mapping(files.mapping_yaml(mapping))
    statement = files.read_table(body, "x", again, month=MONTH, now=NOW)

    assert again == mapping
    assert bill_of(statement) == sum(line.pico_usd for line in invoice.lines)
    assert {line.day for line in statement.lines} == {line.day for line in invoice.lines}
    assert {"day", "model"} <= set(statement.grains)


def test_rows_of_other_months_are_left_out_and_told() -> None:
    statement = read("Day,Model,Cost\n2026-09-30,a,5\n2026-10-01,a,1.5\n2026-10-31,b,2\n2026-11-01,a,5\n", SIMPLE)

    assert [(line.day, line.model, line.sku, line.amount_pico_usd) for line in statement.lines] == [
        (date(2026, 10, 1), "a", "a", 1_500_000_000_000),
        (date(2026, 10, 31), "b", "b", 2_000_000_000_000),
    ]
    assert statement.notes == ("2 rows, $10, are of other months and were left out",)
    assert statement.invoice_pico_usd is None


@pytest.mark.parametrize(
    ("total", "said", "remark"),
    [
        ("8.5", "8.5", "its total row is of all months: of this one are $3.5"),
        ("3.5", "3.5", ""),
        ("9", "9", "its total row does not say the sum of its rows, which is $3.5"),
    ],
)
def test_a_total_row_of_other_months_too_is_told(total: str, said: str, remark: str) -> None:
    rows = "Day,Model,Cost\n2026-09-30,a,5\n2026-10-01,a,1.5\n2026-10-31,b,2\n"

    statement = read(f"{rows}Subtotal,,1\nTotal,,{total}\n", SIMPLE)

    assert bill_of(statement) == 3_500_000_000_000
    assert statement.notes == ("1 rows, $5, are of other months and were left out", *filter(None, [remark]))
    assert statement.invoice_pico_usd == int(Decimal(said).scaleb(12))


def test_a_total_row_is_compared_and_not_counted() -> None:
    fits = read("Day,Model,Cost\n2026-10-01,a,1\n2026-10-02,a,2\nTotal,,3\n", SIMPLE)
    lies = read("Day,Model,Cost\n2026-10-01,a,1\n2026-10-02,a,2\nTotal,,4\n", SIMPLE)

    assert bill_of(fits) == bill_of(lies) == 3 * 10**12
    assert fits.notes == ()
    assert lies.notes == ("its total row does not say the sum of its rows, which is $3",)


@pytest.mark.parametrize(
    ("costs", "total", "said"),
    [
        (["1.004", "2.0034"], "3.01,", "3.0074"),
        (["1.004", "2.0034"], "3.02,", "3.02"),
        (["10,EUR", "20,EUR"], "30,", "33"),
        (["10,EUR", "20,EUR"], "30,EUR", "33"),
        (["10,EUR", "20,EUR"], "31,", "34.1"),
        # Of two currencies nobody knows which one the total is in.
        (["10,EUR", "20,USD"], "30,", None),
    ],
)
def test_a_total_is_rounded_and_in_the_currency_of_its_rows(costs: list[str], total: str, said: str | None) -> None:
    rows = "".join(f"2026-10-01,a,{cost if ',' in cost else cost + ','}\n" for cost in costs)

    statement = read(
        f"Day,Model,Cost,Currency\n{rows}Total,,{total}\n", SIMPLE + "currency: Currency\nrates: {EUR: '1.1'}\n"
    )

    assert statement.invoice_pico_usd == (None if said is None else int(Decimal(said).scaleb(12)))


def test_equal_rows_are_all_counted() -> None:
    statement = read("Day,Model,Cost\n2026-10-01,a,1\n2026-10-01,a,1\n", SIMPLE)

    assert bill_of(statement) == 2 * 10**12


def test_the_same_file_is_the_same_document() -> None:
    one, two = (read("Day,Model,Cost\n2026-10-01,a,1\n", SIMPLE).documents[0] for _ in range(2))

    assert one.sha256 == two.sha256


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Day,Cost\n2026-10-01,1\n", "no column 'Model' within its first 50 rows; the nearest row has 'day', 'cost'"),
        ("Day,Model,Cost\n", "has headings and no rows"),
        ("Day,Model,Cost\n2026-09-01,a,1\n", "none of its 1 rows is of 2026-10"),
        ("Day,Model,Cost\n2026-10-01,a,1\n2026-10-02,a,oops\n", "row 3, column 'Cost': 'oops' is no number"),
        ("Day,Model,Cost\n10/02/2026,a,1\n", "row 2, column 'Day': '10/02/2026' is no date of the form 'iso'"),
        ("Day,Model,Cost\n,a,1\n", "row 2, column 'Day': no date"),
        ("Day,Model,Cost\n2026-10-01,a,€1.00\n", 'row 2: the amount is in EUR; say .* `rates: {EUR: "1.08"}`'),
        ("Day,Model,Cost\n2026-10-01,a,1e15\n", "row 2: an amount of more than a trillion dollars"),
        ("Day,Model,Cost\n2026-10-01," + "x" * 3000 + ",1\n", "row 2, column 2: more than 2000 characters"),
        (b"Day,Model,Cost\n2026-10-01,\xe4,1\n", "is not in utf-8-sig .*cp1252"),
        (b"\xd0\xcf\x11\xe0rest", "workbook of the old kind"),
        (b"%PDF-1.7", "is a PDF, which has no columns"),
        (b"PK\x03\x04rest", "broken workbook"),
        (b"", "no column 'Day'"),
        ('Day,Model,Cost\n2026-10-01,"a,1\n' + "x" * 140_000, "field larger than field limit|more than 2000"),
    ],
)
def test_errors_name_row_and_column(text: str | bytes, what: str) -> None:
    with pytest.raises(UnreadableFile, match=what):
        read(text, SIMPLE)


@pytest.mark.parametrize("heads", [["Day", "Model", "Cost", "cost "], ["Cost", "Day", "Model", "Cost"]])
def test_two_columns_of_one_heading_are_refused_where_the_mapping_reads_it(heads: list[str]) -> None:
    row = [{"Day": "2026-10-01", "Model": "a"}.get(head, "1") for head in heads]
    places = [str(n) for n, head in enumerate(heads, start=1) if head.strip().lower() == "cost"]

    for body in (",".join(heads) + "\n" + ",".join(row) + "\n", workbook([list(heads), list(row)])):
        with pytest.raises(UnreadableFile, match=f"column {' and column '.join(places)} are both called 'Cost'"):
            read(body, SIMPLE)


def test_two_columns_of_a_heading_that_nobody_reads_are_let_be() -> None:
    statement = read("Day,Note,Model,Note,Cost\n2026-10-01,x,a,y,1\n", SIMPLE)

    assert bill_of(statement) == 10**12


def test_encodings_separators_and_commas() -> None:
    mapping = SIMPLE + "encoding: cp1252\ndecimal: ','\ndate_format: '%d.%m.%Y'\n"
    plain = 'Day;Model;Cost\n01.10.2026;Größe;"1.234,56 $"\n'

    for body in (plain.encode("cp1252"), plain.encode("utf-16"), plain.encode("utf-8-sig")):
        [line] = read(body, mapping).lines
        assert (line.model, line.amount_pico_usd) == ("Größe", 1_234_560_000_000_000)


def test_another_currency_is_read_at_the_invoices_rate() -> None:
    mapping = SIMPLE + 'currency: Currency\nrates: {EUR: "1.0842"}\n'

    statement = read("Day,Model,Cost,Currency\n2026-10-01,a,10,eur\n2026-10-01,b,(2.50),USD\n", mapping)

    assert [line.amount_pico_usd for line in statement.lines] == [10_842_000_000_000, -2_500_000_000_000]


@pytest.mark.parametrize("row", ["€5.00,USD", "$5.00 EUR,", "USD 5.00 £,USD", "5.00 GBP,eur"])
def test_an_amount_in_two_currencies_is_refused(row: str) -> None:
    mapping = SIMPLE + 'currency: Currency\nrates: {EUR: "1.0842", GBP: "1.25"}\n'

    with pytest.raises(UnreadableFile, match=r"row 2, column 'Cost'.*one currency"):
        read(f"Day,Model,Cost,Currency\n2026-10-01,a,{row}\n", mapping)


def test_a_sign_that_currencies_share_means_the_one_that_is_named() -> None:
    mapping = SIMPLE + 'currency: Currency\nrates: {CAD: "0.7"}\n'

    [line] = read("Day,Model,Cost,Currency\n2026-10-01,a,$5.00,CAD\n", mapping).lines

    assert line.amount_pico_usd == 3_500_000_000_000


def test_instants_are_of_their_day_in_utc_and_days_stay() -> None:
    mapping = SIMPLE + "zone: America/New_York\n"
    rows = "Day,Model,Cost\n2026-10-31T21:00:00,late,1\n2026-10-31T19:00:00,a,1\n2026-10-31,b,1\n"
    rows += "2026-09-30T20:00:00-04:00,c,1\n"

    statement = read(rows, mapping)

    assert {line.model: line.day for line in statement.lines} == {
        "a": date(2026, 10, 31),
        "b": date(2026, 10, 31),
        "c": date(2026, 10, 1),
    }


def test_a_monthly_export_has_no_days() -> None:
    statement = read("Day,Model,Cost\n2026-10,a,1\n2026-11,a,9\n", SIMPLE + "date_format: month\n")

    assert [(line.day, line.amount_pico_usd) for line in statement.lines] == [(None, 10**12)]
    assert "day" not in statement.grains


def test_units_become_meters_and_unknown_ones_are_told() -> None:
    mapping = SIMPLE + (
        "quantity: Q\nunit: U\nkind: K\nmeters: {cached: cache_read_tokens}\n"
        "units: {hours: {meter: audio_sent_ms, factor: '3600000'}, "
        "1m tokens: {meter: input_tokens, factor: '1000000'}}\n"
    )
    rows = "Day,Model,Cost,Q,U,K\n2026-10-01,a,1,0.5,Hours,\n"
    rows += "2026-10-01,b,1,1.25,1M tokens,cached\n2026-10-01,c,1,7,parsec,\n"

    statement = read(rows, mapping)

    assert [(line.meter, line.quantity) for line in statement.lines] == [
        ("audio_sent_ms", 1_800_000),
        ("cache_read_tokens", 1_250_000),
        ("", None),
    ]
    assert statement.notes == ("the unit 'parsec' of 1 rows is not in the mapping: their quantities are not compared",)


def test_words_and_skipped_rows() -> None:
    mapping = SIMPLE + "category: Kind\nwords: {credit: [goodwill], tax: [mwst]}\nskip: {State: [void]}\n"
    rows = "Day,Model,Cost,Kind,State\n2026-10-01,a,1,usage,ok\n2026-10-01,a,9,usage,VOID\n"
    rows += "2026-10-31,,-1,Goodwill,\n,,0.19,MwSt,\n"

    statement = read(rows, mapping)

    assert [(line.sku, line.category, line.amount_pico_usd) for line in statement.lines] == [
        ("a", "usage", 10**12),
        ("credit", "credit", -(10**12)),
        ("tax", "tax", 190_000_000_000),
    ]


def test_a_workbooks_doubles_are_what_was_typed() -> None:
    mapping = SIMPLE + "decimal: ','\n"
    rows: list[list[Any]] = [
        ["Our account"],
        [],
        ["Day", "Model", "Cost"],
        [date(2026, 10, 1), "a", 0.1],
        [datetime(2026, 10, 2), "b", 1e-05],  # noqa: DTZ001 - workbooks know no zones
        [datetime(2026, 10, 3, 9), "c", 3],  # noqa: DTZ001 - as above
    ]

    statement = read(workbook(rows), mapping, "x.xlsx")

    assert [(line.day, line.amount_pico_usd) for line in statement.lines] == [
        (date(2026, 10, 1), 100_000_000_000),
        (date(2026, 10, 2), 10_000_000),
        (date(2026, 10, 3), 3_000_000_000_000),
    ]


@pytest.mark.parametrize("form", ["yyyy-mm-dd h:mm:ss", "[$-409]m/d/yy h:mm AM/PM", "yyyy-mm-dd", '[$-409]d "h" mmm'])
def test_midnight_in_a_workbook_is_what_the_same_text_is_in_a_csv(form: str) -> None:
    mapping = SIMPLE + "zone: Europe/Berlin\n"
    book = load_workbook(io.BytesIO(workbook([["Day", "Model", "Cost"], [datetime(2026, 10, 2), "a", 1]])))  # noqa: DTZ001 - as above
    page: Any = book.active
    page["A2"].number_format = form
    file = io.BytesIO()
    book.save(file)
    has_time = ":" in form

    [of_book] = read(file.getvalue(), mapping, "x.xlsx").lines
    [of_text] = read(f"Day,Model,Cost\n2026-10-02{' 00:00:00' if has_time else ''},a,1\n", mapping).lines

    assert of_book == of_text
    assert of_book.day == date(2026, 10, 1 if has_time else 2)


@pytest.mark.parametrize(("form", "day"), [("month", None), ("'%d.%m.%Y'", date(2026, 10, 1))])
def test_midnight_in_a_workbook_is_a_day_where_the_mapping_knows_days_only(form: str, day: date | None) -> None:
    mapping = SIMPLE + f"zone: Europe/Berlin\ndate_format: {form}\n"
    text = "2026-10-01 00:00:00" if form == "month" else "01.10.2026"

    [of_book] = read(
        workbook([["Day", "Model", "Cost"], [datetime(2026, 10, 1), "a", 1]]),  # noqa: DTZ001 - as above
        mapping,
        "x.xlsx",
    ).lines
    [of_text] = read(f"Day,Model,Cost\n{text},a,1\n", mapping).lines

    assert of_book == of_text
    assert of_book.day == day


def test_a_sheet_is_chosen_by_its_name() -> None:
    body = workbook([["Day", "Model", "Cost"], [date(2026, 10, 1), "a", 1]], title="Detail")

    assert bill_of(read(body, SIMPLE + "sheet: Detail\n")) == 10**12
    with pytest.raises(UnreadableFile, match="has no sheet 'Other': it has Detail"):
        read(body, SIMPLE + "sheet: Other\n")


def test_a_zip_bomb_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (sheet.UNPACKED_BYTES_MAX + 1))
    assert len(packed.getvalue()) < 1_000_000

    with pytest.raises(UnreadableFile, match="when unpacked"):
        read(packed.getvalue(), SIMPLE, "bomb.xlsx")


def test_an_archive_that_is_no_workbook_is_told() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "hello")

    with pytest.raises(UnreadableFile, match="broken workbook"):
        read(packed.getvalue(), SIMPLE, "x.xlsx")


def test_a_workbook_that_is_too_wide_is_told() -> None:
    with pytest.raises(UnreadableFile, match="row 2: more than 200 columns"):
        read(workbook([["Day", "Model", "Cost"], [date(2026, 10, 1), *["a"] * 250]]), SIMPLE, "x.xlsx")


def test_rows_and_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "ROWS_MAX", 3)
    with pytest.raises(UnreadableFile, match="more than 3 rows"):
        read("Day,Model,Cost\n" + "2026-10-01,a,1\n" * 3, SIMPLE)
    monkeypatch.setattr(sheet, "FILE_BYTES_MAX", 10)
    with pytest.raises(UnreadableFile, match="MiB; at most"):
        read("Day,Model,Cost\n2026-10-01,a,1\n", SIMPLE)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name: x\nprovider: y\n", "neither an amount's column nor a quantity's"),
        ("name: x\nprovider: y\namont: Cost\n", "unknown field `amont`"),
        ("name: X Y\nprovider: y\namount: Cost\n", "name"),
        (SIMPLE + "units: {hours: {meter: parsecs}}\n", "'parsecs' is no meter"),
        (SIMPLE + "units: {Hours: {meter: requests}}\n", "lower case"),
        (SIMPLE + "quantity: Q\n", "units: say what"),
        (SIMPLE + "units: {h: {meter: requests, factor: '0'}}\n", "no positive number"),
        (SIMPLE + "rates: {EUR: nan}\n", "no positive number"),
        (SIMPLE + "date_format: '%Y-%m'\n", "date_format"),
        (SIMPLE + "zone: Mars/Olympus\n", "no time zone"),
        ("{", "no valid YAML"),
        ("- a\n", "wrong"),
        ("x" * 70_000, "at most 65536 characters"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_field(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        files.parse_mapping(text)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_total_of_a_pdf_is_found_with_its_tax(vendor: str, invoices: dict[str, Invoice]) -> None:
    invoice = invoices[vendor]

    statement = files.read_pdf(invoice_pdf(invoice), "x.pdf", provider=vendor, month=MONTH, now=NOW)

    assert statement.invoice_pico_usd == invoice.total_pico_usd == bill_of(statement)
    taxes = [line.amount_pico_usd for line in statement.lines if line.category == "tax"]
    assert taxes == ([invoice.tax_pico_usd] if invoice.tax_pico_usd else [])
    assert statement.grains == ()


@pytest.mark.parametrize(
    ("lines", "total", "tax"),
    [
        (["Subtotal $100.00", "VAT (19%) $19.00", "Total $119.00", "Amount due $0.00"], 119, 19),
        (["Total", "$1,234.50"], "1234.5", None),
        (["Total excluding tax $5.00", "Total: USD 6.00"], 6, None),
        (["Total (USD): 6.00", "Amount due (USD): 6.00"], 6, None),
        (["Amount due 7.25 USD"], "7.25", None),
        (["Grand Total: $-3.00"], -3, None),
        (["Total due: $1.234,50"], "1234.5", None),
    ],
)
def test_totals_as_invoices_write_them(lines: list[str], total: object, tax: object) -> None:
    statement = files.read_pdf(pdf("Vendor Inc.", *lines), "x.pdf", provider="livekit", month=MONTH, now=NOW)

    expected = files.manual_total(
        provider="livekit", month=MONTH, now=NOW, total=str(total), tax=None if tax is None else str(tax)
    )
    assert statement.lines == expected.lines


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["Hello"], "names no single total .found: none.: say it, --total"),
        (["Total $5.00", "Total $6.00"], r"found: total \$5, total \$6"),
        (["Total: EUR 5.00"], "is in EUR: say its total in US dollars"),
        (["Total $5.00", "VAT $1.00", "Sales tax $0.50"], "names several taxes"),
    ],
)
def test_a_pdf_without_a_single_total_asks_for_it(lines: list[str], what: str) -> None:
    body = pdf(*lines)
    with pytest.raises(UnreadableFile, match=what):
        files.read_pdf(body, "x.pdf", provider="livekit", month=MONTH, now=NOW)

    statement = files.read_pdf(body, "x.pdf", provider="livekit", month=MONTH, now=NOW, total="5", tax="1.5")
    assert [line.amount_pico_usd for line in statement.lines] == [3_500_000_000_000, 1_500_000_000_000]
    assert statement.documents[0].body == body


def test_a_broken_or_locked_pdf_is_told(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Total $5.00"))))
    writer.encrypt("secret", algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    for body, what in (
        (b"%PDF-1.7 broken", "is a broken PDF"),
        (b"hello", "is no PDF"),
        (locked.getvalue(), "password"),
    ):
        with pytest.raises(UnreadableFile, match=what):
            files.read_pdf(body, "x.pdf", provider="livekit", month=MONTH, now=NOW)


@pytest.mark.parametrize(("total", "tax"), [("", None), ("abc", None), ("1", "2"), ("1e20", None)])
def test_a_total_by_hand_must_be_one(total: str, tax: str | None) -> None:
    with pytest.raises(UnreadableFile):
        files.manual_total(provider="livekit", month=MONTH, now=NOW, total=total, tax=tax)


def test_what_comes_along_says_that_it_is_assumed() -> None:
    assert set(files.builtin()) == set(VENDORS)
    assert all("Assumed" in mapping.note for mapping in files.builtin().values())
