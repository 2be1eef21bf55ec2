"""The JSON of prices. Amounts are decimal strings; instants are UTC."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.http.instants import Instant

TEXT_CHARS_MAX = 1_000
ROWS_MAX = 10_000
METERS_MAX = 64

LayerName = Literal["builtin", "managed", "account", "project"]


class CreditPrice(BaseModel):
    """What a plan's credits cost, as published."""

    plan: str
    amount: str = Field(description="In US dollars.")
    credits: int = Field(description="For so many credits.")


class Step(BaseModel):
    """The amount that holds above a quantity."""

    above: int = Field(description="In the base unit of the tiers' basis.")
    amount: str


class TiersOf(BaseModel):
    """Amounts by quantity."""

    kind: Literal["cliff", "graduated"]
    basis: str = Field(description="The meter that is compared.")
    steps: list[Step]


class Basis(BaseModel):
    """How the billed quantity comes about."""

    fallback: list[str]
    minus: list[str]
    plus: list[str]
    not_billed: list[str]
    instead_of: list[str]
    times: str | None
    minimum: int = Field(description="In the meter's base unit, as increment is.")
    increment: int
    rounding: str
    rounding_scope: str


class SourceOf(BaseModel):
    """Where a price was read."""

    url: str
    read_on: date
    via: str = Field(description="Through whom, when not from the page itself.")


class PriceRow(BaseModel):
    """One price as published, with its layer and how fresh it is."""

    price_id: str
    provider: str
    model: str
    modality: str
    meter: str
    layer: LayerName = Field(
        description="Higher layers win: `builtin` (shipped with the package), `managed` (list prices that "
        "operators set or imported), `account` (contract of a vendor key, or of all: `*`), `project` (of a project)."
    )
    scope: str = Field(description="The key's fingerprint, `*` or the project; empty for list prices.")
    amount: str = Field(description="As published, for each `per`: US dollars, or credits where `currency` says so.")
    currency: Literal["USD", "credits"]
    per: str = Field(description="Such as `1 minute` or `1000000 tokens`.")
    list_amount: str | None = Field(description="The regular price beside a promotional `amount`.")
    credit_price: CreditPrice | None
    multiplier: str
    discount: str | None = Field(
        description="The share of the list price that is paid, where a discount made this row."
    )
    basis: Basis
    tiers: TiersOf | None
    when: dict[str, str] = Field(description="The context it is for; a key that is not named may be anything.")
    effective_from: datetime | None
    effective_to: datetime | None = Field(description="Excluded; null: open.")
    recorded_at: datetime | None
    record_id: int | None = Field(description="The record that states it; null for what the package ships.")
    recorded_by: str = Field(description="Who recorded it; empty for what the package ships.")
    reason: str = Field(description="Why it was recorded.")
    source: SourceOf
    confidence: str
    note: str
    verified_on: date = Field(description="The day somebody last read it at its source.")
    verified_by: str
    verified_days: int = Field(description="Days since then.")
    is_stale: bool = Field(description="More than 60 days since then.")
    overridden_by: list[str] = Field(
        description="Prices of higher layers, among those asked for, that win over this one in some of its requests."
    )


class PriceList(BaseModel):
    """Prices, in the order of provider, model, modality, meter and context."""

    revision: int = Field(description="Of the managed prices: it grows with each record.")
    version: str = Field(description="Names the whole catalogue's content.")
    at: datetime | None = Field(description="The instant that they hold at; null with `history`.")
    as_of: datetime | None = Field(description="What was known then; null: what is known now.")
    prices: list[PriceRow]
    total: int
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class PriceDetail(BaseModel):
    """One price by its id, also one that no catalogue holds any more."""

    price_id: str
    is_known_now: bool = Field(description="Whether the catalogue of now holds it, in whatever window.")
    price: PriceRow | None = Field(description="Null where only what was rated by is left: see `content`.")
    content: dict[str, Any] = Field(description="The row as a price file would say it.")
    origin: str = Field(description="`builtin`, `managed`, or `local node`.")
    first_version: str = Field(description="The catalogue it was first seen in; empty: it has rated nothing yet.")
    first_seen_at: datetime | None


class _Change(BaseModel):
    """What every change of prices says of itself."""

    model_config = ConfigDict(extra="forbid")
    project: str = Field("", max_length=256, description="For this project alone.")
    account: str = Field(
        "", max_length=256, description="For this vendor key alone, by its fingerprint; `*`: for every key."
    )
    reason: str = Field(min_length=1, max_length=TEXT_CHARS_MAX, description="Why; kept for ever.")
    is_dry_run: bool = Field(False, description="Say what would change, and change nothing.")


class _Windowed(_Change):
    effective_from: Instant | None = Field(None, description="Absent: now.")
    effective_to: Instant | None = Field(None, description="Excluded; absent: open.")


class SetPrice(_Windowed):
    """A price as a price file writes it; without project and account it corrects the list."""

    provider: str = Field(min_length=1, max_length=256)
    model: str = Field(min_length=1, max_length=256, description="Its name, or an alias of it.")
    modality: str | None = Field(None, description="Absent: all in which the list prices this meter.")
    price: dict[str, Any] = Field(
        description="A row: `meter`, `amount` (or `credits`), and what differs from the list price it stands for; "
        "whatever is left out (per, minus, plus, not_billed, times, minimum, increment, tiers …) is taken from there. "
        "Null leaves a key of the list price out. `when` chooses among several.",
        examples=[{"meter": "audio_sent_ms", "amount": "0.0041", "per": "1 minute", "when": {"mode": "streaming"}}],
    )
    source_url: str = Field("", max_length=TEXT_CHARS_MAX, description="Where it stands; absent: its reason.")
    verified_on: date | None = Field(None, description="The day it was read there; absent: today.")
    is_replacing: bool = Field(
        False, description="Withdraw prices of this layer that begin within the window; without it they are a conflict."
    )


class SetDiscount(_Windowed):
    """A share of the list price, for everything the fields name; what is left out may be anything."""

    provider: str = Field(min_length=1, max_length=256)
    model: str = Field("", max_length=256)
    modality: str = Field("", max_length=32)
    meter: str = Field("", max_length=64)
    when: dict[str, str] = Field(default_factory=dict)
    multiplier: str = Field(description="What is paid of the list price: `0.85` is 15 % off.", examples=["0.85"])
    source_url: str = Field("", max_length=TEXT_CHARS_MAX)


class SetPlan(_Windowed):
    """The vendor's plan that requests are on when they do not say; for all without project and account."""

    provider: str = Field(min_length=1, max_length=256)
    plan: str = Field(min_length=1, max_length=256)


class SetCreditPrice(_Windowed):
    """What a plan's credits cost, where that is not what the list says."""

    provider: str = Field(min_length=1, max_length=256)
    plan: str = Field(min_length=1, max_length=256)
    amount: str = Field(description="In US dollars.", examples=["299"])
    per: str = Field(description="For so many credits.", examples=["8_000_000 credits"])
    source_url: str = Field("", max_length=TEXT_CHARS_MAX)
    verified_on: date | None = None


class ImportPrices(_Change):
    """A whole price file as text, or rows; without project and account they are list prices."""

    file: str | None = Field(None, description="A price file, YAML, as in voicegateway_shared/prices.")
    provider: str = Field("", max_length=256, description="Of the rows, where `rows` is given.")
    rows: list[dict[str, Any]] | None = Field(
        None,
        max_length=ROWS_MAX,
        description="Rows as in a price file, each with `model` and `modality`, `aliases` if it likes, and "
        "`source`: {url, read_on, via}.",
    )
    effective_from: Instant | None = Field(
        None,
        description="For rows that state no start and differ from what holds: from then on; absent: now. A row without "
        "a start for which there is no price yet holds since ever.",
    )
    name: str = Field("import", max_length=256, description="Of the file, for messages.")


class Verify(BaseModel):
    """Prices that somebody has read at their source again, unchanged."""

    model_config = ConfigDict(extra="forbid")
    price_ids: list[str] = Field(min_length=1, max_length=ROWS_MAX)
    verified_on: date | None = Field(None, description="Absent: today.")
    source_url: str = Field("", max_length=TEXT_CHARS_MAX, description="Absent: where it was read before.")
    reason: str = Field("read again", min_length=1, max_length=TEXT_CHARS_MAX)


class Changed(BaseModel):
    """One thing that a change did."""

    action: Literal["added", "closed", "split", "replaced", "withdrawn", "reopened", "verified", "unchanged"]
    record_id: int | None = Field(description="The record that says so; null in a dry run, and where nothing changed.")
    kind: Literal["price", "discount", "plan", "credit_price", "context", "verification"]
    provider: str
    price_id: str | None = Field(description="Null for what is no price by itself, such as a plan.")
    content: dict[str, Any] = Field(description="As a price file would say it.")
    effective_from: datetime | None
    effective_to: datetime | None
    before_amount: str | None = Field(None, description="Of the price that held there, in the same unit as now.")


class Applied(BaseModel):
    """What came of a change."""

    revision: int = Field(description="That holds from now on; every process follows within two seconds.")
    is_changed: bool
    is_dry_run: bool
    changes: list[Changed]
    warnings: list[str]


class Imported(BaseModel):
    """What came of an import."""

    revision: int
    is_dry_run: bool
    added: int = Field(description="Rows for what had no price.")
    changed: int = Field(description="Rows that differ from the price that held.")
    unchanged: int
    changes: list[Changed] = Field(description="Those that are not unchanged.")
    warnings: list[str]


class Record(BaseModel):
    """One record of the append-only store."""

    record_id: int
    kind: str
    provider: str
    layer: LayerName
    scope: str
    content: dict[str, Any]
    effective_from: datetime | None
    effective_to: datetime | None
    recorded_at: datetime
    recorded_by: str
    reason: str
    source_url: str
    verified_on: date | None
    supersedes: int | None = Field(description="The record that it stands in for, or withdraws.")
    superseded_by: int | None
    superseded_at: datetime | None
    is_in_force: bool = Field(description="Neither superseded nor a withdrawal.")


class Records(BaseModel):
    """The history of managed prices, the newest first."""

    revision: int
    records: list[Record]
    next: str | None


class RateUsage(BaseModel):
    """Usage to rate by hand."""

    model_config = ConfigDict(extra="forbid")
    provider: str = Field(min_length=1, max_length=256)
    model: str = Field(min_length=1, max_length=256)
    modality: str | None = Field(None, description="Absent: the one in which the model bills such usage.")
    context: dict[str, str] = Field(default_factory=dict, max_length=METERS_MAX, examples=[{"mode": "streaming"}])
    usage: dict[str, int] = Field(
        description="Meter → whole number in its base unit.", max_length=METERS_MAX, examples=[{"audio_sent_ms": 12340}]
    )
    project: str = Field("", max_length=256)
    account: str = Field("", max_length=256)
    at: Instant | None = Field(None, description="When the request ended; absent: now.")
    as_of: Instant | None = Field(None, description="By what was known then; absent: by what is known now.")


class RatedLineOf(BaseModel):
    """One meter of it."""

    meter: str
    quantity: int
    billed_quantity: int
    amount_usd: str = Field(description="12 decimals.")
    list_amount_usd: str = Field(description="12 decimals.")
    price_id: str | None
    layer: LayerName | None


class Rated(BaseModel):
    """What it costs."""

    provider: str
    model: str = Field(description="As the catalogue names it.")
    modality: str
    at: datetime
    as_of: datetime | None
    project: str
    account: str
    amount_usd: str = Field(description="12 decimals: what the contract asks, else the list.")
    list_amount_usd: str = Field(description="12 decimals: what the list prices come to.")
    lines: list[RatedLineOf]
    version: str = Field(description="Of the catalogue.")
    revision: int
