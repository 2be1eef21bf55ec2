"""Refusals: why a budget lets an attempt not go ahead, and what is to be done about it."""

from typing import Literal

import msgspec

from voicegateway_shared.budgets.budget import BudgetAction
from voicegateway_shared.errors import VoiceGatewayError

MoneyReason = Literal["exhausted", "scarce", "closed", "learning", "session"]
"""`exhausted`: the window has no money left for this request. `scarce`: others hold what is left, and may still give
it back. `closed`: no controller answers, and the budget's `offline` policy refuses. `learning`: the window's memory was
lost, nothing new is granted just now. `session`: this session has spent what one session may."""


class MoneyRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that a budget did not admit. Nothing was asked of its vendor, and nothing is charged."""

    budget_id: str
    pool: str
    """The window of that budget, as its counters in the fleet are named."""
    action: BudgetAction
    sentence: str
    """What the caller should hear."""
    reason: MoneyReason
    retry_after_ms: int
    """Asking again sooner is in vain."""


class BudgetRefused(VoiceGatewayError):
    """An attempt was not admitted by a budget. Whoever made the attempt turns it into speech or into an error."""

    code = "budget_refused"

    def __init__(self, refusal: MoneyRefusal) -> None:
        super().__init__(
            f"the budget {refusal.budget_id!r} refuses this request ({refusal.reason}); "
            f"try again in {refusal.retry_after_ms / 1000:.1f} s"
        )
        self.refusal = refusal
