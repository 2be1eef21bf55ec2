"""Rows into bytes, a piece at a time: CSV (RFC 4180), gzipped or not, and Parquet."""

import csv
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.exports.focus.row import Row
from voicegateway_controller.exports.focus.rules import COLUMN
from voicegateway_controller.exports.focus.validating import PARQUET_MISSING

Format = Literal["csv", "csv.gz", "parquet"]
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8; header=present",
    "csv.gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
}
ROW_GROUP_ROWS: Final = 10_000
"""Rows of a Parquet file that are held until they are written."""
_COUNTS: Final = frozenset({"x_Quantity", "x_BilledQuantity", "x_Entries", "x_EstimatedEntries", "x_Revision"})
_AMOUNTS: Final = frozenset({"BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "x_ListAmount"})
_INSTANTS: Final = frozenset({"x_ChargedAt", "x_RecordedAt"})


class Writer(ABC):
    """One file in the making; lives as long as its export. Every call returns the bytes that are ready."""

    @abstractmethod
    def start(self) -> bytes:
        """Begin the file."""

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> bytes:
        """Add rows."""

    @abstractmethod
    def finish(self) -> bytes:
        """End the file."""


def writer(form: Format, columns: Sequence[str]) -> Writer:
    """Return a writer of a format; BadRequest when this controller lacks what it needs."""
    if form == "parquet":
        return ParquetWriter(columns)
    made = CsvWriter(columns)
    return GzipWriter(made) if form == "csv.gz" else made


class CsvWriter(Writer):
    """Texts stand as they are, also where a spreadsheet would compute with them: FOCUS files are for programs."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text, lineterminator="\r\n")

    def start(self) -> bytes:
        self._csv.writerow(self._columns)
        return self._taken()

    def add(self, rows: Sequence[Row]) -> bytes:
        self._csv.writerows([row[name] for name in self._columns] for row in rows)
        return self._taken()

    def finish(self) -> bytes:
        return b""

    def _taken(self) -> bytes:
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return data


class GzipWriter(Writer):
    """Another writer's bytes, gzipped; the same rows give the same bytes on every day."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner
        self._gzip = zlib.compressobj(wbits=31)

    def start(self) -> bytes:
        return self._gzip.compress(self._inner.start())

    def add(self, rows: Sequence[Row]) -> bytes:
        return self._gzip.compress(self._inner.add(rows))

    def finish(self) -> bytes:
        return self._gzip.compress(self._inner.finish()) + self._gzip.flush()


class ParquetWriter(Writer):
    """Decimals as decimal128, instants as UTC timestamps; one row group for every ROW_GROUP_ROWS rows."""

    def __init__(self, columns: Sequence[str]) -> None:
        try:
            import pyarrow  # type: ignore[import-untyped]  # it has no stubs
            import pyarrow.parquet  # type: ignore[import-untyped]  # it has no stubs
        except ImportError as error:
            raise BadRequest(f"{PARQUET_MISSING}. It is the controller that needs it") from error
        self._pyarrow: Any = pyarrow
        self._schema = pyarrow.schema([(name, _type(pyarrow, name)) for name in columns])
        self._kinds = {name: _kind(name) for name in columns}
        self._sink = _Sink()
        self._writer: Any = pyarrow.parquet.ParquetWriter(self._sink, self._schema)
        self._held: list[dict[str, Any]] = []

    def start(self) -> bytes:
        return self._sink.taken()

    def add(self, rows: Sequence[Row]) -> bytes:
        self._held += [{name: _value(self._kinds[name], row[name]) for name in self._kinds} for row in rows]
        if len(self._held) >= ROW_GROUP_ROWS:
            self._write()
        return self._sink.taken()

    def finish(self) -> bytes:
        self._write()
        self._writer.close()
        return self._sink.taken()

    def _write(self) -> None:
        if self._held:
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._held, schema=self._schema))
            self._held = []


class _Sink(io.RawIOBase):
    """A file that is only ever written at its end, and whose bytes leave at once."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _kind(name: str) -> str:
    if name in _AMOUNTS:
        return "amount"
    if name in _COUNTS:
        return "count"
    if name in _INSTANTS:
        return "datetime"
    return COLUMN[name].kind if name in COLUMN else "string"


def _type(pyarrow: Any, name: str) -> Any:
    kind = _kind(name)
    if kind == "amount":
        return pyarrow.decimal128(38, 12)
    if kind == "decimal":
        return pyarrow.decimal128(38, 18)
    if kind == "count":
        return pyarrow.decimal128(38, 0)
    if kind == "datetime":
        return pyarrow.timestamp("us", tz="UTC")
    return pyarrow.string()


def _value(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    if kind in ("amount", "decimal", "count"):
        return Decimal(text)
    if kind == "datetime":
        return datetime.fromisoformat(text).astimezone(UTC)
    return text
