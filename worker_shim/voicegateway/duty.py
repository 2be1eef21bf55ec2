"""Duty: whether this process takes new jobs, and what the fleet is told of it. A drain never touches a running call."""

import logging
from collections.abc import Callable
from typing import Any, Final

from voicegateway.identity import Identity, now_text
from voicegateway_shared.wire import WorkerOrder, WorkerState

logger = logging.getLogger("voicegateway")

FULL: Final = 1.0
"""The load at which LiveKit's server sends no jobs; its own threshold is 0.7."""
PERMILLE: Final = 1_000
UNREGISTERED: Final = "unregistered"
"""What LiveKit calls a worker that has not spoken to its server yet."""


class Duty:
    """Lives as long as its runtime. Orders come on the syncer's thread; LiveKit asks on threads of its own."""

    def __init__(self) -> None:
        self._server: Any = None
        self._load = 0.0
        self._started_at = now_text()
        self.is_ordered_off = False
        """The controller has said: take no new job. Holds until it says otherwise, also while it is away."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def is_worker(self) -> bool:
        """Whether this is a worker's main process, which takes jobs."""
        return self._server is not None

    def met(self, server: Any) -> None:
        """This process runs LiveKit's `AgentServer`."""
        self._server = server

    def ordered(self, order: WorkerOrder) -> None:
        """Do as the controller says."""
        if order.is_drained == self.is_ordered_off:
            return
        self.is_ordered_off = order.is_drained
        logger.warning(
            "voicegateway: this worker %s",
            "is drained: it takes no new job, and its calls go on"
            if order.is_drained
            else "takes jobs again: its drain has ended",
        )
        self.on_change()

    def load(self, server: Any, load: float) -> float:
        """Return what is reported instead of a load: full while drained."""
        self.met(server)
        self._load = load
        return max(load, FULL, _threshold(server)) if self.is_ordered_off else load

    def state(self, *, identity: Identity | None, budgets_tag: str, routing_tag: str) -> WorkerState:
        """How this process is, by its own word."""
        server = self._server
        if server is None:
            return WorkerState(
                worker_id=_name(identity.worker_id) if identity is not None else "",
                agent=identity.agent if identity is not None else "",
                started_at=self._started_at,
                budgets_tag=budgets_tag,
                routing_tag=routing_tag,
            )
        is_closing = bool(getattr(server, "draining", False))
        return WorkerState(
            kind="worker",
            worker_id=_name(getattr(server, "id", "")),
            agent=str(getattr(server, "_agent_name", "") or ""),
            load_permille=round(max(0.0, self._load) * PERMILLE),
            active_jobs=_active_jobs(server),
            is_drained=self.is_ordered_off or is_closing,
            started_at=self._started_at,
            budgets_tag=budgets_tag,
            routing_tag=routing_tag,
        )


def _name(worker_id: object) -> str:
    return worker_id if isinstance(worker_id, str) and worker_id != UNREGISTERED else ""


def _active_jobs(server: Any) -> int:
    try:
        return len(server.active_jobs)
    except AttributeError:
        # Before it runs it has no pool of processes.
        return 0


def _threshold(server: Any) -> float:
    """A user's own threshold may lie above full; infinite, as while developing, it is never reached."""
    threshold = getattr(server, "_load_threshold", FULL)
    is_number = isinstance(threshold, int | float) and threshold < float("inf")
    return float(threshold) if is_number else FULL
