"""The rows of a file as texts and dates, whatever kind of file it is; bounded in every direction."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from voicegateway_controller.reconcile.errors import UnreadableFile

FILE_BYTES_MAX: Final = 20 * 2**20
UNPACKED_BYTES_MAX: Final = 100 * 2**20
"""What a workbook may come to when unpacked; a zip bomb is a thousand times its size."""
PARTS_MAX: Final = 1_000
"""Files within a workbook."""
ROWS_MAX: Final = 200_000
"""Rows that hold something; a vendor's month by key, model and day is a few thousand."""
SHEET_ROWS_MAX: Final = 1_048_576
"""A workbook's own limit, empty rows included."""
COLUMNS_MAX: Final = 200
CELL_CHARS_MAX: Final = 2_000
DELIMITERS: Final = (",", ";", "\t", "|")
_NOT_SHOWN_AS_IS: Final = re.compile(r'"[^"]*"|\[[^]]*\]|\\.')
"""Of a workbook's number format: quoted texts, colours and languages, escaped characters."""


class Numeral(str):
    """A number of a workbook as a text; its point is a point, whatever people write elsewhere."""

    __slots__ = ()


Cell = str | date
"""A datetime where the sheet shows a time of the day; numbers are texts."""
Row = tuple[int, Sequence[Cell]]
"""Its number as people see it, from 1; and its cells."""


def read_rows(
    body: bytes, name: str, *, sheet: str = "", encoding: str = "utf-8", delimiter: str = ""
) -> Iterator[Row]:
    """Yield the rows that hold something, of a CSV or of one sheet of a workbook. Raises UnreadableFile."""
    if len(body) > FILE_BYTES_MAX:
        raise UnreadableFile(f"{name} has {len(body) >> 20} MiB; at most {FILE_BYTES_MAX >> 20} are read")
    if body.startswith(b"PK\x03\x04"):
        found = _workbook(body, name, sheet)
    elif body.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableFile(f"{name} is a workbook of the old kind (.xls); save it as .xlsx or CSV")
    elif body.startswith(b"%PDF"):
        raise UnreadableFile(f"{name} is a PDF, which has no columns; import it as an invoice's total")
    else:
        found = _csv(_decoded(body, name, encoding), name, delimiter)
    return _bounded(found, name)


def _bounded(rows: Iterable[Row], name: str) -> Iterator[Row]:
    held = 0
    for number, cells in rows:
        if not any(cells):
            continue
        held += 1
        if held > ROWS_MAX:
            raise UnreadableFile(f"{name} has more than {ROWS_MAX} rows: split it")
        if len(cells) > COLUMNS_MAX:
            raise UnreadableFile(f"{name}, row {number}: more than {COLUMNS_MAX} columns")
        for column, cell in enumerate(cells, start=1):
            if isinstance(cell, str) and len(cell) > CELL_CHARS_MAX:
                raise UnreadableFile(f"{name}, row {number}, column {column}: more than {CELL_CHARS_MAX} characters")
        yield number, cells


def _decoded(body: bytes, name: str, encoding: str) -> str:
    """Text of a CSV; a byte-order mark decides, else the encoding that is said."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif body.startswith(b"\xef\xbb\xbf") or encoding == "utf-8":
        encoding = "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        hint = "say `encoding: cp1252` or `latin-1` in its mapping" if encoding == "utf-8-sig" else "say another one"
        raise UnreadableFile(f"{name} is not in {encoding} (byte {error.start}): {hint}") from error


def _csv(text: str, name: str, delimiter: str) -> Iterator[Row]:
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = delimiter or max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UnreadableFile(f"{name}, row {reader.line_num}: {error}") from error
        yield reader.line_num, [cell.strip() for cell in cells]


def _workbook(body: bytes, name: str, sheet: str) -> Iterator[Row]:
    _check_unpacked(body, name)
    # Half a second of imports that no other command needs.
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
        if sheet and sheet not in book.sheetnames:
            raise UnreadableFile(f"{name} has no sheet {sheet!r}: it has {', '.join(book.sheetnames)}")
        chosen = book[sheet] if sheet else book.worksheets[0]
        # Else each row is filled up to the width that the file claims for the sheet.
        chosen.reset_dimensions()
        for number, cells in enumerate(chosen.iter_rows(), start=1):
            if number > SHEET_ROWS_MAX or len(cells) > COLUMNS_MAX:
                raise UnreadableFile(f"{name}, row {number}: more than {COLUMNS_MAX} columns, or rows without end")
            yield number, [_cell(each.value, each.number_format, name, number) for each in cells]
        book.close()
    except UnreadableFile:
        raise
    # openpyxl lets through whatever its parsers raise at a file that somebody broke.
    except Exception as error:
        raise UnreadableFile(f"{name} is a broken workbook: {type(error).__name__}: {error}") from error


def _check_unpacked(body: bytes, name: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts = packed.infolist()
    except zipfile.BadZipFile as error:
        raise UnreadableFile(f"{name} is a broken workbook: {error}") from error
    # The sizes are the archive's own words; zipfile reads no more of a part than it said.
    unpacked = sum(part.file_size for part in parts)
    if unpacked > UNPACKED_BYTES_MAX or len(parts) > PARTS_MAX:
        raise UnreadableFile(
            f"{name} would be {unpacked >> 20} MiB in {len(parts)} parts when unpacked; at most "
            f"{UNPACKED_BYTES_MAX >> 20} MiB in {PARTS_MAX} are read"
        )


def _cell(value: Any, form: str | None, name: str, row: int) -> Cell:
    if value is None:
        return ""
    if isinstance(value, datetime):
        # A workbook keeps a day as its midnight: what tells the two apart is whether people see a time of the day.
        is_instant = value.time() != time.min or "h" in _NOT_SHOWN_AS_IS.sub("", form or "").lower()
        return value if is_instant else value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        # A workbook keeps doubles: the shortest text that means the same double is what was typed.
        return Numeral(repr(value))
    text = str(value).strip()
    if text.startswith("#") and text.endswith(("!", "?", "/A", "/0!")):
        raise UnreadableFile(f"{name}, row {row}: a formula says {text}")
    return text
