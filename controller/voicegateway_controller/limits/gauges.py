"""Pools as Prometheus gauges: read from Redis now and then, the same at every replica."""

from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.limits.view import LimitsView
from voicegateway_shared.limits import PoolSpec

INTERVAL_S: Final = 15.0
"""As often as Prometheus usually looks."""
POOLS_MAX: Final = 100
"""Pools that become labels, in the order of their declaration."""

_GAUGES: Final = (
    metrics.LIMIT_POOL_LEVEL,
    metrics.LIMIT_POOL_LEASED,
    metrics.LIMIT_POOL_HOLDERS,
    metrics.LIMIT_POOL_WAITERS,
    metrics.LIMIT_POOL_REFUSED,
    metrics.LIMIT_POOL_PAUSED_SECONDS,
)


class Gauges:
    """Keeps the gauges; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, limits: Limits, view: LimitsView) -> None:
        self._limits = limits
        self._view = view
        self._shown: set[str] = set()
        self._background = Background("limit_gauges", self.update, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._background.close()

    async def update(self) -> None:
        """Read every pool once, one after the other; a pool that is gone loses its gauges. Raises RedisUnavailable."""
        definitions = self._limits.known
        pools = [pool for pool in definitions.pools if is_public(pool)][:POOLS_MAX] if definitions else []
        shown = set()
        for pool in pools:
            live = await self._view.state(pool)
            if live is None:
                continue
            shown.add(pool.id)
            values = (live.level, live.leased, live.holders, live.waiters, live.refused, live.paused_ms / 1000)
            for gauge, value in zip(_GAUGES, values, strict=True):
                gauge.labels(pool.id).set(value)
        for gone in self._shown - shown:
            for gauge in _GAUGES:
                gauge.remove(gone)
        self._shown = shown


def is_public(pool: PoolSpec) -> bool:
    """Say whether a pool may be named where no token is asked for: not when it is about a project, agent or account."""
    return not (pool.selector.project or pool.selector.agent or pool.selector.account)
