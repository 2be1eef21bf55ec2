"""What tools that look answer, where the API's own shape is too wide for an assistant. Amounts are decimal strings."""

from datetime import datetime

from pydantic import BaseModel, Field

from voicegateway_controller.budgets import schemas as budgets
from voicegateway_controller.calls.schemas import PartSum
from voicegateway_controller.declared.shown import Effective
from voicegateway_controller.health import schemas as health
from voicegateway_controller.limits import schemas as limits
from voicegateway_controller.mcp_server.bounds import LeftOut
from voicegateway_controller.reconcile import schemas as reconcile
from voicegateway_controller.reports import schemas as reports
from voicegateway_controller.routing import schemas as routing
from voicegateway_controller.validation import schemas as validation


class Costs(reports.Costs):
    """What was spent, by key, dearest first (days and hours in order)."""

    left_out: LeftOut = 0


class Spend(reports.Spend):
    """Spend over time, the earliest first."""

    left_out: LeftOut = 0


class Latency(reports.Latency):
    """Time to first byte, by model."""

    left_out: LeftOut = 0


class Sessions(reports.Sessions):
    """Calls, the one that started last first."""

    left_out: LeftOut = 0


class Live(reports.Live):
    """What is running now."""

    left_out: LeftOut = 0


class TimelineRow(BaseModel):
    """One request, or one leg, of a call."""

    request_id: str = Field(description="Empty for a leg that is not in the books yet.")
    part: str = Field(description="`stt`, `llm`, `tts`, `realtime`, `transport`, `telephony` or `recording`.")
    model: str = Field(description="`provider/model`.")
    at_ms: int | None = Field(description="When it began, from the call's start; null when nobody knows.")
    lasts_ms: int | None = Field(description="Null while it goes on.")
    outcome: str
    amount_usd: str
    usage: dict[str, int] = Field(description="Meter: quantity in the meter's base unit.")
    notes: list[str]


class Timeline(BaseModel):
    """One call along its time."""

    session_id: str
    projects: list[str]
    agent: str
    room: str
    started_at: datetime | None
    ended_at: datetime | None
    is_live: bool | None = Field(description="Null while Redis is away: nobody knows.")
    lasts_ms: int | None
    requests: int
    unrated_requests: int = Field(description="Of which a part has no price: the total is a lower bound.")
    pending: int = Field(description="Requests that arrived and are not rated yet.")
    total_usd: str = Field(description="As the books have it.")
    so_far_usd: str = Field(description="With what open legs cost so far.")
    parts: list[PartSum]
    rows: list[TimelineRow] = Field(description="In the order in which they began, or the dearest first.")
    left_out: LeftOut = 0


class PoolRow(BaseModel):
    """One pool of a limit, as it is now."""

    id: str
    limit: str
    meter: str
    selector: dict[str, str]
    units: int = Field(description="Per period; 0 for slots.")
    period_ms: int
    slots: int
    live: limits.PoolLive | None = Field(description="Null where nobody used it yet, and while Redis is away.")


class Limits(BaseModel):
    """The limits in force and how full they are."""

    revision: int
    is_live: bool
    effective: list[Effective] = Field(description="What holds, each with the layer that it is from.")
    pools: list[PoolRow]
    learned: list[limits.LearnedLimit] = Field(description="What vendors told of their limits within the last hour.")
    left_out: LeftOut = 0


class Budgets(budgets.BudgetsStatus):
    """How the budgets stand, and what they will come to."""

    left_out: LeftOut = 0


class Providers(health.ProvidersHealth):
    """How vendors fare."""

    left_out: LeftOut = 0


class Resolution(routing.Resolution):
    """Who would serve a request now, and why not the others."""


class Validation(validation.Validation):
    """Our counts beside others'."""

    left_out: LeftOut = 0


class Disagreements(validation.Requests):
    """Requests whose counts disagree, the newest first."""

    left_out: LeftOut = 0


class Reconciliations(reconcile.Runs):
    """Comparisons of vendors' months with ours, the newest first."""

    left_out: LeftOut = 0


class Reconciliation(BaseModel):
    """One comparison, and where the money differs."""

    run: reconcile.Run
    groups: list[reconcile.Group] = Field(description="The differences by day, model or key.")
    left_out: LeftOut = 0


class AlertLine(BaseModel):
    """What somebody was told."""

    kind: str
    severity: str
    project: str
    title: str
    raised_at: datetime


class Health(BaseModel):
    """How things are, at a glance."""

    is_well: bool = Field(description="Nothing below wants a look, and all of it could be asked.")
    concerns: list[str] = Field(description="What wants a look, in sentences.")
    unknown: list[str] = Field(description="What could not be asked, and why.")
    live_calls: int | None
    workers: int | None
    pending_spans: int | None = Field(description="Delivered and not rated yet.")
    quarantined_spans: int | None
    unrated_requests: int | None
    providers_down: list[health.TargetHealth] = Field(description="Breakers that are not closed.")
    switched_off: list[health.Disabled]
    recent_alerts: list[AlertLine]
    left_out: LeftOut = 0
