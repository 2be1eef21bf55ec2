"""The shapes of the reconciliations' API. Amounts are decimal strings in US dollars, quantities whole numbers."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Month = Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")]
Provider = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
By = Literal["day", "model", "key"]
STORABLE = r"^[^\x00\x1f]*$"
"""Postgres keeps no NUL in a text, and the books part texts by the unit separator."""


class Body(BaseModel):
    """A request's body; unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Wanted(Body):
    """What to reconcile; `total` states an invoice by hand."""

    provider: Provider
    month: Month
    source: Literal["api", "total"] = "api"
    total_usd: str | None = None
    tax_usd: str | None = None
    threshold: str | None = None


class Started(BaseModel):
    """A run has begun; `number` finds it."""

    number: int


class PartRow(BaseModel):
    """All parts of one category, or one part of a cell."""

    category: str
    amount_usd: str
    confidence: str
    cells: int = 1
    reason: str = ""
    quantity: str | None = None


class Accepted(BaseModel):
    """That the books were made to say what the vendor billed."""

    correction_id: str
    booked_usd: str
    accepted_at: datetime
    actor: str


class Report(BaseModel):
    """The totals of a run that is done."""

    vendor_usd: str
    ours_usd: str
    difference_usd: str
    drift_usd: str
    unexplained_usd: str
    threshold: str
    is_within: bool
    is_derived: bool
    settled_until: date
    catalog_version: str
    cells: int
    parts: list[PartRow]
    notes: list[str]


class Run(BaseModel):
    """One reconciliation: under way, done or failed."""

    number: int
    provider: str
    month: str
    source: str
    is_nightly: bool
    actor: str
    state: str
    step: str
    error: str
    error_code: str
    started_at: datetime
    finished_at: datetime | None
    report: Report | None
    accepted: Accepted | None


class Runs(BaseModel):
    """Reconciliations, the newest first."""

    reconciliations: list[Run]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class CellRow(BaseModel):
    """Both sides of one day, key, model and meter."""

    position: int
    category: str
    day: date | None
    key_id: str
    model: str
    meter: str
    context: dict[str, str]
    project: str
    skus: list[str]
    vendor_quantity: str | None
    our_quantity: str
    vendor_requests: int | None
    our_requests: int
    vendor_usd: str
    ours_usd: str
    difference_usd: str
    is_derived: bool
    notes: list[str]
    parts: list[PartRow]


class Cells(BaseModel):
    """Cells, the largest difference first."""

    cells: list[CellRow]


class Group(BaseModel):
    """Cells summed by day, model or key."""

    key: str
    vendor_usd: str
    ours_usd: str
    difference_usd: str
    cells: int


class Groups(BaseModel):
    """All groups of one kind."""

    by: By
    groups: list[Group]


class PartChange(BaseModel):
    """One category in two runs."""

    category: str
    before_usd: str
    after_usd: str


class CellChange(BaseModel):
    """A cell that is not what it was: the vendor restated it, or our books changed."""

    day: date | None
    key_id: str
    model: str
    meter: str
    vendor_before_usd: str
    vendor_after_usd: str
    ours_before_usd: str
    ours_after_usd: str


class Comparison(BaseModel):
    """What changed from one run of a month to another."""

    before: int
    after: int
    vendor_change_usd: str
    ours_change_usd: str
    parts: list[PartChange]
    cells: list[CellChange]
    is_complete: bool = Field(description="Whether all changed cells are listed.")


class Document(BaseModel):
    """Something the vendor said, kept as received."""

    position: int
    name: str
    sha256: str
    bytes: int
    fetched_at: datetime


class Documents(BaseModel):
    """A run's evidence."""

    documents: list[Document]


class Accept(Body):
    """Why, and the invoice's own number."""

    reason: Annotated[str, StringConstraints(max_length=1_000, pattern=STORABLE)] = ""
    reference: Annotated[str, StringConstraints(max_length=200, pattern=STORABLE)] = ""
    force: bool = False


class Reverse(Body):
    """Why it is taken back."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=STORABLE)]


class Booked(BaseModel):
    """What was booked, now or before."""

    correction_id: str
    number: int
    entries: int
    booked_usd: str
    is_new: bool


class AliasRow(Body):
    """A vendor's word for a model."""

    provider: Provider
    name: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=STORABLE)]
    model: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=STORABLE)]
    valid_from: date | None = None
    valid_to: date | None = None


class LinkRow(Body):
    """A vendor's key and our fingerprint of it."""

    provider: Provider
    credential: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=STORABLE)]
    key_id: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=STORABLE)]


class DeclaredNames(BaseModel):
    """What people declared about vendors' names."""

    aliases: list[AliasRow]
    links: list[LinkRow]
