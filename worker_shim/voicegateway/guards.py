"""Guards: what one session may do at most — cost, cost per minute, duration, the same turn again and again."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.guard_watch import Guard, Watch, turns_of
from voicegateway.limits.lease import boot_ns
from voicegateway.record import RequestRecord
from voicegateway.target import target_of
from voicegateway_shared.budgets import BudgetSpec, Guards
from voicegateway_shared.limits import Target
from voicegateway_shared.money import PICO_PER_NANO, format_usd

logger = logging.getLogger("voicegateway")

SESSIONS_MAX: Final = 1_024
"""Sessions watched at once; a job process has one, a thread-based worker some dozens."""
REQUESTS_MAX: Final = 4_096
"""Requests whose cost so far is remembered, so that one told twice is counted once."""


class End(Protocol):
    """How a session is ended: as `Sessions.end` does it."""

    def __call__(self, session_id: str, sentence: str, reason: str, *, budget_id: str = "") -> object:
        """End it; returns at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One guard of one budget that a session has crossed."""

    session_id: str
    budget: BudgetSpec
    guard: Guard

    def __str__(self) -> str:
        return f"guard {self.guard} ({_bound(self.budget.guards, self.guard)}) of budget {self.budget.id!r} was reached"


class SessionGuards:
    """Watches the sessions of a process. Any thread; lives as long as its runtime.

    `end` is called, as `Sessions.end` is, for a session that a guard ends.
    """

    def __init__(self, end: End, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._end, self._now_ns = end, now_ns
        self._lock = threading.Lock()
        self._budgets: dict[str, BudgetSpec] = {}
        self._watches: OrderedDict[str, dict[str, Watch]] = OrderedDict()
        self._told: OrderedDict[str, int] = OrderedDict()
        """By request, the cost counted so far."""
        self._blocked: dict[str, dict[str, MoneyRefusal]] = {}
        self._throttled: dict[str, set[str]] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        """Sessions that have closed, the last of them: their last requests are priced after that."""
        self.is_watching = False
        """An attribute, for every request looks at it."""

    def know(self, budgets: Iterable[BudgetSpec]) -> None:
        """Take the budgets of the moment: those without guards are none of ours."""
        with self._lock:
            self._budgets = {budget.id: budget for budget in budgets if budget.guards != Guards()}
            self.is_watching = bool(self._budgets)
            for session_id, watches in list(self._watches.items()):
                for budget_id in watches.keys() - self._budgets.keys():
                    del watches[budget_id]
                for held in (self._blocked.get(session_id, {}), self._throttled.get(session_id, set())):
                    for budget_id in set(held) - self._budgets.keys():
                        held.pop(budget_id) if isinstance(held, dict) else held.discard(budget_id)

    def began(self, record: RequestRecord) -> None:
        """Note that a session makes a request: its time runs from the first one."""
        if not self.is_watching:
            return
        with self._lock:
            self._closed.pop(record.identity.session_id, None)
            self._matching(record.identity.session_id, target_of(record), self._now_ns())

    def ended(self, record: RequestRecord) -> None:
        """Look at what a language model has said, once its request has ended well."""
        if not self.is_watching or record.modality != "llm" or record.outcome != "ok":
            return
        session_id, now_ns = record.identity.session_id, self._now_ns()
        crossings: list[Crossing] = []
        with self._lock:
            matching = self._matching(session_id, target_of(record), now_ns)
            if not any(budget.guards.loop for budget, _ in matching):
                return
            turns = turns_of(record)
            for budget, watch in matching:
                crossings += _crossings(session_id, budget, watch.take_turn(turns, budget.guards, now_ns))
        self._act(crossings)

    def priced(self, record: RequestRecord, cost_nano_usd: int) -> None:
        """Count what a request has cost so far: told again, only what is new counts."""
        if not self.is_watching:
            return
        session_id, now_ns = record.identity.session_id, self._now_ns()
        crossings: list[Crossing] = []
        with self._lock:
            new = cost_nano_usd - self._told.pop(record.request_id, 0)
            self._told[record.request_id] = cost_nano_usd
            if len(self._told) > REQUESTS_MAX:
                self._told.popitem(last=False)
            for budget, watch in self._matching(session_id, target_of(record), now_ns):
                crossings += _crossings(session_id, budget, watch.spend(new, budget.guards, now_ns))
        self._act(crossings)

    def tick(self) -> None:
        """Look at the time; to be called every few seconds."""
        if not self.is_watching:
            return
        now_ns = self._now_ns()
        crossings: list[Crossing] = []
        with self._lock:
            for session_id, watches in self._watches.items():
                for budget_id, watch in watches.items():
                    budget = self._budgets[budget_id]
                    crossings += _crossings(session_id, budget, watch.last(budget.guards, now_ns))
        self._act(crossings)

    def refusal(self, record: RequestRecord) -> MoneyRefusal | None:
        """Why a session's next turn is refused; None when it is not."""
        blocked = self._blocked.get(record.identity.session_id)
        if not blocked:
            return None
        target = target_of(record)
        with self._lock:
            for budget_id, refusal in blocked.items():
                # A guard may have been crossed at the moment in which its budget went.
                budget = self._budgets.get(budget_id)
                if budget is not None and budget.selector.matches(target):
                    return refusal
        return None

    def is_throttled(self, session_id: str) -> bool:
        """Whether a guard says that a session should make do with the cheaper candidate."""
        return bool(self._throttled.get(session_id))

    def forget(self, session_id: str) -> None:
        """A session has closed."""
        with self._lock:
            for kept in (self._watches, self._blocked, self._throttled):
                kept.pop(session_id, None)
            self._closed[session_id] = None
            if len(self._closed) > SESSIONS_MAX:
                self._closed.popitem(last=False)

    def _matching(self, session_id: str, target: Target, now_ns: int) -> list[tuple[BudgetSpec, Watch]]:
        if session_id in self._closed:
            return []
        watches = self._watches.get(session_id)
        found: list[tuple[BudgetSpec, Watch]] = []
        for budget in self._budgets.values():
            if not budget.selector.matches(target):
                continue
            if watches is None:
                watches = self._watches[session_id] = {}
                self._forget_the_oldest()
            watch = watches.get(budget.id)
            if watch is None:
                watch = watches[budget.id] = Watch(since_ns=now_ns)
            found.append((budget, watch))
        return found

    def _forget_the_oldest(self) -> None:
        if len(self._watches) > SESSIONS_MAX:
            oldest, _ = self._watches.popitem(last=False)
            self._blocked.pop(oldest, None)
            self._throttled.pop(oldest, None)

    def _act(self, crossings: Iterable[Crossing]) -> None:
        for crossing in crossings:
            session_id, budget = crossing.session_id, crossing.budget
            if budget.action == "end_session":
                self._end(session_id, budget.sentence, str(crossing), budget_id=budget.id)
                continue
            logger.warning("voicegateway: session %s: %s; action: %s", session_id, crossing, budget.action)
            with self._lock:
                if budget.action == "block":
                    self._blocked.setdefault(session_id, {})[budget.id] = _refusal(budget)
                elif budget.action == "throttle":
                    self._throttled.setdefault(session_id, set()).add(budget.id)


def _crossings(session_id: str, budget: BudgetSpec, guards: Iterator[Guard]) -> list[Crossing]:
    return [Crossing(session_id=session_id, budget=budget, guard=guard) for guard in guards]


def _bound(guards: Guards, guard: Guard) -> str:
    if guard == "max_cost":
        return f"${format_usd(guards.max_cost_nano_usd * PICO_PER_NANO)}"
    if guard == "max_cost_per_min":
        return f"${format_usd(guards.max_cost_per_min_nano_usd * PICO_PER_NANO)} a minute"
    if guard == "loop" and guards.loop is not None:
        return f"{guards.loop.repeats} times in {guards.loop.within_s} s"
    return f"{guards.max_duration_s} s"


def _refusal(budget: BudgetSpec) -> MoneyRefusal:
    return MoneyRefusal(
        budget_id=budget.id,
        pool=f"{budget.id}@",
        action=budget.action,
        sentence=budget.sentence,
        reason="session",
        retry_after_ms=0,
    )
