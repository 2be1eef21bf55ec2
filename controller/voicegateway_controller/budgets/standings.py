"""Standings: how much of each open window is spent and reserved, from the pools, or from the ledger where none is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.budgets.ledger_sums import LedgerSums
from voicegateway_controller.budgets.pools import BudgetState
from voicegateway_controller.budgets.windows import OpenWindow, open_window
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import ControllerError, Overloaded, RedisUnavailable
from voicegateway_controller.logs import get_logger
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.budgets.budget import BudgetAction
from voicegateway_shared.money import format_nano_usd

AT_ONCE_MAX: Final = 100
"""Pools looked at in one round trip; leases are served in between."""
CONSEQUENCES: Final[Mapping[BudgetAction, str]] = {
    "warn": "nothing is stopped, because its action is to warn",
    "throttle": "it throttles from now on",
    "block": "it blocks from now on",
    "end_session": "it ends sessions from now on",
}

_log = get_logger(__name__)


class Looks(Protocol):
    """Who knows how pools are: `BudgetPools`."""

    async def look_at(self, pools: Sequence[str]) -> list[BudgetState | None]:
        """Return how some pools are, None for those that were never opened. Raises RedisUnavailable."""
        ...


class Sums(Protocol):
    """Who sums the ledger."""

    async def sums(self, windows: Sequence[OpenWindow], now: datetime) -> Mapping[str, int]:
        """Return what was spent in windows, by pool, in nano-dollars. Raises DatabaseUnavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One budget's open window at one instant; amounts in nano-dollars."""

    open: OpenWindow
    spent: int = 0
    reserved: int = 0
    """Leased to workers and not told as spent, and what may be so since the pool lost its memory."""
    unknown: int = 0
    """The part of it that nobody has spoken of since."""
    holders: int = 0
    is_learning: bool = False
    """The pool lost its memory, and has not heard everybody since."""
    is_unbacked: bool = False

    @property
    def left(self) -> int:
        """What is neither spent nor reserved; below zero where the budget was lowered or does not stop."""
        return self.open.spec.amount_nano_usd - self.spent - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """The standings of some budgets, and who could be asked."""

    standings: Mapping[str, Standing]
    """By the budget's id; those whose spending nobody knows are missing."""
    is_live: bool
    """False while Redis is away: then the ledger alone says what is spent."""


class Standings:
    """Asks pools and ledger; lives as long as the process, holds nothing that needs closing."""

    def __init__(self, pools: Looks, sums: Sums) -> None:
        self._pools = pools
        self._sums = sums

    async def of(self, specs: Sequence[BudgetSpec], now: datetime) -> Stood:
        """Return how the open windows of budgets stand; a budget per session has none that anybody shares."""
        windows = [open_window(spec, now) for spec in specs if spec.window != "session"]
        try:
            states = await self._states(windows)
            is_live = True
        except (RedisUnavailable, Overloaded) as error:
            _log.warning("budgets.state_unknown", error=str(error))
            states, is_live = {}, False
        found = {each.spec.id: _of_pool(each, states[each.pool]) for each in windows if each.pool in states}
        unopened = [each for each in windows if each.pool not in states]
        if unopened:
            try:
                sums = await self._sums.sums(unopened, now)
            except ControllerError as error:
                _log.warning("budgets.sums_unknown", error=str(error))
                sums = {}
            found |= {
                each.spec.id: Standing(open=each, spent=sums[each.pool]) for each in unopened if each.pool in sums
            }
        return Stood(standings=found, is_live=is_live)

    async def _states(self, windows: Sequence[OpenWindow]) -> dict[str, BudgetState]:
        found: dict[str, BudgetState] = {}
        for start in range(0, len(windows), AT_ONCE_MAX):
            names = [each.pool for each in windows[start : start + AT_ONCE_MAX]]
            states = await self._pools.look_at(names)
            found |= {name: state for name, state in zip(names, states, strict=True) if state is not None}
        return found


def already_spent(stood: Stood) -> tuple[str, ...]:
    """Return one line for each budget whose amount is spent in the window that is open."""
    return tuple(
        f"budget {name!r} is already spent: ${format_nano_usd(standing.spent)} of "
        f"${format_nano_usd(standing.open.spec.amount_nano_usd)}; {CONSEQUENCES[standing.open.spec.action]}"
        for name, standing in stood.standings.items()
        if standing.spent >= standing.open.spec.amount_nano_usd
    )


class WindowSums:
    """The ledger's sums, over connections of one engine; lives as long as it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._ledger = LedgerSums()

    async def sums(self, windows: Sequence[OpenWindow], now: datetime) -> Mapping[str, int]:
        """Return what was spent in windows, by pool. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await self._ledger.totals(connection, windows, now)


def _of_pool(window: OpenWindow, state: BudgetState) -> Standing:
    return Standing(
        open=window,
        spent=state.spent,
        reserved=state.outstanding + state.unknown,
        unknown=state.unknown,
        holders=state.holders,
        is_learning=state.is_cold or state.unknown > 0,
        is_unbacked=state.is_unbacked,
    )
