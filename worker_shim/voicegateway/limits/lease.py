"""Leases: a holder's part of one pool. Pure state, no I/O; the caller passes the time and guards against other threads.

The rules that keep the fleet's bound (each is taken away by a mutation in tests/integration/controller/limits):
a lease's time counts from before its claim was sent; a smaller promise is kept before it is told; only the answer to
the newest claim counts; what is left when a lease ends counts as spent.
"""

import time
from typing import Final

from voicegateway_shared.limits import PoolSpec
from voicegateway_shared.wire import Claim, Lease, Priority

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
GUARD_PERCENT: Final = 1
"""How much faster than ours the server's clock may run; what its hand shows never matters."""
HORIZON_S: Final = 1.0
"""A holder wants what it will spend in this time, going by its demand."""
WINDOW_S: Final = 0.5
"""Demand is at least looked at over this long, or one early request would look like a flood."""
HALF_LIFE_S: Final = 0.5
"""Demand rises at once and falls by half in this time."""
IDLE_SLOT_NS: Final = NS_PER_S
"""A free slot is kept this long for the next stream, unless somebody waits for one."""


def boot_ns() -> int:
    """Nanoseconds that go on while the machine is suspended: a lease must die with the time, not with the work."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


class RateLease:
    """Units of a rate. `granted` and `used` count over the process's life; `reserved` is not yet known to be spent."""

    __slots__ = (
        "_asked",
        "_asked_since_ns",
        "deadline_ns",
        "demand_per_s",
        "epoch",
        "granted",
        "not_before_ns",
        "priority",
        "project",
        "ready_ns",
        "refused",
        "reserved",
        "sent_ns",
        "seq",
        "share_milli",
        "spec",
        "used",
    )

    def __init__(self, spec: PoolSpec, *, project: str, priority: Priority, now_ns: int) -> None:
        self.spec, self.project, self.priority = spec, project, priority
        self.granted = self.used = self.reserved = self.refused = self.epoch = 0
        self.deadline_ns = self.ready_ns = self.not_before_ns = 0
        self.seq, self.sent_ns, self.share_milli = 0, 0, 0
        self.demand_per_s = 0.0
        self._asked, self._asked_since_ns = 0, now_ns

    def left(self, now_ns: int) -> int:
        """Return how many units may be spent at this instant."""
        if self.ready_ns <= now_ns < self.deadline_ns:
            return self.granted - self.used - self.reserved
        return 0

    def asked(self, units: int) -> None:
        """Note that units were asked for, granted or not: the fleet divides by demand."""
        self._asked += units

    def reserve(self, units: int, now_ns: int) -> bool:
        """Take units that will be settled later, or none. A request larger than the burst takes the whole burst."""
        units = min(units, self.spec.burst)
        if self.left(now_ns) < units:
            return False
        self.reserved += units
        return True

    def settle(self, reserved: int, spent: int, *, epoch: int) -> None:
        """Replace a reservation by what was spent; more than was reserved becomes a debt of the pool."""
        reserved = min(reserved, self.spec.burst)
        if epoch == self.epoch:
            self.reserved -= reserved
            self.used += spent
        else:
            # Its lease has ended since, and everything reserved then counts as spent.
            self.used += max(0, spent - reserved)

    def claim(self, seq: int, now_ns: int, *, need: int = 0, wait_ms: int = 0, waiters: int = 0) -> Claim:
        """Say what was spent and what is wanted; keeps a smaller promise before telling it."""
        self._look_at_demand(now_ns)
        if now_ns >= self.deadline_ns and self.granted > self.used:
            self.used, self.reserved, self.epoch = max(self.used, self.granted), 0, self.epoch + 1
        need = min(need, self.spec.burst)
        held = self.used + self.reserved
        target = held + max(need, int(self.demand_per_s * HORIZON_S))
        self.granted = min(self.granted, target)
        self.seq, self.sent_ns = seq, now_ns
        return Claim(
            pool=self.spec.id,
            project=self.project,
            priority=self.priority,
            used=self.used,
            target=target,
            need=held + need if need else 0,
            wait_ms=wait_ms,
            demand_milli=int(self.demand_per_s * 1000),
            waiters=waiters,
            refused=self.refused,
        )

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        """Take the answer to a claim; one to an older claim than the newest is ignored."""
        if seq != self.seq:
            return
        self.not_before_ns = now_ns + lease.retry_ms * NS_PER_MS
        self.share_milli = lease.share_milli
        if lease.state not in ("ok", "paused"):
            return
        self.granted = lease.granted
        self.deadline_ns = self.sent_ns + lease.ttl_ms * NS_PER_MS * (100 - GUARD_PERCENT) // 100
        wait_ms = max(lease.ready_ms, lease.retry_ms if lease.state == "paused" else 0)
        self.ready_ns = now_ns + wait_ms * NS_PER_MS * (100 + GUARD_PERCENT) // 100

    def _look_at_demand(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._asked_since_ns) / NS_PER_S
        if elapsed_s <= 0.0:
            return
        recent = self._asked / max(elapsed_s, WINDOW_S)
        if recent >= self.demand_per_s:
            self.demand_per_s = recent
        else:
            self.demand_per_s += (recent - self.demand_per_s) * (1 - 0.5 ** (elapsed_s / HALF_LIFE_S))
        if elapsed_s >= WINDOW_S:
            self._asked, self._asked_since_ns = 0, now_ns


class SlotLease:
    """Slots of a concurrency limit. Streams that are open stay open, whatever becomes of the lease."""

    __slots__ = (
        "_idle_since_ns",
        "_is_scarce",
        "deadline_ns",
        "not_before_ns",
        "open",
        "priority",
        "project",
        "quota",
        "refused",
        "sent_ns",
        "seq",
        "share_milli",
        "spec",
    )

    def __init__(self, spec: PoolSpec, *, project: str, priority: Priority) -> None:
        self.spec, self.project, self.priority = spec, project, priority
        self.quota = self.open = self.refused = 0
        self.deadline_ns = self.not_before_ns = 0
        self.seq, self.sent_ns, self.share_milli = 0, 0, 0
        self._idle_since_ns, self._is_scarce = 0, False

    def take(self, now_ns: int) -> bool:
        """Open a stream if a slot is free."""
        if self.open >= self.quota or now_ns >= self.deadline_ns:
            return False
        self.open += 1
        return True

    def free(self, now_ns: int) -> None:
        """A stream has closed; its slot may be used again at once."""
        self.open -= 1
        self._idle_since_ns = now_ns

    def claim(self, seq: int, now_ns: int, *, waiters: int = 0) -> Claim:
        """Say how many are open and wanted; keeps a smaller promise before telling it."""
        is_kept = not self._is_scarce and now_ns - self._idle_since_ns < IDLE_SLOT_NS and now_ns < self.deadline_ns
        target = max(self.open + waiters, self.quota if is_kept else 0)
        self.quota = min(self.quota, target)
        self.seq, self.sent_ns = seq, now_ns
        return Claim(
            pool=self.spec.id,
            project=self.project,
            priority=self.priority,
            used=self.open,
            target=target,
            demand_milli=target * 1000,
            waiters=waiters,
            refused=self.refused,
        )

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        """Take the answer to a claim; one to an older claim than the newest is ignored."""
        if seq != self.seq or lease.state in ("outdated", "unknown"):
            return
        self.quota = lease.granted
        self.deadline_ns = self.sent_ns + lease.ttl_ms * NS_PER_MS * (100 - GUARD_PERCENT) // 100
        self.not_before_ns = now_ns + lease.retry_ms * NS_PER_MS
        self.share_milli = lease.share_milli
        self._is_scarce = lease.retry_ms > 0
