"""A vendor's export, read by its column mapping, as a statement."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from voicegateway_controller.reconcile.errors import UnreadableFile
from voicegateway_controller.reconcile.exact import CONTEXT, NotExact, pico_usd, whole
from voicegateway_controller.reconcile.files.mapping import ColumnMapping, UnitRule
from voicegateway_controller.reconcile.files.numerals import (
    UNMISTAKABLE,
    NotANumber,
    currencies_of,
    currency_of,
    read_number,
)
from voicegateway_controller.reconcile.files.sheet import Cell, Numeral, Row, read_rows
from voicegateway_controller.reconcile.sources.answers import Window
from voicegateway_controller.reconcile.sources.line_words import category_of
from voicegateway_controller.reconcile.statement import LineCategory, VendorDocument, VendorLine, VendorStatement
from voicegateway_shared.money import PICO_PER_USD, format_usd

HEADING_ROWS_MAX: Final = 50
"""Where the headings must be: some exports begin with a title and an address."""
ROUNDED_PICO_USD: Final = PICO_PER_USD // 200
"""Half a cent: what a total may differ by from the sum of finer lines."""
_TIMES: Final = re.compile("%[HIXcT]")
_TOTAL: Final = re.compile(r"(grand |sub|invoice )?total( due)?:?", re.IGNORECASE)


def read_table(body: bytes, name: str, mapping: ColumnMapping, *, month: date, now: datetime) -> VendorStatement:
    """Return a month's lines of a CSV or workbook.

    Raises:
        UnreadableFile: a column is missing, or a cell is not what the mapping says; names row and column.
    """
    window = Window(month)
    table = _Table(name, mapping)
    rows = read_rows(body, name, sheet=mapping.sheet, encoding=mapping.encoding, delimiter=mapping.delimiter)
    table.find_headings(rows)
    for row in rows:
        table.take(row, window)
    if not table.lines and not table.outside:
        raise UnreadableFile(f"{name} has headings and no rows")
    if not table.lines:
        raise UnreadableFile(f"{name}: none of its {table.outside} rows is of {window.month:%Y-%m}")
    return VendorStatement(
        provider=mapping.provider,
        month=window.month,
        lines=tuple(table.lines),
        documents=(document_of(body, name, now),),
        settled_until=window.next_month,
        grains=mapping.grains,
        has_amounts=any(line.amount_pico_usd is not None for line in table.lines),
        invoice_pico_usd=table.invoice_pico_usd,
        is_invoice=True,
        notes=tuple(table.notes()),
    )


def document_of(body: bytes, name: str, now: datetime) -> VendorDocument:
    """A file as evidence."""
    return VendorDocument(name=name, sha256=hashlib.sha256(body).hexdigest(), body=body, fetched_at=now)


class _Table:
    """Reads rows into lines; lives as long as one file."""

    def __init__(self, name: str, mapping: ColumnMapping) -> None:
        self.lines: list[VendorLine] = []
        self.outside = 0
        self._outside_pico_usd = 0
        self._name = name
        self._mapping = mapping
        self._zone = ZoneInfo(mapping.zone)
        self._at: dict[str, int] = {}
        self._words: list[tuple[str, LineCategory]] = [
            (word.lower(), category) for category, words in mapping.words.items() for word in words if word.strip()
        ]
        self._rates = {currency: Decimal(rate) for currency, rate in mapping.rates.items()}
        self._unknown_units: dict[str, int] = {}
        self._totals: list[int | None] = []
        self._currencies: set[str] = set()
        self._invoice_pico_usd: int | None = None

    def find_headings(self, rows: Iterator[Row]) -> None:
        """Move on to the row that has all mapped columns."""
        needed = {heading.strip().lower(): heading for heading in self._mapping.columns}
        seen: list[dict[str, int]] = []
        for _, cells in islice(rows, HEADING_ROWS_MAX):
            headings = [str(cell).strip().lower() for cell in cells]
            found = {heading: headings.index(heading) for heading in headings if heading}
            if needed.keys() <= found.keys():
                self._refuse_twins(headings, needed)
                self._at = {heading: found[plain] for plain, heading in needed.items()}
                return
            seen.append(found)
        nearest = max(seen, key=lambda found: len(needed.keys() & found.keys()), default={})
        missing = ", ".join(repr(heading) for plain, heading in needed.items() if plain not in nearest)
        raise UnreadableFile(
            f"{self._name} has no column {missing} within its first {HEADING_ROWS_MAX} rows; the nearest row has "
            f"{', '.join(map(repr, nearest)) or 'nothing'}: mend the mapping {self._mapping.name!r}"
        )

    def _refuse_twins(self, headings: Sequence[str], needed: Mapping[str, str]) -> None:
        """Which of two columns of one name is meant, a net amount or one with tax, cannot be told from the name."""
        for plain, heading in needed.items():
            places = [f"column {column}" for column, each in enumerate(headings, start=1) if each == plain]
            if len(places) > 1:
                raise UnreadableFile(
                    f"{self._name}: {' and '.join(places)} are both called {heading!r}, which the mapping "
                    f"{self._mapping.name!r} reads: rename one of them in the file"
                )

    def take(self, row: Row, window: Window) -> None:
        """Add a row's line, if it is one of the month."""
        number, cells = row
        if self._is_total(cells) or self._is_skipped(cells):
            return
        day = self._day(number, cells, window)
        if day is not None and not window.wants(day):
            self.outside += 1
            self._outside_pico_usd += self._exact_amount(number, cells) or 0
            return
        self.lines.append(self._line(number, cells, day if self._mapping.date_format != "month" else None))

    def notes(self) -> list[str]:
        """What people must know of the file."""
        found = []
        if self.outside:
            money = f", ${format_usd(self._outside_pico_usd)}," if self._mapping.amount else ""
            found.append(f"{self.outside} rows{money} are of other months and were left out")
        for unit, rows in sorted(self._unknown_units.items()):
            found.append(f"the unit {unit!r} of {rows} rows is not in the mapping: their quantities are not compared")
        if self._totals and self._sum not in self._totals:
            if self.outside and self._sum + self._outside_pico_usd in self._totals:
                found.append(f"its total row is of all months: of this one are ${format_usd(self._sum)}")
            else:
                found.append(f"its total row does not say the sum of its rows, which is ${format_usd(self._sum)}")
        return found

    @property
    def invoice_pico_usd(self) -> int | None:
        """What the file itself says that it comes to; None where it does not. Totals are rounded, lines need not be."""
        sums, totals = self._sum, (*self._totals, self._invoice_pico_usd)
        fits = any(total is not None and abs(total - sums) <= ROUNDED_PICO_USD for total in totals)
        return sums if fits else self._invoice_pico_usd

    @property
    def _sum(self) -> int:
        return sum(line.amount_pico_usd or 0 for line in self.lines)

    def _line(self, number: int, cells: Sequence[Cell], day: date | None) -> VendorLine:
        mapping = self._mapping
        sku, model = self._text(cells, mapping.sku), self._text(cells, mapping.model)
        category = self._category(cells)
        unit = self._unit(self._text(cells, mapping.unit)) if self._text(cells, mapping.quantity) else None
        try:
            quantity = self._quantity(number, cells, unit)
        except NotExact as error:
            raise UnreadableFile(f"{self._name}, row {number}: {error}") from error
        requests = self._number(number, cells, mapping.requests)
        return VendorLine(
            provider=mapping.provider,
            day=day,
            sku=sku or model or (category if category != "usage" else "invoice"),
            account=self._text(cells, mapping.account),
            credential=self._text(cells, mapping.credential),
            model=model,
            meter=mapping.meters.get(self._text(cells, mapping.kind).lower(), unit.meter if unit else ""),
            quantity=quantity,
            requests=None if requests is None else whole(requests),
            amount_pico_usd=self._exact_amount(number, cells),
            category=category,
        )

    def _exact_amount(self, number: int, cells: Sequence[Cell]) -> int | None:
        if self._mapping.currency and (said := self._text(cells, self._mapping.currency)):
            self._currencies.add((currency_of(said) or said).upper())
        try:
            return self._amount(number, cells)
        except NotExact as error:
            raise UnreadableFile(f"{self._name}, row {number}: {error}") from error

    def _amount(self, number: int, cells: Sequence[Cell], *, unsaid: str = "") -> int | None:
        mapping = self._mapping
        if not mapping.amount:
            return None
        amount = self._number(number, cells, mapping.amount)
        if amount is None:
            return None
        said = self._text(cells, mapping.currency)
        named, signed = (currency_of(said) or said).upper(), currencies_of(self._text(cells, mapping.amount))
        if len(signed) > 1 or (named and UNMISTAKABLE.intersection(signed) - {named}):
            raise UnreadableFile(
                f"{self._name}, row {number}, column {mapping.amount!r}: {self._text(cells, mapping.amount)!r} is in "
                f"{' and in '.join(filter(None, [named, *signed]))}: an amount has one currency"
            )
        currency = named or next(iter(signed), unsaid or mapping.default_currency)
        if currency == "USD":
            return pico_usd(amount)
        rate = self._rates.get(currency)
        if rate is None:
            raise UnreadableFile(
                f"{self._name}, row {number}: the amount is in {currency}; say in the mapping what the invoice "
                f'converts at, as `rates: {{{currency}: "1.08"}}` US dollars'
            )
        return pico_usd(CONTEXT.multiply(amount, rate))

    def _quantity(self, number: int, cells: Sequence[Cell], unit: UnitRule | None) -> int | None:
        value = self._number(number, cells, self._mapping.quantity)
        return whole(value, factor=Decimal(unit.factor)) if value is not None and unit else None

    def _unit(self, word: str) -> UnitRule | None:
        found = self._mapping.units.get(word.lower()) or self._mapping.units.get("*")
        if found is None:
            self._unknown_units[word] = self._unknown_units.get(word, 0) + 1
        return found

    def _category(self, cells: Sequence[Cell]) -> LineCategory:
        text = self._text(cells, self._mapping.category or self._mapping.sku or self._mapping.model)
        plain = text.lower()
        for word, category in self._words:
            if word in plain:
                return category
        return category_of(text)

    def _day(self, number: int, cells: Sequence[Cell], window: Window) -> date | None:
        heading = self._mapping.date
        if not heading:
            return None
        cell = self._cell(cells, heading)
        if not cell and self._category(cells) != "usage":
            # Taxes and credits are often of the month.
            return None
        if not cell:
            raise UnreadableFile(f"{self._name}, row {number}, column {heading!r}: no date")
        try:
            return self._date(cell, window)
        except ValueError as error:
            raise UnreadableFile(
                f"{self._name}, row {number}, column {heading!r}: {str(cell)!r} is no date of the form "
                f"{self._mapping.date_format!r}"
            ) from error

    def _date(self, cell: Cell, window: Window) -> date:
        form = self._mapping.date_format
        if isinstance(cell, datetime):
            # Where the mapping's form has no time of the day, a midnight is a day's: as a text it would be one.
            is_day = form == "month" or (form != "iso" and not _TIMES.search(form) and cell.time() == time.min)
            return cell.date() if is_day else self._utc_day(cell)
        if isinstance(cell, date):
            return cell
        if form == "month":
            return datetime.strptime(cell[:7], "%Y-%m").replace(tzinfo=UTC).date()
        if form == "iso":
            if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", cell, re.ASCII):
                return date.fromisoformat(cell)
            return self._utc_day(datetime.fromisoformat(cell.removesuffix(" UTC")))
        parsed = datetime.strptime(cell, form)  # noqa: DTZ007 - the zone is the mapping's, applied below
        return self._utc_day(parsed) if _TIMES.search(form) else parsed.date()

    def _utc_day(self, at: datetime) -> date:
        return (at if at.tzinfo else at.replace(tzinfo=self._zone)).astimezone(UTC).date()

    def _is_total(self, cells: Sequence[Cell]) -> bool:
        """Say whether a row sums up those above: counted as a line, it would double the bill."""
        first = next((str(cell) for cell in cells if cell), "")
        if not _TOTAL.fullmatch(first.strip()):
            return False
        try:
            # It seldom names the currency that each row names; of several it can be none.
            told = self._amount(0, cells, unsaid="".join(self._currencies))
        except (UnreadableFile, NotExact):
            # A row that only looks like a total is told as one that does not fit.
            told = None
        self._totals.append(told)
        if told is not None and not first.strip().lower().startswith("sub"):
            self._invoice_pico_usd = told
        return True

    def _is_skipped(self, cells: Sequence[Cell]) -> bool:
        return any(
            self._text(cells, heading).lower() in {word.lower() for word in words}
            for heading, words in self._mapping.skip.items()
        )

    def _number(self, row: int, cells: Sequence[Cell], heading: str) -> Decimal | None:
        cell = self._cell(cells, heading) if heading else ""
        try:
            return read_number(str(cell), decimal="." if isinstance(cell, Numeral) else self._mapping.decimal)
        except NotANumber as error:
            raise UnreadableFile(f"{self._name}, row {row}, column {heading!r}: {error}") from error

    def _text(self, cells: Sequence[Cell], heading: str) -> str:
        return str(self._cell(cells, heading)) if heading else ""

    def _cell(self, cells: Sequence[Cell], heading: str) -> Cell:
        index = self._at[heading]
        return cells[index] if index < len(cells) else ""
