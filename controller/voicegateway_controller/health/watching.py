"""Watching breakers: tell people of those that stay open, and when they have closed again."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from voicegateway_controller.alerts.alert import Kind
from voicegateway_controller.health.records import Record
from voicegateway_controller.health.store import HealthStore, Known
from voicegateway_shared.wire import HealthTarget

INTERVAL_S: Final = 5.0
CLOSED_LATELY_MS: Final = 600_000
"""A runner that was away for longer tells no old closings."""

Raise = Callable[..., Awaitable[bool]]


class BreakerWatch:
    """Watches for one runner; any number may watch the same. Holds nothing that needs closing."""

    def __init__(self, store: HealthStore, raise_: Raise, *, open_s: float) -> None:
        self._store, self._raise = store, raise_
        self._open_ms = round(open_s * 1_000)
        self._known = Known()

    async def step(self) -> None:
        """Look once: each opening is told once, and once its end. Raises RedisUnavailable or DatabaseUnavailable."""
        self._known = await self._store.look(self._known)
        for target, record in self._known.records.items():
            if record.state != "closed":
                await self._look_at_open(target, record)
            elif record.closed_at - record.since >= self._open_ms and record.since > 0:
                await self._look_at_closed(target, record)

    async def _look_at_open(self, target: HealthTarget, record: Record) -> None:
        open_ms = self._known.now_ms - record.since
        if open_ms < self._open_ms:
            return
        title = f"{_name(target)} has not been asked for {open_ms // 1_000} s: {_WHY.get(record.why, record.why)}"
        await self._tell(
            "breaker_open", target, record, title, "critical" if record.why == "unauthorized" else "warning"
        )

    async def _look_at_closed(self, target: HealthTarget, record: Record) -> None:
        if self._known.now_ms - record.closed_at > CLOSED_LATELY_MS:
            return
        seconds = (record.closed_at - record.since) // 1_000
        await self._tell("breaker_closed", target, record, f"{_name(target)} is asked again, after {seconds} s", "info")

    async def _tell(self, kind: Kind, target: HealthTarget, record: Record, title: str, severity: str) -> None:
        details: dict[str, Any] = {
            "provider": target.provider,
            "model": target.model,
            "modality": target.modality,
            "account": target.account,
            "region": target.region,
            "openings": record.openings,
        }
        key = f"{kind}:{_name(target)}:{target.modality}:{target.account}:{target.region}:{record.since}"
        await self._raise(kind, key, title, details, severity=severity)


_WHY: Final[dict[str, str]] = {
    "errors": "it fails",
    "timeouts": "it does not answer in time",
    "rate_limited": "it refuses more requests",
    "unauthorized": "it refuses the key",
}


def _name(target: HealthTarget) -> str:
    return f"{target.provider}/{target.model}" if target.model else f"The account {target.account} at {target.provider}"
