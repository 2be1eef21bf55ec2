"""The part of a sync message that is about limits: heard, and answered with leases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.errors import ControllerError, Forbidden
from voicegateway_controller.limits import claims
from voicegateway_controller.limits.definitions import Definitions
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.limits.signals import Signals
from voicegateway_shared.limits import PoolSpec
from voicegateway_shared.wire import Claim, Lease, SyncRequest

UNKNOWN_REVISION: Final = -1
"""Said to a holder while this process does not know the limits: the holder keeps the pools it has."""


@dataclass(frozen=True, slots=True)
class LimitsAnswer:
    """What a sync response says of limits."""

    revision: int
    pools: tuple[PoolSpec, ...] | None
    leases: tuple[Lease, ...]


class Leasing:
    """Answers claims; lives as long as the process, and holds nothing that needs closing."""

    def __init__(self, limits: Limits, pools: Pools, signals: Signals) -> None:
        self._limits = limits
        self._pools = pools
        self._signals = signals

    @property
    def is_overloaded(self) -> bool:
        """Whether claims that come now would be refused."""
        return self._pools.is_overloaded

    def check(self, message: SyncRequest, *, allows: Callable[[str], bool]) -> None:
        """Raise BadRequest or Forbidden when the message may not be answered; change nothing."""
        try:
            claims.check(message, allows=allows)
        except Forbidden:
            metrics.LIMIT_SYNCS.labels("forbidden").inc()
            raise

    async def answer(self, message: SyncRequest, *, allows: Callable[[str], bool]) -> LimitsAnswer:
        """Hear claims and signals that `check` let pass. Idempotent by (incarnation, seq).

        Raises RedisUnavailable, or DatabaseUnavailable while there are claims and the limits are not known here yet.
        """
        known = self._limits.known
        if known is None and not message.claims:
            return LimitsAnswer(UNKNOWN_REVISION, None, ())
        try:
            definitions = self._limits.current()
            if message.signals:
                await self._signals.hear(message.signals, definitions.pools)
            leases = await self._lease(message, definitions) if message.claims else ()
        except ControllerError:
            if message.claims:
                metrics.LIMIT_SYNCS.labels("unavailable").inc()
            raise
        if message.claims:
            metrics.LIMIT_SYNCS.labels("answered").inc()
        pools = definitions.pools_for(allows) if message.limits_revision != definitions.revision else None
        return LimitsAnswer(definitions.revision, pools, leases)

    async def _lease(self, message: SyncRequest, definitions: Definitions) -> tuple[Lease, ...]:
        specs = definitions.specs
        asked = [claim for claim in message.claims if _exists_for(claim, specs)]
        with metrics.LIMIT_LEASE_SECONDS.time():
            found = iter(
                await self._pools.lease(message.incarnation, message.seq, asked, specs, revision=definitions.revision)
            )
        leases = tuple(next(found) if _exists_for(claim, specs) else _unknown(claim) for claim in message.claims)
        for lease in leases:
            metrics.LIMIT_LEASES.labels(lease.state).inc()
        return leases


def _exists_for(claim: Claim, specs: Mapping[str, PoolSpec]) -> bool:
    """Say whether a claim is on a pool it may have: one project's pool does not exist for another's claims."""
    spec = specs.get(claim.pool)
    return spec is not None and spec.selector.project in ("", claim.project)


def _unknown(claim: Claim) -> Lease:
    return Lease(pool=claim.pool, project=claim.project, priority=claim.priority, state="unknown")
