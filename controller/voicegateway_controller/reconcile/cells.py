"""The values that reconciling is made of: our sums, a cell that holds both sides, and the parts of its difference."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, get_args

import msgspec

from voicegateway_controller.reconcile.statement import LineCategory, VendorLine

Category = Literal[
    "pending",
    "day_shift",
    "duplicate",
    "unattributed_credential",
    "unknown_model",
    "vendor_only",
    "ours_only",
    "missing_spans",
    "cancelled",
    "minimums",
    "price_change",
    "stale_price",
    "other_context",
    "plan_fees",
    "credits",
    "tax",
    "rounding",
    "unknown",
]
"""Why a vendor's amount is not ours."""
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
HARMLESS: Final[frozenset[Category]] = frozenset({"pending", "day_shift", "plan_fees", "credits", "tax", "rounding"})
"""Differences that are as they should be: neither the books nor the invoice are wrong. All others are drift."""
Confidence = Literal["certain", "likely", "estimated"]
CONFIDENCES: Final[tuple[Confidence, ...]] = get_args(Confidence)
"""From the surest to the least sure."""


class OurRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of our entries of one day that have the same key, model, meter, price and kind."""

    day: date
    key_id: str
    model: str
    modality: str
    meter: str
    price_id: str
    unrated_reason: str
    kind: str
    requests: int
    """Entries of kind usage."""
    quantity: int
    billed_quantity: int
    amount_pico_usd: int
    list_amount_pico_usd: int
    estimated_requests: int
    estimated_quantity: int
    """Billed quantity of those entries whose quantity the vendor never told."""
    project_first: str
    project_last: str
    """The same when all entries are of one project."""

    @property
    def group(self) -> "RowGroup":
        """What the finer facts of a row are found by."""
        return (self.day, self.key_id, self.model, self.modality, self.meter, self.price_id)


RowGroup = tuple[date, str, str, str, str, str]


class RowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about a row only when its cell differs; quantities in the meter's base unit."""

    cancelled_quantity: int
    """Billed quantity of requests that were cancelled, or whose process died."""
    minimums: dict[int, int]
    """Minimum per request: the quantity that would be billed with it."""
    increments: dict[int, int]
    """Increment each request is rounded up to: the quantity that would be billed with it."""


class CellKey(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides of a cell are about; what they cannot both be told apart by is empty or None."""

    category: LineCategory
    day: date | None
    key_id: str
    """Our key's fingerprint; empty for all that no link names."""
    model: str
    """The catalogue's name, or the vendor's where the catalogue knows none."""
    meter: str
    context: tuple[tuple[str, str], ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for a cell's difference and what it amounts to."""

    category: Category
    amount_pico_usd: int
    confidence: Confidence
    reason: str
    quantity: int | None = None
    """Units that the reason is about, where it is about units."""


@dataclass(slots=True, kw_only=True)
class Cell:
    """Both sides of one key; filled by matching, explained by the waterfall, then only read."""

    key: CellKey
    lines: list[VendorLine] = field(default_factory=list)
    rows: list[OurRow] = field(default_factory=list)
    vendor_quantity: int | None = None
    """None where the vendor says no units, or units that cannot be added up."""
    vendor_requests: int | None = None
    vendor_pico_usd: int = 0
    is_derived: bool = False
    """Whether the vendor said no money, so that its amount is its units or credits at our price."""
    our_quantity: int = 0
    """Billed quantity."""
    our_pico_usd: int = 0
    price_id: str = ""
    """The price that a correction of the cell names; empty for none."""
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def difference_pico_usd(self) -> int:
        """The vendor's amount less ours."""
        return self.vendor_pico_usd - self.our_pico_usd

    @property
    def our_requests(self) -> int:
        return sum(row.requests for row in self.rows)

    @property
    def project(self) -> str:
        """The one project whose use this cell is; empty when there are several, or none."""
        used = [row for row in self.rows if row.kind in ("usage", "rerate")]
        projects = {project for row in used for project in (row.project_first, row.project_last)}
        return projects.pop() if len(projects) == 1 else ""

    @property
    def skus(self) -> tuple[str, ...]:
        """The vendor's own words for it."""
        return tuple(dict.fromkeys(line.sku for line in self.lines))
