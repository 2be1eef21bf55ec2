"""The JSON of one whole call. Amounts are decimal strings in USD; instants are RFC 3339 in UTC."""

from datetime import datetime

from pydantic import BaseModel, Field


class Line(BaseModel):
    """One entry of the books."""

    meter: str
    kind: str = Field(description="`usage`, or what corrected it: `rerate`, `adjustment`, …")
    revision: int
    quantity: int = Field(description="In the meter's base unit.")
    billed_quantity: int = Field(description="After parts, minimum and rounding.")
    amount_usd: str
    price_id: str | None
    unrated_reason: str | None


class Item(BaseModel):
    """One request, or one leg of the call, with all its entries."""

    request_id: str
    project: str
    part: str = Field(description="`stt`, `llm`, `tts`, `realtime`, `transport`, `telephony` or `recording`.")
    provider: str
    model: str
    started_at: datetime | None = Field(description="Null when only the entries are left of it.")
    ended_at: datetime
    outcome: str
    direction: str = Field(description="Of a phone leg: `inbound` or `outbound`.")
    amount_usd: str
    is_estimated: bool
    is_unrated: bool = Field(description="A part of it has no price: the amount is a lower bound.")
    is_corrected: bool
    lines: list[Line]


class OpenLeg(BaseModel):
    """A leg that goes on, or ended a moment ago, and is not in the books yet."""

    part: str
    provider: str
    model: str
    started_at: datetime | None
    ended_at: datetime | None = Field(description="Null while it goes on.")
    duration_ms: int
    amount_usd: str = Field(description="By today's prices, so far.")
    is_unrated: bool


class PartSum(BaseModel):
    """What one part of the call cost."""

    part: str
    requests: int
    amount_usd: str


class Session(BaseModel):
    """One call as the books have it."""

    session_id: str
    projects: list[str]
    agent: str
    room: str
    started_at: datetime | None
    ended_at: datetime | None
    is_live: bool | None = Field(description="Null while Redis is away: nobody knows.")
    requests: int
    estimated_requests: int
    unrated_requests: int
    corrected_requests: int
    total_usd: str = Field(description="The sum of all entries, corrections included.")
    parts: list[PartSum]
    items: list[Item] = Field(description="In the order in which they began.")
    left_out: int = Field(description="Requests beyond those listed; the sums hold them.")
    pending: int = Field(description="Requests of this call that arrived and are not rated yet.")
    open_legs: list[OpenLeg]
    so_far_usd: str = Field(description="The total and what the open legs cost so far.")
