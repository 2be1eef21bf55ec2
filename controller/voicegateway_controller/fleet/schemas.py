"""The JSON of workers and their job processes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

REASON_CHARS_MAX = 300


class DrainOrder(BaseModel):
    """Why a worker is drained, or no longer."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field("", max_length=REASON_CHARS_MAX, description="For the audit log and whoever looks.")


class WorkerRow(BaseModel):
    """One process of the fleet, as it said of itself within the last seconds."""

    id: str = Field(description="Of this process life: another one after a restart.")
    kind: Literal["worker", "job"] = Field(
        description="`worker`: LiveKit's main process, which takes jobs. `job`: one that carries calls, or waits."
    )
    worker_id: str = Field(description="LiveKit's name of the worker that it is, or belongs to; empty where unknown.")
    agent: str = Field(description="The agent name it takes jobs for.")
    host: str
    pid: int
    shim_version: str
    agents_version: str = Field(description="Of livekit-agents.")
    load_permille: int | None = Field(description="What a worker last measured; 1000 is full. Null of a job process.")
    active_jobs: int | None = Field(description="Calls of a worker's job processes. Null of a job process.")
    sessions: int = Field(description="Calls that this very process carries, of projects that the token reaches.")
    is_drained: bool = Field(description="It takes no new job, by order or because it is shutting down.")
    is_drain_ordered: bool = Field(description="Somebody wants it drained; it hears of that within a second.")
    drain_reason: str
    drained_by: str
    drain_ordered_at: datetime | None
    is_up_to_date: bool = Field(description="It knows the newest limits, budgets and chains.")
    behind: list[str] = Field(description="What of these it knows in an older version: `limits`, `budgets`, `routing`.")
    outbox_rows: int = Field(description="Requests that wait on its host to be delivered.")
    seen_at: datetime
    started_at: str = Field(description="RFC 3339, UTC; empty where it did not say.")


class WorkerList(BaseModel):
    """The fleet's processes."""

    workers: list[WorkerRow] = Field(description="Workers before job processes, then by host, agent and id.")
    next: str | None
    may_drain: bool = Field(description="Whether the token may drain them.")


class PartStatus(BaseModel):
    """One part of the configuration, as the fleet knows it."""

    part: Literal["limits", "budgets", "routing"]
    newest: str | None = Field(
        description="Its newest version for a process that reaches all projects; null while this controller does not "
        "know it."
    )
    up_to_date: int
    behind: int


class BehindRow(BaseModel):
    """One process that knows something older than the newest."""

    id: str
    kind: Literal["worker", "job"]
    host: str
    agent: str
    part: Literal["limits", "budgets", "routing"]
    known: str = Field(description="The version it knows; empty: none.")
    newest: str
    seen_at: datetime


class ConfigStatus(BaseModel):
    """How far the newest configuration has come."""

    processes: int
    up_to_date: int
    parts: list[PartStatus]
    behind: list[BehindRow] = Field(description="At most 500 of them.")
