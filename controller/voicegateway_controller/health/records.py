"""A breaker's record as Redis keeps it, and what it means to a holder. Pure."""

from typing import Final, cast

import msgspec

from voicegateway_controller.health.switches import Switch
from voicegateway_shared.wire import HealthTarget, ModelHealth
from voicegateway_shared.wire.routing import BreakerCause, BreakerState

HEARD_MS_MAX: Final = 3_600_000
"""What nobody has asked for so long is not told any more."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One target as `lua/note.lua` writes it, in its order. Times are the server's, in ms; 0: never."""

    state: BreakerState
    cause: str
    since: int
    open_until: int
    openings: int
    good: int
    prober: str
    prober_until: int
    closed_at: int
    row: int
    row_at: int
    degraded: int
    base_ms: int
    entered_at: int
    confirmed_at: int
    p50: int
    p95: int
    samples: int
    judged_at: int
    heard_at: int

    @property
    def why(self) -> BreakerCause:
        """Why it is not closed."""
        return cast(BreakerCause, self.cause.replace("-", ""))


def record_of(text: bytes) -> Record:
    """Read a record. Raises ValueError for one that another version wrote."""
    words: list[object] = [int(each) if each.isdigit() else each for each in text.decode().split()]
    try:
        return msgspec.convert(words, Record)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a health record: {error}") from error


def health_of(target: HealthTarget, record: Record, holder: str, *, now_ms: int) -> ModelHealth | None:
    """What a holder is told of a target; None when there is nothing to tell."""
    is_lately = record.state != "closed" or now_ms - record.heard_at <= HEARD_MS_MAX
    if not is_lately or (record.state == "closed" and not record.degraded and not record.samples):
        return None
    is_prober = record.state == "half_open" and record.prober == holder and record.prober_until > now_ms
    wait_ms = record.open_until - now_ms if record.state == "open" else (record.prober_until - now_ms) * is_prober
    return ModelHealth(
        target=target,
        state=record.state,
        cause=record.why if record.state != "closed" else "",
        retry_ms=max(0, wait_ms),
        is_prober=is_prober,
        is_degraded=bool(record.degraded),
        ttfb_p50_ms=record.p50,
        ttfb_p95_ms=record.p95,
        samples=record.samples,
    )


def disabled_of(switch: Switch, *, now_ms: int) -> ModelHealth | None:
    """What every holder is told of what a person has switched off; None when that is over."""
    left_ms = 0 if switch.until_ms is None else switch.until_ms - now_ms
    if switch.until_ms is not None and left_ms <= 0:
        return None
    return ModelHealth(
        target=HealthTarget(provider=switch.provider, model=switch.model),
        state="open",
        cause="disabled",
        retry_ms=left_ms,
    )
