"""The JSON of exports. Amounts are decimal strings in US dollars."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.declared.shown import Effective


class StatementCorrection(BaseModel):
    """Why entries were booked that are no usage."""

    id: str
    kind: str
    reason: str
    actor: str = Field(description="The id of a token, or the job that did it.")
    created_at: datetime


class StatementReport(BaseModel):
    """What one project owes for one month."""

    project: str
    month: str = Field(description="Such as 2026-10, UTC.")
    made_at: datetime
    is_closed: bool = Field(description="Whether nothing can be added to this month any more.")
    cost_usd: str
    list_usd: str
    previous_cost_usd: str = Field(description="Of the month before.")
    price_usd: str | None = Field(description="What is charged, minimums included; null unless it was asked for.")
    margin_usd: str | None
    requests: int
    estimated_requests: int
    unrated_requests: int
    corrections: list[StatementCorrection]
    rows: list[dict[str, str]] = Field(description="As in the CSV: lines, minimums, and the total last.")


class EventsPage(BaseModel):
    """The next usage events."""

    events: list[dict[str, Any]]
    next_cursor: str = Field(description="Send it as cursor to go on; at the end, later, for what has come since.")
    has_more: bool = Field(description="Whether there are more right now.")


class NewMarkups(BaseModel):
    """A whole set of declarations; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    markups: list[dict[str, Any]] = Field(
        description="Declarations as in a markups file.", examples=[[{"project": "acme", "percent": "20"}]]
    )


class MarkupsApplied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; its replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    markups: int


class MarkupsDeclared(BaseModel):
    """The markups in force."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared them.")
    markups: list[dict[str, Any]] = Field(description="What is managed, as given: what PUT replaces.")
    effective: list[Effective] = Field(description="What holds, each resource with the layer that it is from.")


class Margin(BaseModel):
    """What one project's model cost and what it is charged at."""

    project: str
    provider: str
    model: str = Field(description="`minimum: …` for what a rule charges at least.")
    cost_usd: str
    price_usd: str
    margin_usd: str
    margin_percent: str | None = Field(description="Of the price, one digit after the point; null without a price.")
    is_thin: bool


class MarginsReport(BaseModel):
    """Cost, price and margin of a month by project and model."""

    month: str
    thin_percent: int
    rows: list[Margin]
    total: Margin
    is_cut: bool = Field(description="Not all rows are here; the total counts them all.")
