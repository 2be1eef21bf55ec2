"""Budget: how much money may be spent in a window by whom, and what happens then, as the controller tells it."""

from typing import Final, Literal

import msgspec

from voicegateway_shared.budgets.window import WindowKind
from voicegateway_shared.limits.selector import Selector

BudgetAction = Literal["warn", "throttle", "block", "end_session"]
ACTIONS: Final[tuple[BudgetAction, ...]] = ("warn", "throttle", "block", "end_session")
"""From mild to harsh. The last two stop spending, and so hold the budget."""
STOPPING: Final[tuple[BudgetAction, ...]] = ("block", "end_session")
BudgetOfflinePolicy = Literal["open", "closed", "last_lease"]
OFFLINE_POLICIES: Final[tuple[BudgetOfflinePolicy, ...]] = ("open", "closed", "last_lease")

THRESHOLDS_DEFAULT: Final = (50, 80, 100)
SENTENCE_DEFAULT: Final = "I am sorry, I have to end our call here. Goodbye."


class LoopGuard(msgspec.Struct, frozen=True, kw_only=True):
    """The same turn or tool call this often within this time is a loop."""

    repeats: int
    within_s: int


class Guards(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one session may do at most before the budget's action befalls it; 0 and None are no guard."""

    max_cost_nano_usd: int = 0
    max_cost_per_min_nano_usd: int = 0
    max_duration_s: int = 0
    loop: LoopGuard | None = None


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One budget. A selector without fields is the whole fleet; the window `session` gives each session its own."""

    id: str
    """The budget's name; with a window's id, the hash tag of its keys in Redis."""
    selector: Selector
    amount_nano_usd: int
    window: WindowKind
    zone: str = "UTC"
    """Whose calendar begins and ends the windows; without meaning for the others."""
    thresholds: tuple[int, ...] = THRESHOLDS_DEFAULT
    """Percents of the amount that are told once per window, rising."""
    action: BudgetAction = "block"
    offline: BudgetOfflinePolicy = "last_lease"
    """What holders do when no controller can be reached: go on, stop, or spend what they hold and then stop."""
    sentence: str = SENTENCE_DEFAULT
    """What a caller hears when the budget refuses a turn."""
    guards: Guards = Guards()

    @property
    def is_stopping(self) -> bool:
        """True where the budget stops spending; the others only tell or slow it."""
        return self.action in STOPPING
