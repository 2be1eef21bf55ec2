"""What a reconciliation comes to: totals, and parts by category. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from voicegateway_controller.reconcile.cells import CATEGORIES, CONFIDENCES, HARMLESS, Category, Cell, Confidence
from voicegateway_controller.reconcile.statement import VendorStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSum:
    """All parts of one category."""

    category: Category
    amount_pico_usd: int
    confidence: Confidence
    """The least sure of them."""
    cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One reconciliation, complete."""

    provider: str
    month: date
    vendor_pico_usd: int
    our_pico_usd: int
    parts: tuple[PartSum, ...]
    """In the order of the waterfall; their amounts sum to the difference."""
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    settled_until: date
    is_derived: bool

    @property
    def difference_pico_usd(self) -> int:
        return self.vendor_pico_usd - self.our_pico_usd

    @property
    def drift_pico_usd(self) -> int:
        """What is wrong in the books or on the invoice: each part of each cell apart, so that none hides another."""
        return sum(
            abs(part.amount_pico_usd) for cell in self.cells for part in cell.parts if part.category not in HARMLESS
        )

    @property
    def unexplained_pico_usd(self) -> int:
        """What no rule explains, cell by cell."""
        return sum(
            abs(part.amount_pico_usd) for cell in self.cells for part in cell.parts if part.category == "unknown"
        )

    @property
    def base_pico_usd(self) -> int:
        """What a share is a share of: the vendor's amount, or ours where it has none."""
        return abs(self.vendor_pico_usd) or abs(self.our_pico_usd)


def sum_up(statement: VendorStatement, cells: Sequence[Cell], notes: Sequence[str] = ()) -> Result:
    """Return the totals of explained cells."""
    found: dict[Category, PartSum] = {}
    for cell in cells:
        for part in cell.parts:
            before = found.get(part.category)
            found[part.category] = PartSum(
                category=part.category,
                amount_pico_usd=part.amount_pico_usd + (before.amount_pico_usd if before else 0),
                confidence=part.confidence if before is None else _weaker(part.confidence, before.confidence),
                cells=1 + (before.cells if before else 0),
            )
    return Result(
        provider=statement.provider,
        month=statement.month,
        vendor_pico_usd=sum(cell.vendor_pico_usd for cell in cells),
        our_pico_usd=sum(cell.our_pico_usd for cell in cells),
        parts=tuple(found[category] for category in CATEGORIES if category in found),
        cells=tuple(cells),
        notes=(*statement.notes, *notes),
        settled_until=statement.settled_until,
        is_derived=any(cell.is_derived for cell in cells),
    )


def _weaker(one: Confidence, other: Confidence) -> Confidence:
    return one if CONFIDENCES.index(one) >= CONFIDENCES.index(other) else other
