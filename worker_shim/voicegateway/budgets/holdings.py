"""Holdings: the purses of one process — by budget and by session — with their windows, and who pays from which.

Not thread-safe: the book's lock guards it.
"""

from collections.abc import Callable
from typing import Final

from voicegateway.budgets.lease import MoneyLease
from voicegateway.budgets.purse import Purse, session_purse
from voicegateway.budgets.ticket import MoneyPlan
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import BudgetPool

WATCHED_ACTIONS: Final = ("end_session", "throttle")
PLANS_MAX: Final = 1_024
"""Targets × sessions of a process; a job process has a handful."""
SESSIONS_MAX: Final = 1_024
"""Sessions × budgets per session that are counted; of more, the one that was met first begins anew."""
LEASES_MAX: Final = 1_024
"""Windows that are remembered, so that their counters go on should they be met again; of more, clean ones are not."""


class Holdings:
    """Lives as long as its book."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._purses: dict[str, Purse] = {}
        """By budget; those that all processes share."""
        self._of_sessions: dict[str, BudgetSpec] = {}
        """Budgets per session, by id."""
        self._sessions: dict[tuple[str, str], Purse] = {}
        """Budget and session."""
        self._leases: dict[str, MoneyLease] = {}
        """By pool."""
        self.live: list[MoneyLease] = []
        """Those of which there may be something to say."""
        self.plans: dict[tuple[Target, str], MoneyPlan | None] = {}

    def plan_of(self, target: Target, session_id: str) -> MoneyPlan | None:
        """Return what a request must be paid from; None when no budget is about it."""
        key = (target, session_id)
        return self.plans[key] if key in self.plans else self._planned(target, session_id)

    def planned_anew(self, plan: MoneyPlan) -> MoneyPlan:
        """Return what is now in the place of a plan that may be old."""
        return self.plan_of(plan.target, plan.session_id) or MoneyPlan(plan.target, plan.session_id, ())

    def lease_of(self, purse: Purse, now_ns: int) -> MoneyLease:
        """Return the lease of the window that is open."""
        is_turned = False
        while now_ns >= purse.ends_ns:
            is_turned = purse.turn() or is_turned
        if is_turned:
            self._open(purse, now_ns)
            self._choose_live()
        return purse.lease

    def turn(self, now_ns: int) -> None:
        """Go on with the next windows where one has ended."""
        for purse in self._purses.values():
            if now_ns >= purse.ends_ns:
                self.lease_of(purse, now_ns)

    def over(self) -> list[tuple[BudgetSpec, str]]:
        """Return the budgets that all processes share and that are spent, with their windows."""
        return [(purse.spec, purse.lease.pool) for purse in self._purses.values() if purse.lease.is_over]

    def watched(self) -> set[MoneyLease]:
        """Return the leases of windows whose end concerns a call that asks for nothing just then."""
        return {purse.lease for purse in self._purses.values() if purse.spec.action in WATCHED_ACTIONS}

    def configure(self, told: tuple[BudgetPool, ...], *, sent_ns: int, now_ns: int) -> None:
        """Take the budgets that there are now; `sent_ns` is when they were asked for. Plans of before are old."""
        known, self._purses = self._purses, {}
        self._of_sessions = {pool.spec.id: pool.spec for pool in told if not pool.window_id}
        for pool in told:
            if not pool.window_id:
                continue
            purse = known.pop(pool.spec.id, None) or Purse(pool.spec, MoneyLease("", now_ns=now_ns))
            purse.follow(pool, sent_ns=sent_ns)
            self._open(purse, now_ns)
            self._purses[pool.spec.id] = purse
        for purse in known.values():
            purse.lease.is_open = False
        for (budget_id, _), purse in self._sessions.items():
            if budget_id in self._of_sessions:
                purse.change(self._of_sessions[budget_id])
        self.plans.clear()
        self._choose_live()

    def _choose_live(self) -> None:
        """Windows that have ended are spoken of until nothing of them is open, held or untold."""
        self.live = [lease for lease in self._leases.values() if lease.is_open or not lease.is_clean]
        if len(self._leases) > LEASES_MAX:
            self._leases = {lease.pool: lease for lease in self.live}

    def _open(self, purse: Purse, now_ns: int) -> None:
        """Go by the lease of a purse's window, which may have been met before."""
        before = purse.lease
        lease = self._leases.get(purse.pool)
        if lease is None:
            lease = self._leases[purse.pool] = MoneyLease(purse.pool, now_ns=now_ns)
        if lease is not before:
            before.is_open, lease.is_open = False, True
            # The next window's requests will be like this one's.
            lease.expect(before, now_ns)
        purse.lease = lease

    def _planned(self, target: Target, session_id: str) -> MoneyPlan | None:
        purses = [purse for purse in self._purses.values() if purse.spec.selector.matches(target)]
        for spec in self._of_sessions.values():
            if spec.selector.matches(target):
                purses.append(self._session_purse(spec, session_id))
        plan = MoneyPlan(target, session_id, tuple(purses)) if purses else None
        if len(self.plans) >= PLANS_MAX:
            self.plans.clear()
        self.plans[target, session_id] = plan
        return plan

    def _session_purse(self, spec: BudgetSpec, session_id: str) -> Purse:
        key = (spec.id, session_id)
        purse = self._sessions.get(key)
        if purse is None:
            if len(self._sessions) >= SESSIONS_MAX:
                del self._sessions[next(iter(self._sessions))]
                self.plans.clear()
            purse = self._sessions[key] = session_purse(spec, session_id, now_ns=self._now_ns())
        return purse
