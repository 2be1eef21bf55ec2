"""State: what is known of one target at one moment, and what that means for a choice."""

from dataclasses import dataclass
from typing import Final

from voicegateway_shared.routing import Rejection
from voicegateway_shared.wire.routing import BreakerCause, BreakerState

_WHY: Final[dict[str, str]] = {
    "errors": "it failed",
    "timeouts": "it did not answer in time",
    "rate_limited": "it refuses more requests",
    "unauthorized": "it refused the key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of one target, now."""

    state: BreakerState = "closed"
    """`half_open` means that this process may send one request, as the probe; who may not is told `open`."""
    cause: BreakerCause = ""
    retry_ms: int = 0
    """Open: asking again sooner is in vain; 0: as long as nobody says otherwise."""
    is_degraded: bool = False
    ttfb_p50_ms: int = 0
    """Of the fleet, of late; 0 while nobody knows."""
    ttfb_p95_ms: int = 0

    def rejections(self, model: str) -> tuple[Rejection, ...]:
        """Why a candidate, named as people wrote it, should not serve now; none for the one who may probe."""
        if self.state != "open":
            return ()
        wait = f", again in {-(-self.retry_ms // 1_000)} s" if self.retry_ms else ""
        if self.cause == "disabled":
            return (Rejection(model=model, reason="disabled", detail=f"switched off by hand{wait}"),)
        return (Rejection(model=model, reason="breaker", detail=f"{_WHY.get(self.cause, self.cause)}{wait}"),)


WELL: Final = Health()
