"""What a sync message says of the process itself: a LiveKit worker that takes jobs, or one of its job processes."""

from typing import Literal

import msgspec


class WorkerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a process is, by its own word."""

    kind: Literal["worker", "job"] = "job"
    worker_id: str = ""
    """The worker that it is, or belongs to, where it knows."""
    agent: str = ""
    """The agent name it takes jobs for."""
    load_permille: int = 0
    """What it reports to LiveKit; 1000 is full. Of a worker only."""
    active_jobs: int = 0
    """Of a worker only."""
    is_drained: bool = False
    """It takes no new job, by order or because it is shutting down."""
    started_at: str = ""
    """RFC 3339, UTC."""
    budgets_tag: str = ""
    """Of the budgets it knows."""
    routing_tag: str = ""
    """Of the chains it knows."""


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the controller wants of a process. It holds until another answer says otherwise."""

    is_drained: bool = False
    """Take no new job; calls go on."""
