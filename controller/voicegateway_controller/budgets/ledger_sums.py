"""What the ledger has of a budget's window: in all, of each holder, of each slice. In whole nano-dollars."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from voicegateway_controller.budgets.windows import OpenWindow
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_shared.budgets.window import SLICE_S, counted_slices
from voicegateway_shared.limits import Selector, Target
from voicegateway_shared.money import PICO_PER_USD, nano_usd_up

TIMEOUT_S: Final = 20.0
"""A longer search is given up; what is told by holders goes on counting."""
RECENT: Final = timedelta(minutes=15)
"""Who was charged anything in this time before a pool is opened is one of its seeds: SEEDS_US in pool.lua."""
HOLDERS_MAX: Final = 20_000
"""Twice the fleet that one controller is meant for."""
SETTLED: Final = timedelta(days=2)
"""Hours this old hardly change; their sums are read again only every SETTLED_EVERY_S."""
SETTLED_EVERY_S: Final = 600.0
ROLLING_MARGIN_SLICES: Final = 2
"""The ledger goes by the workers' clocks, a pool's slices by its server's: where a rolling day begins they differ by
some minutes, and what is merged there would be counted for a second day."""
_HOUR: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(minutes=10)
"""Entries are at most five minutes ahead of us."""

Group = tuple[str, str, str, str]
"""Project, agent, provider, modality: all that a budget can be about."""
Amounts = Mapping[Group, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    read_at_s: float
    until: datetime
    amounts: Amounts


class LedgerSums:
    """Reads sums over connections that it is lent; lives as long as the process and remembers the sums of old hours."""

    def __init__(self) -> None:
        self._settled: dict[datetime | None, _Settled] = {}

    async def totals(self, connection: Connection, windows: Sequence[OpenWindow], now: datetime) -> dict[str, int]:
        """Return what the ledger has of each window, by pool. One search for all windows of the same stretch."""
        stretches: dict[tuple[datetime | None, datetime | None], list[OpenWindow]] = {}
        for window in windows:
            stretches.setdefault(_stretch(window, now, margin=ROLLING_MARGIN_SLICES), []).append(window)
        found: dict[str, int] = {}
        for (since, until), theirs in stretches.items():
            amounts = await self._between(connection, since, until, now)
            # Five hundred budgets and as many groups are a quarter of a second of matching.
            found |= await asyncio.to_thread(_matched, theirs, amounts)
        return found

    async def since_day_before(
        self, connection: Connection, window: OpenWindow, opened_at: datetime, now: datetime
    ) -> int:
        """Return what the ledger has since the beginning of the rolling day that was open at an instant."""
        since = datetime.fromtimestamp(counted_slices(opened_at).start * SLICE_S, UTC)
        return _sum(window.spec.selector, await self._between(connection, since, None, now))

    async def slices(self, connection: Connection, window: OpenWindow, now: datetime) -> dict[int, int]:
        """Return what the ledger has of each slice that a rolling day still counts."""
        slices = counted_slices(now)
        since = datetime.fromtimestamp(slices.start * SLICE_S, UTC)
        rows = await connection.fetch(load_sql(__package__, "spent_in_slices"), since, SLICE_S, timeout=TIMEOUT_S)
        found: dict[int, dict[Group, Decimal]] = {}
        for row in rows:
            # A worker's clock may be ahead; the pool counts by its own.
            number = min(row["slice"], slices[-1])
            amounts = found.setdefault(number, {})
            amounts[_group(row)] = amounts.get(_group(row), Decimal()) + row["amount_usd"]
        sums = {number: _sum(window.spec.selector, amounts) for number, amounts in found.items()}
        return {number: amount for number, amount in sums.items() if amount > 0}

    async def recent_holders(self, connection: Connection, now: datetime) -> list[str]:
        """Return who was charged anything lately."""
        rows = await connection.fetch(
            load_sql(__package__, "recent_holders"), now - RECENT, HOLDERS_MAX, timeout=TIMEOUT_S
        )
        return [row["incarnation"] for row in rows]

    async def of_holders(
        self,
        connection: Connection,
        window: OpenWindow,
        incarnations: Sequence[str],
        *,
        since: datetime,
        until: datetime,
    ) -> dict[str, int]:
        """Return what the ledger has of some holders in a window, as far as it lies between two instants."""
        since = max(since, window.window.start or since)
        until = min(until, window.window.end or until)
        if not incarnations or since >= until:
            return {}
        rows = await connection.fetch(
            load_sql(__package__, "spent_by_holders"), list(incarnations), since, until, timeout=TIMEOUT_S
        )
        found: dict[str, dict[Group, Decimal]] = {}
        for row in rows:
            found.setdefault(row["incarnation"], {})[_group(row)] = row["amount_usd"]
        return {incarnation: _sum(window.spec.selector, amounts) for incarnation, amounts in found.items()}

    async def pending_holders(self, connection: Connection, incarnations: Sequence[str]) -> set[str]:
        """Return which of some holders have spans that are not rated yet."""
        rows = await connection.fetch(load_sql(__package__, "pending_holders"), list(incarnations), timeout=TIMEOUT_S)
        return {row["incarnation"] for row in rows}

    async def _between(
        self, connection: Connection, since: datetime | None, until: datetime | None, now: datetime
    ) -> Amounts:
        """Sum whole hours from the rollup, the parts of hours at both ends from the entries."""
        end = now + _AHEAD if until is None else until
        first = None if since is None else -(-(since - _EPOCH) // _HOUR) * _HOUR + _EPOCH
        last = None if until is None else (end - _EPOCH) // _HOUR * _HOUR + _EPOCH
        if last is not None and first is not None and last <= first:
            return await self._entries(connection, since or _EPOCH, end)
        sums = await self._hours(connection, first, last, now)
        if since is not None and first is not None and since < first:
            sums = _added(sums, await self._entries(connection, since, min(first, end)))
        if last is not None and last < end:
            sums = _added(sums, await self._entries(connection, last, end))
        return sums

    async def _hours(
        self, connection: Connection, since: datetime | None, until: datetime | None, now: datetime
    ) -> Amounts:
        border = (now - SETTLED - _EPOCH) // _HOUR * _HOUR + _EPOCH
        if (since is not None and since >= border) or (until is not None and until <= border):
            return await self._rollup(connection, since, until)
        settled = self._settled.get(since)
        if settled is None or time.monotonic() - settled.read_at_s > SETTLED_EVERY_S:
            amounts = await self._rollup(connection, since, border)
            self._settled = {
                start: each for start, each in self._settled.items() if time.monotonic() - each.read_at_s < 3_600
            }
            settled = self._settled[since] = _Settled(read_at_s=time.monotonic(), until=border, amounts=amounts)
        return _added(settled.amounts, await self._rollup(connection, settled.until, until))

    async def _rollup(self, connection: Connection, since: datetime | None, until: datetime | None) -> Amounts:
        rows = await connection.fetch(load_sql(__package__, "spent_in_hours"), since, until, timeout=TIMEOUT_S)
        return {_group(row): row["amount_usd"] for row in rows}

    async def _entries(self, connection: Connection, since: datetime, until: datetime) -> Amounts:
        rows = await connection.fetch(load_sql(__package__, "spent_in_entries"), since, until, timeout=TIMEOUT_S)
        return {_group(row): row["amount_usd"] for row in rows}


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _stretch(window: OpenWindow, now: datetime, *, margin: int) -> tuple[datetime | None, datetime | None]:
    if window.is_rolling:
        return datetime.fromtimestamp((counted_slices(now).start + margin) * SLICE_S, UTC), None
    return window.window.start, window.window.end


def _matched(windows: Iterable[OpenWindow], amounts: Amounts) -> dict[str, int]:
    return {window.pool: _sum(window.spec.selector, amounts) for window in windows}


def _sum(selector: Selector, amounts: Amounts) -> int:
    usd = sum((amount for group, amount in amounts.items() if selector.matches(_target(group))), Decimal())
    return max(0, nano_usd_up(int(usd * PICO_PER_USD)))


def _target(group: Group) -> Target:
    project, agent, provider, modality = group
    return Target(provider=provider, model="", modality=modality, project=project, agent=agent)


def _group(row: Any) -> Group:
    return row["project"], row["agent"], row["provider"], row["modality"]


def _added(one: Amounts, other: Amounts) -> Amounts:
    return {group: one.get(group, Decimal()) + other.get(group, Decimal()) for group in {*one, *other}}
