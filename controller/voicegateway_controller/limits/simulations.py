"""Simulations: the declared limits, or others, held against the traffic that was recorded."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access
from voicegateway_controller.errors import BadRequest, Overloaded
from voicegateway_controller.limits import schemas
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.limits.simulate import Recorded, Simulated, simulate
from voicegateway_controller.limits.traffic import read_traffic
from voicegateway_shared.limits import PoolSpec

REQUESTS_MAX: Final = 100_000
"""Requests replayed, the earliest first: some 50 MB for a moment. The answer says when there were more."""
REPLAYS_MAX: Final = 1_000_000
"""Requests × pools they match: some ten seconds of one core, in a thread beside the ledger and the leases."""
WINDOW_DEFAULT: Final = timedelta(hours=24)
WINDOW_MAX: Final = timedelta(days=31)
RETRY_AFTER_S: Final = 5


class Simulations:
    """Runs one simulation at a time; lives as long as the process."""

    def __init__(self, engine: AsyncEngine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._turn = asyncio.Lock()

    async def run(self, asked: schemas.Simulate, access: Access, *, now: datetime) -> schemas.Simulation:
        """Replay the traffic that the token reaches against a set of limits, by default the one in force.

        Raises BadRequest for wrong limits or a span too long, Overloaded while another one runs, DatabaseUnavailable.
        """
        until = (asked.until or now).astimezone(UTC)
        since = (asked.since or until - WINDOW_DEFAULT).astimezone(UTC)
        if not timedelta(0) < until - since <= WINDOW_MAX:
            raise BadRequest(f"since must be before until, and not more than {WINDOW_MAX.days} days")
        if asked.limits is None:
            pools: Sequence[PoolSpec] = self._limits.current().pools_for(access.allows)
        else:
            pools = self._limits.validate(asked.limits)
        if self._turn.locked():
            raise Overloaded("another simulation is running: try again in a moment", retry_after_s=RETRY_AFTER_S)
        async with self._turn:
            projects = None if access.projects is None else sorted(access.projects)
            requests = await read_traffic(
                self._engine, since=since, until=until, projects=projects, limit=REQUESTS_MAX + 1
            )
            is_truncated = len(requests) > REQUESTS_MAX
            del requests[REQUESTS_MAX:]
            results = await asyncio.to_thread(_replay, pools, requests, admit_wait_ms=asked.admit_wait_ms)
        return schemas.Simulation(
            since=since,
            until=until,
            covered_until=_instant(requests[-1].start_ms) if is_truncated else until,
            requests=len(requests),
            is_truncated=is_truncated,
            admit_wait_ms=asked.admit_wait_ms,
            pools=[_shown(spec, result) for spec, result in zip(pools, results, strict=True)],
        )


def _replay(pools: Sequence[PoolSpec], requests: Sequence[Recorded], *, admit_wait_ms: int) -> list[Simulated]:
    targets = {request.target for request in requests}
    matching = {target: {pool.id for pool in pools if pool.selector.matches(target)} for target in targets}
    replays = sum(len(matching[request.target]) for request in requests)
    if replays > REPLAYS_MAX:
        raise BadRequest(
            f"{len(requests)} requests against the pools they match are {replays} replays, more than {REPLAYS_MAX}: "
            "ask for a shorter span of time or fewer limits"
        )
    return [
        simulate(
            pool,
            [request for request in requests if pool.id in matching[request.target]],
            admit_wait_ms=admit_wait_ms,
        )
        for pool in pools
    ]


def _shown(spec: PoolSpec, result: Simulated) -> schemas.SimulatedPool:
    return schemas.SimulatedPool(
        id=spec.id,
        meter=spec.meter,
        units=spec.units,
        period_ms=spec.period_ms,
        burst=spec.burst,
        slots=spec.slots,
        holds=result.refused == 0,
        matched=result.matched,
        admitted_at_once=result.at_once,
        delayed=result.delayed,
        refused=result.refused,
        delay_p50_ms=result.delay_p50_ms,
        delay_p95_ms=result.delay_p95_ms,
        peak_per_min=result.peak_per_min,
        peak_open=result.peak_open,
        first_refused_at=_instant(result.first_refused_ms),
        worst_minute=_instant(result.worst_minute_ms),
        worst_minute_refused=result.worst_minute_refused,
        smallest=result.smallest,
    )


def _instant(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)
