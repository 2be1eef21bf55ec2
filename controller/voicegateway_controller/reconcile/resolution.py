"""How finely a vendor says its money: below half of its last digit a line cannot be told from ours. Pure."""

from typing import Final

from voicegateway_controller.reconcile.cells import Cell
from voicegateway_controller.reconcile.statement import VendorStatement

LINES_MIN: Final = 3
"""Fewer amounts than this say nothing of their last digit: $0.50 alone need not be whole cents."""
CENT_PICO_USD: Final = 10**10


class Resolution:
    """The last digit of each document's amounts, and of our own entries; lives as long as one explanation."""

    def __init__(self, statement: VendorStatement) -> None:
        amounts: dict[int, list[int]] = {}
        for line in statement.lines:
            if line.sku and line.amount_pico_usd:
                amounts.setdefault(line.document, []).append(line.amount_pico_usd)
        self._step = {document: _step(each) for document, each in amounts.items()}

    def tolerance(self, cell: Cell) -> int:
        """What rounding alone can move a cell by: half a last digit per line, and a pico-dollar per request.

        Either side may round each request, by half a pico-dollar at most.
        """
        vendor = sum(self._step.get(line.document, 1) for line in cell.lines)
        return (vendor + 1) // 2 + cell.our_requests


def _step(amounts: list[int]) -> int:
    """The largest power of ten, up to a cent, of which all amounts are whole multiples."""
    step = CENT_PICO_USD
    while step > 1 and any(amount % step for amount in amounts):
        step //= 10
    # An invoice of one line says cents and nothing finer, whatever it is the sum of.
    return step if len(amounts) >= LINES_MIN or step == CENT_PICO_USD else 1
