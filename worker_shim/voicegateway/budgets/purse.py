"""Purses: one budget as a process counts it, with the window that is open and the one that follows.

Windows turn by themselves: the controller says how long each is open, and time is counted from before it was asked.
"""

from typing import Final

from voicegateway.budgets.lease import NEVER_NS, NS_PER_MS, MoneyLease, local_lease
from voicegateway.budgets.refusal import MoneyReason, MoneyRefusal
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.wire import BudgetPool
from voicegateway_shared.wire.money import pool_id

RETRY_MS_MIN: Final = 100
"""The least that a refused request is told to wait."""
RETRY_MS_ENDLESS: Final = 60_000
"""Where no window ends: somebody may raise the budget."""


class Purse:
    """Lives as long as its budget is known; of a budget per session there is one for each session."""

    __slots__ = ("ends_ns", "is_local", "lease", "next_ends_ns", "next_pool", "pool", "spec", "waiters", "waiting")

    def __init__(self, spec: BudgetSpec, lease: MoneyLease, *, is_local: bool = False) -> None:
        self.spec, self.lease, self.is_local = spec, lease, is_local
        self.pool = lease.pool
        self.ends_ns = self.next_ends_ns = NEVER_NS
        self.next_pool = ""
        self.waiters = 0
        """Attempts in line for it."""
        self.waiting = 0
        """What they lack, all together."""

    def follow(self, told: BudgetPool, *, sent_ns: int) -> None:
        """Take what the controller says of the budget and its windows."""
        self.spec = told.spec
        self.pool = pool_id(told.spec.id, told.window_id)
        self.ends_ns = _instant(sent_ns, told.ends_in_ms)
        self.next_pool = pool_id(told.spec.id, told.next_window_id) if told.next_window_id else ""
        self.next_ends_ns = _instant(sent_ns, told.next_ends_in_ms)

    def turn(self) -> bool:
        """Go on with the next window; False when nobody has told which that is."""
        if not self.next_pool:
            # Nothing more may be reserved; what is spent is still told, as of the window that was the last we heard of.
            self.ends_ns = NEVER_NS
            self.lease.deadline_ns = 0
            return False
        self.pool, self.ends_ns = self.next_pool, self.next_ends_ns
        self.next_pool = ""
        return True

    def change(self, spec: BudgetSpec) -> None:
        """A budget per session has another amount, say: it holds for the sessions that are open, too."""
        self.spec = spec
        self.lease.granted = spec.amount_nano_usd

    def refusal(self, reason: MoneyReason, now_ns: int) -> MoneyRefusal:
        """Say why an attempt is not admitted."""
        self.lease.refused += 1
        wait_ns = self.lease.not_before_ns - now_ns
        if reason in ("exhausted", "session"):
            wait_ns = RETRY_MS_ENDLESS * NS_PER_MS if self.ends_ns == NEVER_NS else self.ends_ns - now_ns
        return MoneyRefusal(
            budget_id=self.spec.id,
            pool=self.lease.pool,
            action=self.spec.action,
            sentence=self.spec.sentence,
            reason=reason,
            retry_after_ms=max(RETRY_MS_MIN, wait_ns // NS_PER_MS),
        )


def session_purse(spec: BudgetSpec, session_id: str, *, now_ns: int) -> Purse:
    """Return the purse of one session under a budget per session: this process counts it alone."""
    lease = local_lease(pool_id(spec.id, f"session:{session_id}"), spec.amount_nano_usd, now_ns=now_ns)
    return Purse(spec, lease, is_local=True)


def _instant(sent_ns: int, in_ms: int) -> int:
    return sent_ns + in_ms * NS_PER_MS if in_ms > 0 else NEVER_NS
