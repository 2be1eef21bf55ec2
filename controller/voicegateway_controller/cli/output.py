"""The only printer: tables for people, JSON and CSV for programs, one line for an error."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console()
errors = Console(stderr=True)


def as_json(document: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a header and rows, RFC 4180."""
    writer = csv.DictWriter(sys.stdout, fieldnames=list(columns), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)


def as_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """Print a table; `columns` maps keys to headings, numbers stand right."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for index, heading in enumerate(columns.values()):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(str(row.get(key, "")) for key in columns))
    console.print(table)


def text(document: str) -> None:
    """Print a document as it is, for a file or another program."""
    sys.stdout.write(document)


def line(text: str, *, style: str | None = None) -> None:
    """Print one line."""
    console.print(text, style=style, soft_wrap=True, highlight=False)


def error(message: str) -> None:
    """Print what went wrong and what to do, to stderr."""
    errors.print(f"voicegw: {message}", style="red", soft_wrap=True, highlight=False, markup=False)
