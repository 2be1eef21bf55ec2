"""Budgets as Prometheus gauges: read from Redis now and then, the same at every replica."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.budgets.pools import BudgetPools, BudgetState
from voicegateway_controller.budgets.service import Budgets
from voicegateway_controller.budgets.windows import open_window
from voicegateway_shared.budgets import BudgetSpec

INTERVAL_S: Final = 15.0
"""As often as Prometheus usually looks."""
BUDGETS_MAX: Final = 100
"""Budgets that become labels, in the order of their declaration."""
TOGETHER: Final = 100
"""Pools looked at in one round trip: five hundred at once would take half of the room in which claims wait."""

_GAUGES: Final = (
    metrics.BUDGET_SPENT,
    metrics.BUDGET_OUTSTANDING,
    metrics.BUDGET_UNKNOWN,
    metrics.BUDGET_LIMIT,
    metrics.BUDGET_HOLDERS,
)


class BudgetGauges:
    """Keeps the gauges; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(
        self, budgets: Budgets, pools: BudgetPools, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._budgets = budgets
        self._pools = pools
        self._clock = clock
        self._shown: set[str] = set()
        self._background = Background("budget_gauges", self.update, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._background.close()

    async def update(self) -> None:
        """Read every budget once; one that is gone loses its gauges. Raises RedisUnavailable."""
        definitions, now = self._budgets.known, self._clock()
        specs = [spec for spec in definitions.budgets if spec.window != "session"] if definitions else []
        names = [open_window(spec, now).pool for spec in specs]
        states: list[BudgetState | None] = []
        for start in range(0, len(names), TOGETHER):
            states += await self._pools.look_at(names[start : start + TOGETHER])
        metrics.BUDGET_UNBACKED.set(sum(state is not None and state.is_unbacked for state in states))
        shown: set[str] = set()
        for spec, state in zip(specs, states, strict=True):
            if state is None or not is_public(spec) or len(shown) == BUDGETS_MAX:
                continue
            shown.add(spec.id)
            values = (state.spent, state.outstanding, state.unknown, spec.amount_nano_usd, state.holders)
            for gauge, value in zip(_GAUGES, values, strict=True):
                gauge.labels(spec.id).set(value)
        for gone in self._shown - shown:
            for gauge in _GAUGES:
                gauge.remove(gone)
        self._shown = shown


def is_public(spec: BudgetSpec) -> bool:
    """Say whether a budget may be named where no token is asked for: not when it is about a project or an agent."""
    return not (spec.selector.project or spec.selector.agent)
