"""Where a vendor's days begin, found by cutting our own hours into days at every full hour. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from voicegateway_controller.reconcile.cells import Cell, CellKey, Confidence, OurRow
from voicegateway_controller.reconcile.matching import match
from voicegateway_controller.reconcile.names import Names
from voicegateway_controller.reconcile.ours import month_of
from voicegateway_controller.reconcile.statement import VendorStatement

OFFSETS_HOURS: Final = tuple(hours for hours in range(-12, 15) if hours)
"""Every whole hour by which somebody's midnight is not UTC's: 14 before it in Kiribati, 12 after it at Baker Island."""
DIFFERING_MIN: Final = 3
"""Fewer days that differ say nothing of when a day begins."""
LEFT_PERCENT_MAX: Final = 20
"""How much of all differences another midnight may leave unexplained: other things may be wrong as well."""


@dataclass(frozen=True, slots=True)
class Recut:
    """Our days cut at the vendor's midnight."""

    hours: int
    """How long before UTC's midnight the vendor's is."""
    confidence: Confidence
    sums: Mapping[CellKey, tuple[int, int]]
    """Amount and billed quantity of ours by cell, cut there."""

    def of(self, cell: Cell) -> tuple[int, int]:
        """What a cell of ours would have more: amount and units."""
        amount, quantity = self.sums.get(cell.key, (0, 0))
        return amount - cell.our_pico_usd, quantity - cell.our_quantity


def wants_hours(cells: Sequence[Cell]) -> bool:
    """Whether days differ in both directions, as they do when they begin elsewhere."""
    found = [cell.difference_pico_usd for cell in cells if cell.key.day is not None and cell.difference_pico_usd]
    return len(found) >= DIFFERING_MIN and min(found) < 0 < max(found)


def find_recut(
    statement: VendorStatement, cells: Sequence[Cell], hours: Sequence[tuple[datetime, OurRow]], names: Names
) -> Recut | None:
    """Return the midnight at which nearly all differences vanish, if there is one.

    `hours` are our sums by hour, those of the days before and after the month included.
    """
    before = _distance(cells, statement)
    best: tuple[int, int, list[Cell]] | None = None
    for offset in OFFSETS_HOURS:
        tried = match(statement, _rows(statement, hours, offset), names)
        distance = _distance(tried, statement)
        if best is None or distance < best[0]:
            best = (distance, offset, tried)
    if best is None or best[0] * 100 > before * LEFT_PERCENT_MAX:
        return None
    distance, offset, tried = best
    sums = {cell.key: (cell.our_pico_usd, cell.our_quantity) for cell in tried}
    return Recut(offset, "certain" if distance == 0 else "likely", sums)


def _rows(
    statement: VendorStatement, hours: Sequence[tuple[datetime, OurRow]], offset: int
) -> list[OurRow]:  # fmt: skip
    moved = [(hour + timedelta(hours=offset), row) for hour, row in hours]
    return [msgspec.structs.replace(row, day=at.date()) for at, row in moved if month_of(at.date()) == statement.month]


def _distance(cells: Sequence[Cell], statement: VendorStatement) -> int:
    return sum(
        abs(cell.difference_pico_usd)
        for cell in cells
        if cell.key.day is not None and cell.key.day < statement.settled_until
    )
