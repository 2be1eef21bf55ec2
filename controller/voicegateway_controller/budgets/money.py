"""Money: all that holds budgets, put together for one process."""

from collections.abc import Callable
from datetime import UTC, datetime

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.budgets.ceilings import Ceilings
from voicegateway_controller.budgets.gauges import BudgetGauges
from voicegateway_controller.budgets.leasing import MoneyLeasing, TellsDirectives, TellsTariffs
from voicegateway_controller.budgets.ledger_sums import LedgerSums
from voicegateway_controller.budgets.opening import Openings
from voicegateway_controller.budgets.pools import BudgetPools
from voicegateway_controller.budgets.reconciling import Notify, Reconciling
from voicegateway_controller.budgets.recovered import Recovered
from voicegateway_controller.budgets.service import Budgets


class Money:
    """Lives as long as the process. `start` and `close` are its owner's."""

    def __init__(
        self,
        engine: AsyncEngine,
        redis: Redis,
        budgets: Budgets,
        pools: BudgetPools,
        *,
        tariffs: TellsTariffs | None = None,
        directives: TellsDirectives | None = None,
        notify: Notify | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        ceilings, sums, recovered = Ceilings(engine), LedgerSums(), Recovered(redis)
        self._openings = Openings(pools, ceilings, sums, clock=clock)
        self.leasing = MoneyLeasing(
            engine, budgets, pools, self._openings, recovered, tariffs=tariffs, directives=directives, clock=clock
        )
        self.reconciling = Reconciling(
            engine, budgets, pools, self._openings, recovered, ceilings, sums, notify=notify, clock=clock
        )
        self.gauges = BudgetGauges(budgets, pools, clock=clock)

    def start(self) -> None:
        """Begin to reconcile and to show."""
        self.reconciling.start()
        self.gauges.start()

    async def close(self) -> None:
        """End all that is under way."""
        await self.gauges.close()
        await self.reconciling.close()
        await self._openings.close()
