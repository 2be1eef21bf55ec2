"""Opening: a pool that was never open, or lost its memory, gets it back from Postgres and the ledger; and is raised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.budgets.ceilings import CEILING_MAX, Ceilings, WindowRow, chunk
from voicegateway_controller.budgets.flights import Flights
from voicegateway_controller.budgets.ledger_sums import RECENT, LedgerSums
from voicegateway_controller.budgets.pools import BudgetPools, Opening, Terms
from voicegateway_controller.budgets.windows import OpenWindow
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.logs import get_logger

TRIES: Final = 3
"""An opening that came late is tried again; a Postgres that is slow every time is as good as away."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_log = get_logger(__name__)


class Openings:
    """Opens pools and raises their ceilings, each by one task at a time. Lives as long as the process."""

    def __init__(
        self, pools: BudgetPools, ceilings: Ceilings, sums: LedgerSums, *, clock: Callable[[], datetime]
    ) -> None:
        self._pools = pools
        self._ceilings = ceilings
        self._sums = sums
        self._clock = clock
        self._openings = Flights("budget_opening")
        self._raises = Flights("budget_raise")
        self._is_unbacked = False

    async def close(self) -> None:
        """End what is under way."""
        await self._openings.close()
        await self._raises.close()

    async def open(self, window: OpenWindow, terms: Terms, *, within_s: float) -> None:
        """Open a pool that is cold. Raises TimeoutError, DatabaseUnavailable or RedisUnavailable: it may still be."""
        await self._openings.join(window.pool, lambda: self._open(window, terms), within_s=within_s)

    async def raise_(self, window: OpenWindow, terms: Terms, *, epoch: int, needs: int, within_s: float) -> None:
        """Release as much as is needed, and a little more. Raises TimeoutError or RedisUnavailable."""
        await self._raises.join(
            window.pool, lambda: self._raise(window, terms, epoch=epoch, needs=needs), within_s=within_s
        )

    def raise_soon(self, window: OpenWindow, terms: Terms, *, epoch: int, needs: int) -> None:
        """Release more before anybody waits for it."""
        self._raises.start(window.pool, lambda: self._raise(window, terms, epoch=epoch, needs=needs))

    async def _open(self, window: OpenWindow, terms: Terms) -> None:
        for _ in range(TRIES):
            async with self._ceilings.opening(window) as connection:
                is_open, _ = await self._pools.now_us(window.pool)
                if is_open or await self._open_once(connection, window, terms) != "late":
                    return
        raise DatabaseUnavailable(f"Postgres is too slow to open {window.pool}")

    async def _open_once(self, connection: Connection, window: OpenWindow, terms: Terms) -> str:
        now = self._clock()
        before = await self._ceilings.row(connection, window)
        # What the ledger has may be older than the ceiling, never younger: the difference counts as spent or leased.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            spent, gone, slices, seeds = await self._remembered(connection, window, before, now)
        is_open, seen_us = await self._pools.now_us(window.pool)
        if is_open:
            return "open"
        first = min(terms.limit, spent + chunk(terms.limit)) if terms.is_stopping else 0
        row = await self._ceilings.open(connection, window, ceiling=first)
        opening = Opening(
            seen_us=seen_us,
            epoch=row.epoch,
            ceiling=row.ceiling,
            unknown=max(0, row.ceiling - spent - gone) if row.epoch > 1 else 0,
            spent=spent,
            gone=gone,
            seeds=seeds,
            slices=slices,
        )
        answer = await self._pools.open(terms, opening)
        if answer == "opened":
            metrics.BUDGET_OPENINGS.labels("first" if row.epoch == 1 else "again").inc()
            if row.epoch > 1:
                _log.warning("budget.opened_again", pool=window.pool, epoch=row.epoch, unknown=opening.unknown)
        return answer

    async def _remembered(
        self, connection: Connection, window: OpenWindow, before: WindowRow | None, now: datetime
    ) -> tuple[int, int, dict[int, int], dict[str, int]]:
        slices: dict[int, int] = {}
        gone = 0
        if window.is_rolling:
            slices = await self._sums.slices(connection, window, now)
            spent = sum(slices.values())
            if before is not None:
                ever = await self._sums.since_day_before(connection, window, before.opened_at, now)
                gone = max(0, ever - spent)
        else:
            spent = (await self._sums.totals(connection, [window], now))[window.pool]
        if before is None:
            # Nobody was told of this window: there is nobody to remember.
            return spent, gone, slices, {}
        recent = await self._sums.recent_holders(connection, now)
        seeds = await self._sums.of_holders(connection, window, recent, since=before.opened_at, until=now + RECENT)
        return spent, gone, slices, {incarnation: amount for incarnation, amount in seeds.items() if amount}

    async def seed(self, connection: Connection, window: OpenWindow, incarnation: str, *, until_us: int) -> int:
        """Return what the ledger has of a holder until an instant, since the window was first opened."""
        row = await self._ceilings.row(connection, window)
        until = _EPOCH + timedelta(microseconds=until_us)
        since = row.opened_at if row is not None else until
        found = await self._sums.of_holders(connection, window, [incarnation], since=since, until=until)
        return found.get(incarnation, 0)

    async def _raise(self, window: OpenWindow, terms: Terms, *, epoch: int, needs: int) -> None:
        ceiling = needs + chunk(terms.limit)
        if not terms.is_rolling:
            ceiling = max(needs, min(terms.limit, ceiling))
        ceiling = min(ceiling, CEILING_MAX)
        try:
            held = await self._ceilings.raise_to(window, epoch=epoch, ceiling=ceiling)
        except DatabaseUnavailable as error:
            if not self._is_unbacked:
                _log.error("budget.raised_without_postgres", pool=window.pool, error=str(error))
            self._is_unbacked = True
            metrics.BUDGET_CEILING_RAISES.labels("unbacked").inc()
            await self._pools.raise_ceiling(window.pool, epoch=epoch, ceiling=ceiling, is_backed=False)
            return
        self._is_unbacked = False
        if held is None:
            # Another one was opened since, and lost: what this pool believes is free may be leased.
            _log.warning("budget.epoch_is_old", pool=window.pool, epoch=epoch)
            await self._pools.forget(window.pool, epoch=epoch)
            return
        await self._pools.raise_ceiling(window.pool, epoch=epoch, ceiling=held)
