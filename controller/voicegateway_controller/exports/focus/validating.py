"""Hold a file to FOCUS 1.2's rules, row by row, however long it is."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from voicegateway_controller.exports.focus.conditions import Row, broken, refusal
from voicegateway_controller.exports.focus.rules import COLUMN, CUSTOM_PREFIX, MANDATORY, Column
from voicegateway_shared.errors import ConfigurationError

EXAMPLES_MAX: Final = 3
"""Rows named for each broken rule; all are counted."""
BATCH_ROWS: Final = 4_096
_RAGGED: Final = "\x00"
"""The one key of a row that does not fit its header."""
PARQUET_MISSING: Final = "Parquet needs pyarrow: install voicegateway[parquet], or use CSV"


@dataclass(slots=True)
class Findings:
    """What is wrong with a file: nothing, or each broken rule, how often, and in which rows first."""

    rows: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)

    def add(self, rule: str, row: int) -> None:
        """Count one breach; row 0 is the file as a whole."""
        self.broken[rule] += 1
        examples = self.examples.setdefault(rule, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(row)


def validate_file(path: Path) -> Findings:
    """Hold a CSV file (gzipped or not) or a Parquet file to the rules.

    Raises:
        ConfigurationError: it cannot be read, or is Parquet and pyarrow is not installed.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return _validated(*_parquet_rows(path))
        opener = gzip.open if magic[:2] == b"\x1f\x8b" else open
        with opener(path, "rt", encoding="utf-8", newline="") as text:
            reader = csv.reader(text, strict=True)
            names = next(reader, [])
            return _validated(names, _csv_rows(names, reader))
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def validate_rows(names: Sequence[str], rows: Iterable[Row]) -> Findings:
    """Hold rows with these columns to the rules."""
    return _validated(names, rows)


def _validated(names: Sequence[str], rows: Iterable[Row]) -> Findings:
    found = Findings()
    for rule in _header_breaches(names):
        found.add(rule, 0)
    columns = [COLUMN[name] for name in names if name in COLUMN]
    for number, row in enumerate(rows, start=1):
        found.rows = number
        _check(row, number, columns, found)
    return found


def _header_breaches(names: Sequence[str]) -> Iterator[str]:
    for name in MANDATORY:
        if name not in names:
            yield f"{name}: the column must be present"
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{name}: the column is there {count} times"
        if name not in COLUMN and not name.startswith(CUSTOM_PREFIX):
            yield f"{name}: no column of FOCUS 1.2 or 1.3; its own columns must begin with x_"
    customs = [name.startswith(CUSTOM_PREFIX) for name in names]
    if customs != sorted(customs):
        yield "columns of its own should stand behind all of FOCUS's"


def _check(row: Row, number: int, columns: Sequence[Column], found: Findings) -> None:
    if _RAGGED in row:
        found.add("a row has more or fewer values than the header", number)
        return
    for column in columns:
        wrong = refusal(column, row.get(column.name))
        if wrong is not None:
            found.add(f"{column.name}: {wrong}", number)
    for sentence in broken(row):
        found.add(sentence, number)


def _csv_rows(names: Sequence[str], rows: Iterable[list[str]]) -> Iterator[Row]:
    for values in rows:
        if len(values) != len(names):
            yield {_RAGGED: None}
        else:
            # In CSV, null is nothing between two commas.
            yield {name: value or None for name, value in zip(names, values, strict=True)}


def _parquet_rows(path: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # it has no stubs
    except ImportError as error:
        raise ConfigurationError(PARQUET_MISSING) from error
    file = pyarrow.parquet.ParquetFile(path)

    def rows() -> Iterator[Row]:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for row in batch.to_pylist():
                yield {name: _text(value) for name, value in row.items()}

    return list(file.schema_arrow.names), rows()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)
