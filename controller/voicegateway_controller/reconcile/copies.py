"""Lines that a vendor's bill has twice. Pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from voicegateway_controller.reconcile.cells import Cell, Confidence
from voicegateway_controller.reconcile.statement import VendorLine

REQUESTS_MIN: Final = 5
"""Of fewer requests, those that are lost may well sum to those that are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What a bill has more than once."""

    amount: int
    quantity: int | None
    confidence: Confidence
    reason: str


def copies_of(cell: Cell, tolerance_pico_usd: int) -> Copies | None:
    """Return what of a cell's lines is there again: equal lines, or all units and all money a whole number of times."""
    if not cell.rows or cell.difference_pico_usd <= 0:
        return None
    return _equal_lines(cell, tolerance_pico_usd) or _multiple(cell, tolerance_pico_usd)


def _equal_lines(cell: Cell, tolerance: int) -> Copies | None:
    """Lines that are alike in everything; taking them away must bring the cell nearer to ours."""
    counted = Counter(_identity(line) for line in cell.lines)
    extra = [(line, counted[_identity(line)] - 1) for line in _first_of_each(cell.lines)]
    extra = [(line, count) for line, count in extra if count and line.amount_pico_usd]
    amount = sum((line.amount_pico_usd or 0) * count for line, count in extra)
    if not amount or abs(cell.difference_pico_usd - amount) >= cell.difference_pico_usd:
        return None
    quantities = [None if line.quantity is None else line.quantity * count for line, count in extra]
    quantity = sum(each or 0 for each in quantities) if all(each is not None for each in quantities) else None
    is_exact = abs(cell.difference_pico_usd - amount) <= tolerance
    if not is_exact and amount > cell.difference_pico_usd and len(cell.lines) >= cell.our_requests:
        # As many lines as requests: a file of single requests, of which those of one size are alike.
        return None
    return Copies(
        amount=cell.difference_pico_usd if is_exact else amount,
        quantity=quantity,
        confidence="certain" if is_exact else "likely",
        reason=f"{sum(count for _, count in extra)} lines of the bill are there more than once",
    )


def _multiple(cell: Cell, tolerance: int) -> Copies | None:
    """Units, requests and money are all the same multiple of ours: summed twice on the vendor's side."""
    ours, theirs = cell.our_pico_usd, cell.vendor_pico_usd
    if ours <= 0 or cell.vendor_quantity is None or cell.our_quantity <= 0:
        return None
    if cell.our_requests < REQUESTS_MIN and cell.vendor_requests != cell.our_requests:
        return None
    times, rest = divmod(cell.vendor_quantity, cell.our_quantity)
    if rest or times < 2 or abs(theirs - times * ours) > times * tolerance:
        return None
    if cell.vendor_requests is not None and cell.vendor_requests not in (cell.our_requests, times * cell.our_requests):
        return None
    return Copies(
        amount=cell.difference_pico_usd,
        quantity=cell.vendor_quantity - cell.our_quantity,
        confidence="likely",
        reason=f"units and money are exactly {times} times ours",
    )


def _identity(line: VendorLine) -> tuple[object, ...]:
    return (
        line.day, line.sku, line.account, line.credential, line.model, line.meter, tuple(sorted(line.context.items())),
        line.quantity, line.amount_pico_usd, line.credits,
    )  # fmt: skip


def _first_of_each(lines: list[VendorLine]) -> list[VendorLine]:
    return list({_identity(line): line for line in lines}.values())
