"""Reconciling: every two seconds one replica merges the ledger into pools, buries the dead, and tells thresholds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.budgets.ceilings import Ceilings
from voicegateway_controller.budgets.leasing import terms
from voicegateway_controller.budgets.ledger_sums import RECENT, LedgerSums
from voicegateway_controller.budgets.opening import Openings
from voicegateway_controller.budgets.pools import BudgetPools, BudgetState, Terms
from voicegateway_controller.budgets.recovered import Recovered
from voicegateway_controller.budgets.service import Budgets
from voicegateway_controller.budgets.windows import OpenWindow, next_window, open_window, window_before, windows_heard
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.logs import get_logger
from voicegateway_shared.budgets import BudgetSpec, crossed
from voicegateway_shared.money import PICO_PER_NANO, format_usd

INTERVAL_S: Final = 2.0
RECONCILE_LOCK: Final = 0x5647_4252_4543
"""Advisory lock: one replica at a time. The letters say VGBREC."""
TOGETHER: Final = 64
"""Pools in one batch of scripts; claims go in between."""
AHEAD: Final = timedelta(minutes=5)
"""The next window is opened so long before it begins: its first claims need no Postgres."""
BEHIND: Final = timedelta(minutes=1)
"""So long after its end a window's thresholds are still looked at."""
OPEN_WAIT_S: Final = 10.0
BURIED_MAX: Final = 8
"""Recovered processes looked after in one step; each may have held money of every budget."""
FORGET_ROWS_AFTER: Final = timedelta(days=100)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = get_logger(__name__)


class Notify(Protocol):
    """Who is told of what people should know; idempotent by key."""

    async def raise_(
        self, kind: Any, key: str, title: str, details: Mapping[str, Any], project: str = "", severity: Any = "warning"
    ) -> bool:
        """Tell it unless this key was told before."""
        ...


class Reconciling:
    """The repeated step; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(
        self,
        engine: AsyncEngine,
        budgets: Budgets,
        pools: BudgetPools,
        openings: Openings,
        recovered: Recovered,
        ceilings: Ceilings,
        sums: LedgerSums,
        *,
        notify: Notify | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._budgets = budgets
        self._pools = pools
        self._openings = openings
        self._recovered = recovered
        self._sums = sums
        self._notify = notify
        self._clock = clock
        self._ceilings = ceilings
        self._background = Background("budgets_reconciling", self.step, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Begin."""
        self._background.start()

    async def close(self) -> None:
        """Stop."""
        await self._background.close()

    async def step(self) -> None:
        """Do it once, unless another replica is at it. Raises DatabaseUnavailable or RedisUnavailable."""
        definitions = self._budgets.known
        if definitions is None:
            return
        async with raw_connection(self._engine) as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", RECONCILE_LOCK):
                metrics.BUDGET_MERGES.labels("away").inc()
                return
            self._ceilings.postgres_answered()
            now = self._clock()
            specs = [spec for spec in definitions.budgets if spec.window != "session"]
            silent = await self._merge_all(connection, specs, definitions.revision, now)
            await self._ceilings.forget(connection, ended_before=now - FORGET_ROWS_AFTER)
            # Single holders last: a search of the ledger that takes too long must hold up no window and no threshold.
            await self._bury(connection, specs, now)
            for window, incarnations in silent:
                await self._settle(connection, window, incarnations, now)
        metrics.BUDGET_MERGES.labels("merged").inc()

    async def _merge_all(
        self, connection: Connection, specs: Sequence[BudgetSpec], revision: int, now: datetime
    ) -> list[tuple[OpenWindow, Sequence[str]]]:
        """Merge every open window and open the next ones; return those whose silent holders should be looked for."""
        silent: list[tuple[OpenWindow, Sequence[str]]] = []
        windows = [open_window(spec, now) for spec in specs]
        # What is told or rated of a window's last moments comes after its end, and may reach a threshold.
        windows += [past for spec in specs if (past := window_before(spec, now, within=BEHIND)) is not None]
        totals = await self._sums.totals(connection, windows, now)
        for batch in _batches(windows):
            asked = [terms(window, revision, now) for window in batch]
            merged = await self._pools.merge((each, totals[each.pool]) for each in asked)
            for window, each, found in zip(batch, asked, merged, strict=True):
                if found is None:
                    if not window.is_past:
                        await self._open(window, each)
                    continue
                if found.silent:
                    silent.append((window, found.silent))
                await self._tell(window, found.state, now)
                if found.state.is_unbacked:
                    await self._back(window, found.state)
        for spec in specs:
            following = next_window(spec, now)
            begins = following.window.start if following is not None else None
            if following is not None and begins is not None and begins - now < AHEAD:
                is_open, _ = await self._pools.now_us(following.pool)
                if not is_open:
                    await self._open(following, terms(following, revision, now))
        return silent

    async def _open(self, window: OpenWindow, asked: Terms) -> None:
        try:
            await self._openings.open(window, asked, within_s=OPEN_WAIT_S)
        except (TimeoutError, DatabaseUnavailable) as error:
            _log.warning("budget.not_opened", pool=window.pool, error=str(error) or type(error).__name__)

    async def _back(self, window: OpenWindow, state: BudgetState) -> None:
        """Commit a ceiling that was raised while Postgres was away."""
        held = await self._ceilings.raise_to(window, epoch=state.epoch, ceiling=state.ceiling)
        if held is None:
            await self._pools.forget(window.pool, epoch=state.epoch)
        else:
            await self._pools.raise_ceiling(window.pool, epoch=state.epoch, ceiling=held)

    async def _settle(
        self, connection: Connection, window: OpenWindow, incarnations: Sequence[str], now: datetime
    ) -> None:
        """Ask the ledger what holders have used that say nothing any more."""
        pending = await self._sums.pending_holders(connection, incarnations)
        silent = [each for each in incarnations if each not in pending]
        await self._release(connection, window, silent, now, is_dead=False)

    async def _bury(self, connection: Connection, specs: Sequence[BudgetSpec], now: datetime) -> None:
        """Release at once what the dead held whose spans have all arrived and are rated."""
        waiting = await self._recovered.first(BURIED_MAX)
        if not waiting:
            return
        pending = await self._sums.pending_holders(connection, waiting)
        dead = [each for each in waiting if each not in pending]
        for spec in specs if dead else ():
            for window in windows_heard(spec, now):
                await self._release(connection, window, dead, now, is_dead=True)
        await self._recovered.remove(dead)
        await self._recovered.again([each for each in waiting if each in pending])

    async def _release(
        self, connection: Connection, window: OpenWindow, incarnations: Sequence[str], now: datetime, *, is_dead: bool
    ) -> None:
        state = await self._pools.look(window.pool) if incarnations else None
        if state is None or state.is_cold:
            return
        if not state.unknown:
            # Nobody else can have held anything here.
            incarnations = await self._pools.known_of(window.pool, incarnations)
        if not incarnations:
            return
        row = await self._ceilings.row(connection, window)
        since = row.opened_at if row is not None else now
        opened = _EPOCH + timedelta(microseconds=state.opened_at_us)
        totals = await self._sums.of_holders(connection, window, incarnations, since=since, until=now + RECENT)
        before: dict[str, int] = {}
        if state.unknown:
            before = await self._sums.of_holders(connection, window, incarnations, since=since, until=opened - RECENT)
        for incarnation in incarnations:
            is_changed = await self._pools.release(
                window.pool,
                incarnation,
                total=totals.get(incarnation, 0),
                before=before.get(incarnation, 0),
                is_dead=is_dead,
            )
            if is_changed:
                metrics.BUDGET_RELEASES.labels("recovered" if is_dead else "silent").inc()

    async def _tell(self, window: OpenWindow, state: BudgetState, now: datetime) -> None:
        """Tell every threshold that is reached; who is told keeps it from being told twice."""
        spec = window.spec
        if self._notify is None:
            return
        reached = crossed(
            spec.thresholds, amount_nano_usd=spec.amount_nano_usd, before_nano_usd=0, after_nano_usd=state.spent
        )
        # A rolling day has no windows to tell apart: it is told at most once on each day.
        when = f"{window.window.id}:{now:%Y-%m-%d}" if window.is_rolling else window.window.id
        for percent in reached:
            is_stopped = percent >= 100 and spec.is_stopping
            await self._notify.raise_(
                "budget_exhausted" if is_stopped else "budget_threshold",
                f"budget:{spec.id}@{when}:{percent}",
                f"Budget {spec.id}: {percent} % of {_usd(spec.amount_nano_usd)} USD spent",
                {
                    "budget": spec.id,
                    "window": window.window.id,
                    "percent": percent,
                    "spent_usd": _usd(state.spent),
                    "amount_usd": _usd(spec.amount_nano_usd),
                    "action": spec.action,
                },
                project=spec.selector.project,
                severity="critical" if is_stopped else "warning",
            )


def _usd(nano: int) -> str:
    return format_usd(nano * PICO_PER_NANO)


def _batches(windows: Sequence[OpenWindow]) -> Iterable[Sequence[OpenWindow]]:
    for start in range(0, len(windows), TOGETHER):
        yield windows[start : start + TOGETHER]
