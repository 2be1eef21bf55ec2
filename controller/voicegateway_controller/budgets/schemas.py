"""The JSON of budgets. Amounts are decimal strings in US dollars."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.declared.shown import Effective

State = Literal["ok", "over", "exhausted", "learning"]


class NewBudgets(BaseModel):
    """A whole set of declarations; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    budgets: list[dict[str, Any]] = Field(
        description="Declarations as in a budgets file.",
        examples=[[{"project": "acme", "amount": "25.00", "window": "day", "zone": "Europe/Berlin"}]],
    )
    zone: str | None = Field(
        None, description="An IANA zone for those that follow a calendar and name none; written into them."
    )


class BudgetsApplied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; its replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    budgets: int
    warnings: list[str] = Field(description="Budgets whose amount is spent already: they stop from now on.")


class BudgetsDeclared(BaseModel):
    """The budgets in force."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared them.")
    budgets: list[dict[str, Any]] = Field(description="What is managed, as given: what PUT replaces.")
    effective: list[Effective] = Field(description="What holds, each resource with the layer that it is from.")


class Projection(BaseModel):
    """What will have been spent by an instant, if nothing stops it."""

    at: datetime
    likely_usd: str
    low_usd: str = Field(description="As the cheapest of the past weeks would have it.")
    high_usd: str = Field(description="As the dearest of the past weeks would have it.")


class Forecast(BaseModel):
    """What to expect of one budget."""

    burn_last_hour_usd: str = Field(description="Spent in the last 60 minutes.")
    burn_last_day_usd: str = Field(description="Per hour, over the last 24.")
    runs_out_at: datetime | None = Field(
        description="When the amount is likely to be spent; null when the window ends before, or not within 92 days."
    )
    window_end: Projection | None = Field(description="Null for a window without an end.")
    month_end: Projection = Field(description="Of the calendar month in the budget's zone.")
    sureness: Literal["good", "fair", "poor"] = Field(
        description="good: three weeks or more are known; fair: one or two; poor: none, the last day goes on."
    )
    weeks: int = Field(description="Weeks that it is made of.")


class BudgetStatus(BaseModel):
    """One budget and its open window."""

    id: str
    selector: dict[str, str] = Field(description="Whom it is about; empty: the whole fleet.")
    window: str
    window_id: str = Field(description="Empty where each session is a window of its own.")
    zone: str
    starts_at: datetime | None = Field(description="With the zone's offset.")
    resets_at: datetime | None = Field(description="With the zone's offset; null where the window never ends.")
    thresholds: list[int] = Field(description="Percents of the amount that are told once per window, rising.")
    action: str
    offline: str
    state: State = Field(
        description="exhausted: it stops, and not one request's price is left. over: it does not stop, and its amount "
        "is spent. learning: Redis lost the pool, and not every worker has said since what it holds."
    )
    amount_usd: str
    spent_usd: str | None = Field(
        description="Null where nobody can be asked, per session, and of more than the token's projects."
    )
    reserved_usd: str | None = Field(description="Leased to workers and not spent, or not told yet.")
    left_usd: str | None = Field(description="Neither spent nor reserved.")
    percent: float | None = Field(description="Spent of the amount, for display: one decimal, rounded down.")
    holders: int = Field(description="Worker processes that the pool knows.")
    is_unbacked: bool = Field(description="Money was released while Postgres was away, and is not noted there yet.")
    forecast: Forecast | None = Field(description="Null while Postgres is away, and wherever `spent_usd` is.")


class ProjectForecast(BaseModel):
    """What to expect of one project; of the whole fleet where its name is empty."""

    project: str
    zone: str = Field(description="That of its first budget by the calendar, else the fleet's, else UTC.")
    spent_this_month_usd: str
    burn_last_hour_usd: str
    burn_last_day_usd: str = Field(description="Per hour, over the last 24.")
    month_end: Projection
    sureness: Literal["good", "fair", "poor"]
    weeks: int


class OddHour(BaseModel):
    """An hour that cost far more than the same hour of the past weeks."""

    project: str = Field(description="Empty: the whole fleet.")
    hour: datetime
    spent_usd: str
    usual_usd: str = Field(description="The middle of the past weeks.")
    weeks: int
    is_over: bool = Field(description="False while the hour runs.")


class BudgetsStatus(BaseModel):
    """How the budgets stand, what they will come to, what is odd."""

    as_of: datetime
    revision: int
    is_live: bool = Field(description="False while Redis is away: then the ledger alone says what is spent.")
    budgets: list[BudgetStatus]
    projects: list[ProjectForecast]
    anomalies: list[OddHour]
