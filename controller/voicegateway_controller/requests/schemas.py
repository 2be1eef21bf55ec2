"""The JSON of requests. Amounts are decimal strings in USD; instants are RFC 3339 in UTC."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Outcome = Literal["ok", "cancelled", "interrupted", "error"]


class RequestRow(BaseModel):
    """One request: an LLM generation, a synthesis, a transcription, a leg of a call."""

    request_id: str
    project: str
    session_id: str
    agent: str
    modality: str
    provider: str
    model: str
    outcome: str
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    ttfb_ms: int | None = Field(description="Time to first byte; null where there was none.")
    attempts: int
    error_type: str
    status_code: int | None
    amount_usd: str | None = Field(description="Null: not rated yet.", examples=["0.000269"])
    is_estimated: bool = Field(description="The vendor never told the usage.")
    is_unrated: bool = Field(description="A part of it has no price: the amount is a lower bound.")
    is_corrected: bool = Field(description="Something was booked after it was rated first.")


class RequestsPage(BaseModel):
    """Requests, the newest first."""

    since: datetime
    until: datetime
    requests: list[RequestRow]
    next: str | None = Field(description="Send it as `cursor` for the next page; null: this is the last.")


class EntryRow(BaseModel):
    """One line of the books."""

    meter: str
    kind: str = Field(description="`usage`, or what corrected it: `rerate`, `credit`, `adjustment`.")
    revision: int
    quantity: int = Field(description="In the meter's base unit.")
    billed_quantity: int = Field(description="After parts, minimum and rounding.")
    amount_usd: str
    list_amount_usd: str = Field(description="At list prices.")
    price_id: str | None
    unrated_reason: str | None
    recorded_at: datetime
    booked_in: date | None = Field(description="The month that took it, where its own was closed.")


class SpanDetail(BaseModel):
    """What the worker delivered."""

    trace_id: str
    span_id: str
    incarnation: str = Field(description="The process life that carried it.")
    room: str
    job_id: str
    speech_id: str
    key_id: str = Field(description="The fingerprint of the vendor key, never the key.")
    response_model: str
    response_id: str
    language: str
    voice: str
    mode: str
    service_tier: str
    arrived_at: datetime
    is_clock_suspect: bool
    usage: dict[str, int] = Field(description="Meter: quantity in its base unit, by our count.")
    reported: dict[str, int] = Field(
        description="By the plugin's count, and the vendor's (`vendor:` before the meter)."
    )
    attributes: dict[str, Any]


class RequestDetail(RequestRow):
    """One request, whole."""

    span: SpanDetail
    entries: list[EntryRow]
