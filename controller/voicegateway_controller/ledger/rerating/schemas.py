"""What the routes of re-rating take and answer; amounts are decimal strings in USD."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.http.instants import AnyInstant
from voicegateway_controller.ledger.rerating.selection import REASON_CHARS_MAX


class NewRerating(BaseModel):
    """Rate a part of the past anew."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX, description="Stands beside every entry it books.")
    is_dry_run: bool = Field(default=True, description="Only say what would change.")
    provider: str = Field(default="", description="Only this provider.")
    model: str = Field(default="", description="Only this model of the provider, as requests named it.")
    project: str = Field(default="", description="Only this project.")
    since: AnyInstant | None = Field(default=None, description="Charged at this instant or later.")
    until: AnyInstant | None = Field(default=None, description="Charged before this instant; default: now.")
    only_unrated: bool = Field(default=False, description="Only requests of which a part has no price.")
    allow_unrated: bool = Field(default=False, description="Let requests lose a price that nothing replaces.")
    allow_accepted: bool = Field(
        default=False, description="Also in months whose invoice was accepted: their books leave the invoice."
    )
    as_of: AnyInstant | None = Field(
        default=None, description="By the prices as they were known then; default: now. A dry run says which it took."
    )


class Rerating(BaseModel):
    """One run."""

    number: int = Field(description="Also the revision of the entries it books.")
    state: str = Field(description="`running` (or waiting for its turn), `done` or `cancelled`.")
    is_dry_run: bool
    is_automatic: bool = Field(description="Begun by the runner because a price arrived.")
    reason: str
    actor: str = Field(description="The id of the token, or `runner`.")
    provider: str
    model: str
    project: str
    since: datetime | None
    until: datetime
    only_unrated: bool
    allow_unrated: bool
    as_of: datetime
    correction_id: str = Field(description="What its entries name as their reason.")
    expected: int = Field(description="Requests that it is about, to the hour.")
    seen: int = Field(description="Requests looked at so far.")
    changed: int
    entries: int = Field(description="Entries booked; of a dry run, that would be.")
    without_span: int = Field(description="Requests whose span is no longer in the inbox: left as they are.")
    kept: int = Field(description="Requests that would have lost their price, and kept what they have.")
    failed: int = Field(description="Requests whose rating raised, or whose correction Postgres refused.")
    still_unrated: int = Field(description="Requests of which a part still has no price.")
    before_usd: str = Field(description="What the changed lines cost until now.")
    after_usd: str
    difference_usd: str
    created_at: datetime
    worked_at: datetime | None = Field(description="When its last batch was booked.")
    finished_at: datetime | None


class Change(BaseModel):
    """What a run changes of one meter of one model on one day."""

    day: date
    provider: str
    model: str
    meter: str
    requests: int
    before_usd: str
    after_usd: str
    difference_usd: str


class MovedMonth(BaseModel):
    """A month whose invoice was accepted, and by how much a run moves its books away from it."""

    provider: str
    month: str
    reconciliation: int = Field(description="The accepted one: reconcile the month again, and accept that.")
    difference_usd: str


class RerateDetail(BaseModel):
    """One run and what it changed so far."""

    rerating: Rerating
    accepted: list[MovedMonth] = Field(description="What it changes of months whose invoice was accepted.")
    changes: list[Change] = Field(description="The largest differences first; at most 5,000.")


class Reratings(BaseModel):
    """Runs, the newest first."""

    reratings: list[Rerating]
