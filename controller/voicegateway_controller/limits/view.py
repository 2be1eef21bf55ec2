"""The limits as people see them: what is declared, how each pool is, what vendors said; only of projects in reach."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from voicegateway_controller.declared.shown import effective_for, managed_for
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.limits import schemas
from voicegateway_controller.limits.pools import Pools, PoolState
from voicegateway_controller.limits.records import HolderRecord, PoolRecords
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.limits.signals import Learned, Signals
from voicegateway_controller.logs import get_logger
from voicegateway_shared.limits import PoolSpec

TOP_HOLDERS: Final = 10
AT_ONCE: Final = 8
"""Pools looked at in parallel; leases need Redis' connections more than a page does."""

_log = get_logger(__name__)
Allows = Callable[[str], bool]


class LimitsView:
    """Read models of limits; lives as long as the process."""

    def __init__(self, limits: Limits, pools: Pools, records: PoolRecords, signals: Signals) -> None:
        self._limits = limits
        self._pools = pools
        self._records = records
        self._signals = signals

    async def report(self, *, allows: Allows) -> schemas.LimitsReport:
        """Return the limits that concern some projects. While Redis is away their pools' state is not known.

        Raises DatabaseUnavailable while the limits are not known here.
        """
        definitions = self._limits.current()
        pools = definitions.pools_for(allows)
        limits, effective = managed_for(self._limits, allows), effective_for(self._limits, allows)
        try:
            learned = await self._signals.learned()
            states = await self._states(pools, allows)
            is_live = True
        except RedisUnavailable as error:
            _log.warning("limits.state_unknown", error=str(error))
            learned, states, is_live = [], [None] * len(pools), False
        return schemas.LimitsReport(
            revision=definitions.revision,
            created_at=definitions.created_at,
            created_by=definitions.created_by,
            is_live=is_live,
            limits=limits,
            effective=effective,
            pools=[_pool(spec, state, learned) for spec, state in zip(pools, states, strict=True)],
            learned=[_learned(each) for each in learned],
        )

    async def state(self, spec: PoolSpec, *, allows: Allows = lambda project: True) -> schemas.PoolLive | None:
        """Return how one pool is, None when it was never used. Raises RedisUnavailable."""
        state = await self._pools.look(spec)
        return None if state is None else _live(state, await self._records.of(spec), allows)

    async def _states(self, pools: Iterable[PoolSpec], allows: Allows) -> list[schemas.PoolLive | None]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(spec: PoolSpec) -> schemas.PoolLive | None:
            async with turns:
                return await self.state(spec, allows=allows)

        return list(await asyncio.gather(*(one(spec) for spec in pools)))


def _live(state: PoolState, records: list[HolderRecord], allows: Allows) -> schemas.PoolLive:
    seen = [record for record in records if allows(record.project)]
    top = sorted(seen, key=lambda each: (-each.leased, -each.spent, each.incarnation))[:TOP_HOLDERS]
    return schemas.PoolLive(
        level=state.level,
        leased=state.outstanding,
        spent=state.spent,
        holders=state.holders,
        waiters=sum(record.waiters for record in records),
        refused=sum(record.refused for record in records),
        paused_ms=state.paused_ms,
        learning_ms=state.learning_ms,
        top_holders=[
            schemas.PoolHolder(
                holder=each.incarnation,
                project=each.project,
                priority=each.priority,
                leased=each.leased,
                spent=each.spent,
                waiters=each.waiters,
                refused=each.refused,
            )
            for each in top
        ],
        projects=_projects(seen),
    )


def _projects(records: Iterable[HolderRecord]) -> list[schemas.PoolProject]:
    found: dict[tuple[str, str], schemas.PoolProject] = {}
    for record in records:
        sums = found.setdefault(
            (record.project, record.priority),
            schemas.PoolProject(
                project=record.project,
                priority=record.priority,
                holders=0,
                leased=0,
                demand_milli=0,
                waiters=0,
                refused=0,
            ),
        )
        sums.holders += 1
        sums.leased += record.leased
        sums.demand_milli += record.demand_milli
        sums.waiters += record.waiters
        sums.refused += record.refused
    return [found[key] for key in sorted(found)]


def _pool(spec: PoolSpec, live: schemas.PoolLive | None, learned: Iterable[Learned]) -> schemas.Pool:
    return schemas.Pool(
        id=spec.id,
        limit=spec.limit,
        meter=spec.meter,
        selector={name: value for name, value in msgspec.structs.asdict(spec.selector).items() if value},
        units=spec.units,
        period_ms=spec.period_ms,
        burst=spec.burst,
        slots=spec.slots,
        rate_per_s=spec.rate_per_s,
        weights=spec.weights,
        min_shares_permille=spec.min_shares_permille,
        offline=spec.offline,
        live=live,
        learned=[_learned(each) for each in learned if each.concerns(spec)],
    )


def _learned(each: Learned) -> schemas.LearnedLimit:
    return schemas.LearnedLimit(**msgspec.structs.asdict(each))
