"""The JSON of limits. Quantities are whole numbers in a pool's meter: requests, tokens, characters, ms, slots."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.declared.shown import Effective
from voicegateway_controller.http.instants import Instant


class NewLimits(BaseModel):
    """A whole set of declarations; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    limits: list[dict[str, Any]] = Field(
        description="Declarations as in a limits file.", examples=[[{"provider": "openai", "requests_per_min": 500}]]
    )


class Applied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; its replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    pools: int


class PoolHolder(BaseModel):
    """One worker process's lease on a pool."""

    holder: str
    project: str
    priority: str
    leased: int
    spent: int = Field(description="Units spent in its life; for slots, open now.")
    waiters: int
    refused: int


class PoolProject(BaseModel):
    """One project's part of a pool."""

    project: str
    priority: str
    holders: int
    leased: int
    demand_milli: int = Field(description="Thousandths of a unit per second; for slots, thousandths of a slot.")
    waiters: int
    refused: int


class PoolLive(BaseModel):
    """How a pool is now."""

    level: int = Field(description="Units that can be granted now, below zero while a debt is repaid; slots: free.")
    leased: int = Field(description="Units that holders have and did not report spent; slots: leased.")
    spent: int = Field(description="Units spent since the pool began or lost its memory; 0 for slots.")
    holders: int
    waiters: int = Field(description="Requests waiting, as holders said last.")
    refused: int = Field(description="Requests refused, by the holders that are present.")
    paused_ms: int = Field(description="For how long the vendor's 429 still stops new grants.")
    learning_ms: int = Field(description="For how long nothing is granted because the pool lost its memory.")
    top_holders: list[PoolHolder] = Field(description="Those that hold most, at most ten.")
    projects: list[PoolProject]


class LearnedLimit(BaseModel):
    """A limit that the vendor told in an answer within the last hour."""

    provider: str
    model: str
    modality: str
    account: str = Field(description="The vendor key's fingerprint.")
    meter: str
    limit: int
    period_ms: int = Field(description="0 where the vendor does not tell it.")
    remaining: int = Field(description="-1 where the vendor does not tell it.")
    reset_ms: int
    header: str = Field(description="Where it stood.")
    age_ms: int


class Pool(BaseModel):
    """One pool: what is declared, how it is now, what the vendor says."""

    id: str
    limit: str = Field(description="The name of the declaration it comes from.")
    meter: str
    selector: dict[str, str]
    units: int = Field(description="Per period; 0 for slots.")
    period_ms: int
    burst: int
    slots: int
    rate_per_s: float = Field(description="Units per second, for display.")
    weights: dict[str, int]
    min_shares_permille: dict[str, int]
    offline: str
    live: PoolLive | None = Field(description="Null where nobody has used the pool yet, and while Redis is away.")
    learned: list[LearnedLimit]


class LimitsReport(BaseModel):
    """The limits in force and how their pools are."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared them.")
    is_live: bool = Field(description="False while Redis is away: then nobody knows how the pools are.")
    limits: list[dict[str, Any]] = Field(description="What is managed, as given: what PUT replaces.")
    effective: list[Effective] = Field(description="What holds, each resource with the layer that it is from.")
    pools: list[Pool]
    learned: list[LearnedLimit]


class Simulate(BaseModel):
    """What to hold against which traffic."""

    model_config = ConfigDict(extra="forbid")
    limits: list[dict[str, Any]] | None = Field(None, description="Declarations; those in force when absent.")
    since: Instant | None = Field(None, description="24 hours before `until` when absent.")
    until: Instant | None = Field(None, description="Now when absent.")
    admit_wait_ms: int = Field(250, ge=0, le=10_000, description="How long a request may wait before it is refused.")


class SimulatedPool(BaseModel):
    """What one pool would have made of the traffic."""

    id: str
    meter: str
    units: int
    period_ms: int
    burst: int
    slots: int
    holds: bool = Field(description="True when it would have refused nothing.")
    matched: int = Field(description="Requests it is about.")
    admitted_at_once: int
    delayed: int
    refused: int
    delay_p50_ms: int = Field(description="Of the delayed ones.")
    delay_p95_ms: int
    peak_per_min: int = Field(description="Most units asked for in one minute.")
    peak_open: int = Field(description="Most requests open at the same time.")
    first_refused_at: datetime | None
    worst_minute: datetime | None = Field(description="With most refusals; without any, with most demand.")
    worst_minute_refused: int
    smallest: int | None = Field(
        description="Units per period, or slots, that would have refused nothing, with the same burst; to three "
        "digits. Null when too many came in one instant for this burst."
    )


class Simulation(BaseModel):
    """Recorded requests replayed against limits."""

    since: datetime
    until: datetime
    covered_until: datetime | None = Field(description="Earlier than `until` when there were too many requests.")
    requests: int
    is_truncated: bool
    admit_wait_ms: int
    pools: list[SimulatedPool]
