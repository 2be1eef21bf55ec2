"""What the ledger's routes take and answer."""

from datetime import datetime

from pydantic import BaseModel, Field

from voicegateway_controller.http.instants import Month


class Period(BaseModel):
    """One month of the books; amounts are decimal strings in USD."""

    month: str = Field(description="`2026-10`")
    is_closed: bool
    entries: int = Field(description="Entries booked in it.")
    amount_usd: str
    late_entries: int = Field(description="Of those, entries that belong to months that were closed already.")
    pending_spans: int = Field(description="Spans of this month that wait to be rated.")
    closed_at: datetime | None
    closed_by: str = Field(description="The id of the token that closed it.")
    reason: str


class Periods(BaseModel):
    """Months that have entries or are closed, the newest first."""

    periods: list[Period]


class CloseMonth(BaseModel):
    """Close a month for good."""

    month: Month = Field(description="`2026-10`; it must be over, and every month before it closed.")
    reason: str = Field(default="", max_length=1_000, description="For whoever asks later.")


class Account(BaseModel):
    """One account of the trial balance."""

    name: str = Field(description="`cost:<project>`, `accrued:<provider>` or `payable:<provider>`.")
    debit_usd: str
    credit_usd: str
    balance_usd: str = Field(description="Debit minus credit.")


class TrialBalance(BaseModel):
    """All accounts, and that they balance."""

    since: str | None
    until: str | None
    accounts: list[Account]
    debit_usd: str
    credit_usd: str
    difference_usd: str = Field(description="Zero, or the books are broken.")


class Correction(BaseModel):
    """Why entries were booked that are no usage."""

    id: str
    kind: str
    reason: str
    actor: str
    created_at: datetime
    reverses: str | None
    entries: int
    amount_usd: str


class Corrections(BaseModel):
    """Corrections, the newest first."""

    corrections: list[Correction]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
