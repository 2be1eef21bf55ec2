"""Breaker: what this process does by itself about a vendor that failed it, with or without a controller. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from voicegateway_shared.health import open_ms
from voicegateway_shared.wire.routing import BreakerCause, BreakerState

NS_PER_MS: Final = 1_000_000
ROW: Final = 2
"""Failures in a row after which a process does not ask again for a while."""
HOLD_MS: Final = 2_000
"""The least time for which it does not: a turn of a conversation."""
CALM_MS: Final = 60_000
"""Who has not failed for so long is asked again as soon after its next failures as if it had never failed."""
PROBE_MS: Final = 10_000
"""How long one probe is waited for before another may go."""

Trouble = Literal["failed", "timed_out", "limited", "unauthorized"]
Observed = Literal["ok"] | Trouble
CAUSES: Final[dict[Trouble, BreakerCause]] = {
    "failed": "errors", "timed_out": "timeouts", "limited": "rate_limited", "unauthorized": "unauthorized",
}  # fmt: skip


@dataclass(slots=True)
class Breaker:
    """Of one target, in one process. Lives as long as there was trouble lately."""

    row: int = 0
    openings: int = 0
    is_closed: bool = True
    until_ns: int = 0
    """Open: when a probe may go."""
    trouble_ns: int = 0
    """When it failed last."""
    probing_ns: int = 0
    """Until when the probe that is under way is waited for."""
    cause: BreakerCause = ""

    def state(self, now_ns: int) -> BreakerState:
        """Half open: one probe may go, and none is under way."""
        if self.is_closed:
            return "closed"
        return "open" if now_ns < max(self.until_ns, self.probing_ns) else "half_open"

    def ok(self, now_ns: int) -> None:
        """An attempt went well. One that began before the trouble says nothing of what is after it."""
        self.row = 0
        if not self.is_closed and now_ns >= self.until_ns:
            self.close()

    def trouble(self, what: Trouble, now_ns: int, *, retry_after_ms: int = 0) -> None:
        """An attempt failed, and it was the vendor's fault."""
        if now_ns - self.trouble_ns > CALM_MS * NS_PER_MS:
            self.row = self.openings = 0
        is_probe = not self.is_closed and now_ns >= self.until_ns
        self.row += 1
        self.trouble_ns, self.cause = now_ns, CAUSES[what]
        if is_probe or self.row >= ROW or what in ("limited", "unauthorized"):
            self.openings += self.is_closed or is_probe
            wait_ms = open_ms(self.cause, self.openings, retry_after_ms)
            if not retry_after_ms:
                wait_ms = max(wait_ms, HOLD_MS)
            self.is_closed, self.probing_ns = False, 0
            self.until_ns = max(self.until_ns, now_ns + wait_ms * NS_PER_MS)

    def close(self) -> None:
        """A probe went well, or the fleet knows better."""
        self.is_closed, self.row, self.until_ns, self.probing_ns, self.cause = True, 0, 0, 0, ""

    def is_forgotten(self, now_ns: int) -> bool:
        """Whether nothing is left to remember."""
        return self.is_closed and now_ns - self.trouble_ns > CALM_MS * NS_PER_MS
