"""The reports' JSON. Amounts are decimal strings in USD with up to 12 decimals; instants are RFC 3339 in UTC."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

CostsBy = Literal["provider", "model", "project", "session", "agent", "day", "hour", "modality"]
SpendBy = Literal["provider", "model", "project"]
Bucket = Literal["hour", "minute"]


class Sums(BaseModel):
    """Money and distinct requests."""

    amount_usd: str = Field(examples=["0.0048"])
    requests: int
    estimated_requests: int = Field(description="Requests whose usage the vendor never told.")
    unrated_requests: int = Field(description="Requests of which a part has no price: the amount is a lower bound.")


class Total(Sums):
    """The sums over all keys, those beyond the listed rows included."""

    sessions: int = Field(description="Calls with a request in these hours.")


class CostsRow(Sums):
    """One key's costs."""

    key: str = Field(description="A model's key is `provider/model`.")
    usage: dict[str, int] = Field(description="Meter: quantity in the meter's base unit; priced meters only.")


class Costs(BaseModel):
    """What was spent, by key, dearest first (days and hours in order)."""

    as_of: datetime
    since: datetime = Field(description="Full hours are counted: rounded down.")
    until: datetime = Field(description="Full hours are counted: rounded up.")
    by: CostsBy
    total: Total
    rows: list[CostsRow]


class SpendPoint(BaseModel):
    """One key's spend in one bucket of time."""

    at: datetime
    key: str
    amount_usd: str
    requests: int


class Spend(BaseModel):
    """Spend over time."""

    bucket: Bucket
    by: SpendBy
    points: list[SpendPoint]


class LatencyRow(BaseModel):
    """Time to first byte of one model."""

    provider: str
    model: str
    modality: str
    requests: int = Field(description="Requests that had a first byte.")
    ttfb_p50_ms: int = Field(description="From a histogram: within 4.5 %.")
    ttfb_p95_ms: int


class Latency(BaseModel):
    """Time to first byte, by model."""

    rows: list[LatencyRow]


class SessionRow(BaseModel):
    """One call."""

    session_id: str
    project: str
    agent: str
    room: str
    started_at: datetime
    ended_at: datetime
    live: bool
    requests: int
    errors: int
    estimated_requests: int
    unrated_requests: int
    amount_usd: str


class Sessions(BaseModel):
    """Calls, the one that started last first."""

    rows: list[SessionRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class LiveSession(BaseModel):
    """One call that is running now."""

    session_id: str
    project: str
    agent: str
    room: str
    started_at: str
    amount_usd: str = Field(description="Rated so far.")


class Live(BaseModel):
    """What is running now, as far as workers have said within the last seconds."""

    calls: int
    workers: int = Field(description="Processes present, idle ones included.")
    sessions: list[LiveSession]
    may_end: bool = Field(description="Whether the token that asked may end sessions.")


class LedgerStatus(BaseModel):
    """How far the ledger is behind the inbox."""

    pending_spans: int
    oldest_pending_age_ms: int
    rated_spans_total: int
    quarantined_total: int
    unrated_requests_total: int
    last_rated_at: datetime | None
