"""The only printer: tables for people, JSON and CSV for programs, one line for an error."""

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

LEAST_WIDTH: Final = 6
"""Characters that a column of texts keeps in the narrowest window."""
LEAST_NAME_WIDTH: Final = 36
"""Characters that what a row is known by keeps, which a UUID has; longer names take two lines before words break."""
_NUMBER: Final = re.compile(r"([+\-−]?\$?\d[\d.,]*(/\d+)?( ?%)?|–)?")

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
    """Print a table; `columns` maps keys to headings, numbers stand right.

    Nothing is cut, and numbers stay whole: where the window is narrow, texts take several lines.
    """
    cells = [[str(row.get(key, "")) for key in columns] for row in rows]
    every = [[heading, *column] for heading, *column in zip(columns.values(), *cells, strict=True)]
    is_number = [index > 0 and all(map(_NUMBER.fullmatch, column[1:])) for index, column in enumerate(every)]
    naturals = [max(map(cell_len, column)) for column in every]
    gap = 2 if sum(naturals) + 2 * (len(naturals) - 1) <= console.width else 1
    widths = _fitted(every, naturals, is_number, room=console.width - gap * (len(naturals) - 1))
    # As a line of its own: a title of the table is broken at the table's width, and most are wider than their table.
    console.print(Text(title, style="italic"))
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for heading, number, width in zip(columns.values(), is_number, widths, strict=True):
        table.add_column(heading, justify="right" if number else "left", width=width, overflow="fold")
    for row in cells:
        # Names are no markup.
        table.add_row(*map(Text, row))
    console.print(table)


def _fitted(
    every: Sequence[Sequence[str]], naturals: Sequence[int], is_number: Sequence[bool], *, room: int
) -> list[int]:
    """Return widths of columns: those of texts give way first, the widest of them, as long as words stay whole.

    Then what is known by a long name, then headings of numbers between their words, and only then words are broken.
    """
    widths = list(naturals)
    floors = [
        max(map(cell_len, [*heading.split(), *(column if number else " ".join(column).split()), ""]))
        for (heading, *column), number in zip(every, is_number, strict=True)
    ]
    texts = [index for index, number in enumerate(is_number) if index > 0 and not number]
    numbers = [index for index, number in enumerate(is_number) if number]
    while sum(widths) > room:
        giving = (
            [index for index in texts if widths[index] > floors[index]]
            or ([0] if widths[0] > LEAST_NAME_WIDTH else [])
            or [index for index in numbers if widths[index] > floors[index]]
            or [index for index in texts if widths[index] > LEAST_WIDTH]
        )
        if not giving:
            break
        widths[max(giving, key=lambda index: widths[index])] -= 1
    return widths


def text(document: str) -> None:
    """Print a document as it is, for a file or another program."""
    sys.stdout.write(document)


def line(text: str, *, style: str | None = None) -> None:
    """Print one line."""
    # Nothing in it is markup: chains, projects and addresses stand in brackets.
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def error(message: str) -> None:
    """Print what went wrong and what to do, to stderr."""
    errors.print(f"voicegw: {message}", style="red", soft_wrap=True, highlight=False, markup=False)
