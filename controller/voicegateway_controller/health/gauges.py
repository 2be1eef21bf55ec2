"""Vendors' health as Prometheus gauges: from what this replica knows anyway, the same at every replica."""

from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.health.records import HEARD_MS_MAX
from voicegateway_controller.health.view import state_of

INTERVAL_S: Final = 15.0
"""As often as Prometheus usually looks."""
MODELS_MAX: Final = 100
"""Models that become labels, by name."""
STATES: Final = {"closed": 0, "half_open": 1, "open": 2, "disabled": 3}

_Labels = tuple[str, str, str]


class HealthGauges:
    """Keeps the gauges; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, board: HealthBoard) -> None:
        self._board = board
        self._shown: set[_Labels] = set()
        self._background = Background("health_gauges", self.update, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._background.close()

    async def update(self) -> None:
        """Show every model that was asked within the last hour; of its accounts and regions the worst."""
        now_ms = self._board.server_ms
        worst: dict[_Labels, list[int]] = {}
        for target, record in self._board.known.records.items():
            if record.state == "closed" and now_ms - record.heard_at > HEARD_MS_MAX:
                continue
            values = [STATES[state_of(record, now_ms=now_ms)], record.degraded, record.p50, record.p95]
            labels = (target.provider, target.model, target.modality)
            worst[labels] = [max(pair) for pair in zip(values, worst.get(labels, values), strict=True)]
        for switch in self._board.switches.off:
            for labels in worst:
                if switch.provider == labels[0] and switch.model in ("", labels[1]):
                    worst[labels][0] = STATES["disabled"]
        shown = set(sorted(worst)[:MODELS_MAX])
        for labels in shown:
            state, degraded, p50, p95 = worst[labels]
            metrics.PROVIDER_STATE.labels(*labels).set(state)
            metrics.PROVIDER_DEGRADED.labels(*labels).set(degraded)
            metrics.PROVIDER_TTFB_SECONDS.labels(*labels, "0.5").set(p50 / 1_000)
            metrics.PROVIDER_TTFB_SECONDS.labels(*labels, "0.95").set(p95 / 1_000)
        for gone in self._shown - shown:
            metrics.PROVIDER_STATE.remove(*gone)
            metrics.PROVIDER_DEGRADED.remove(*gone)
            for quantile in ("0.5", "0.95"):
                metrics.PROVIDER_TTFB_SECONDS.remove(*gone, quantile)
        self._shown = shown
