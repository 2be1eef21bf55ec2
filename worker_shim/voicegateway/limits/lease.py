"""Leases: a holder's part of one pool. Pure state, no I/O; the caller passes the time and guards against other threads.

The rules that keep the fleet's bound (each is taken away by a mutation in tests/integration/controller/limits):
a lease's time counts from before its claim was sent; a smaller promise is kept before it is told; only the answer to
the newest claim counts; what is left when a lease ends counts as spent.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from voicegateway.limits import offline
from voicegateway.limits.offline import OfflineShare
from voicegateway_shared.limits import LimitMeter, PoolSpec
from voicegateway_shared.wire import Claim, Lease, Priority
from voicegateway_shared.wire.sync import LeaseState

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
GUARD_PERCENT: Final = 1
"""How much faster than ours the server's clock may run; what its hand shows never matters."""
HORIZON_S: Final = 1.0
"""A holder wants what it will spend in this time, going by its demand."""
WINDOW_S: Final = 0.5
"""Demand is at least looked at over this long, or one early request would look like a flood."""
HALF_LIFE_S: Final = 0.25
"""Demand rises at once and falls by half in this time."""
REFRESH_NS: Final = NS_PER_S
"""A lease in use is spoken of at least so often: what is not reported counts against the burst."""

REPORT_NS_MIN: Final = 50 * NS_PER_MS
"""Where others wait, what was spent is told within a quarter of the time in which a burst accrues; never sooner."""


def _boot_clock() -> Callable[[], int]:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns if clock is None else partial(time.clock_gettime_ns, clock)


boot_ns: Final = _boot_clock()
"""Nanoseconds that go on while the machine is suspended: a lease must die with the time, not with the work."""


class Reservation:
    """Units of one lease that an attempt holds and turns into spent ones as the truth becomes known."""

    __slots__ = ("_epoch", "_held", "_lease", "_spent")

    def __init__(self, lease: "RateLease", units: int) -> None:
        self._lease, self._held, self._spent, self._epoch = lease, units, 0, lease.epoch

    @property
    def meter(self) -> LimitMeter:
        """What its units are."""
        return self._lease.spec.meter

    def spend(self, units: int) -> int:
        """So much was spent in all so far; what is beyond the reservation becomes a debt. Return how much is new."""
        lease = self._lease
        if self._epoch != lease.epoch:
            # Its lease has ended since, and everything reserved then counts as spent.
            self._spent, self._held, self._epoch = self._spent + self._held, 0, lease.epoch
        more = units - self._spent
        if more <= 0:
            return 0
        covered = min(more, self._held)
        self._held -= covered
        lease.reserved -= covered
        lease.used += more
        self._spent = units
        return more

    def extend(self, now_ns: int, *, spare: int) -> bool:
        """Try to hold at least `spare` units beyond what is spent, for what comes next."""
        lease = self._lease
        lacking = min(spare, lease.spec.burst) - self._held
        if lacking <= 0 or self._epoch != lease.epoch:
            return True
        lease.asked += lacking
        if lease.left(now_ns) < lacking:
            return False
        lease.reserved += lacking
        self._held += lacking
        return True

    def settle(self, units: int) -> None:
        """So much was spent in all; the rest of the reservation is free again. Idempotent."""
        self.spend(units)
        if self._epoch == self._lease.epoch:
            self._lease.reserved -= self._held
        self._held = 0

    def settle_as_reserved(self) -> None:
        """The truth is not known: what is held counts as spent."""
        self.settle(self._spent + self._held)


class RateLease:
    """Units of a rate. `granted` and `used` count over the process's life; `reserved` is not yet known to be spent."""

    __slots__ = (
        "_alone",
        "_asked_since_ns",
        "_need_told",
        "_need_total",
        "_report_ns",
        "asked",
        "deadline_ns",
        "demand_per_s",
        "denied_ns",
        "denied_units",
        "epoch",
        "granted",
        "is_rung",
        "low",
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
        "state",
        "told",
        "used",
        "waiters",
        "wish_not_before_ns",
    )

    def __init__(self, spec: PoolSpec, *, project: str, priority: Priority, now_ns: int) -> None:
        self.spec, self.project = spec, project
        self.priority: Priority = priority
        self.granted = self.used = self.reserved = self.refused = self.epoch = 0
        self.deadline_ns = self.ready_ns = self.not_before_ns = self.wish_not_before_ns = 0
        """The last two: when more may be asked for, by who needs it and for stock."""
        self.denied_units, self.denied_ns = 0, -1
        """So many, and all that is more, were asked for in vain; when that was said to be needed."""
        self.seq, self.sent_ns, self.share_milli = 0, 0, 0
        self.waiters = 0
        """Attempts in line for it."""
        self.state: LeaseState = "ok"
        self.demand_per_s = 0.0
        self.told = 0
        """What was last said to be spent."""
        self.low, self.is_rung = 0, False
        """With no more left than this it is time to ask for more; whether that was noticed."""
        self.asked = 0
        """Units asked for since the demand was last looked at, granted or not: the fleet divides by demand."""
        self._asked_since_ns = now_ns
        self._need_told = self._need_total = 0
        self._report_ns = REFRESH_NS
        self._alone = OfflineShare()

    def left(self, now_ns: int) -> int:
        """Return how many units may be spent at this instant."""
        if self.ready_ns <= now_ns < self.deadline_ns:
            return self.granted - self.used - self.reserved
        return 0

    def reserve(self, units: int, now_ns: int) -> Reservation | None:
        """Take units that will be settled later, or none. A request larger than the burst takes the whole burst."""
        units = min(units, self.spec.burst)
        # As `left` says; written out, for every request of the process comes by here.
        if not self.ready_ns <= now_ns < self.deadline_ns or self.granted - self.used - self.reserved < units:
            return None
        self.reserved += units
        return Reservation(self, units)

    def take_alone(self, units: int, now_ns: int) -> Reservation | None:
        """Go on without a controller, as the limit's policy says, once the lease has ended; None: it says no."""
        since_ns = self.deadline_ns
        if now_ns < since_ns or not self._alone.admits(
            self.spec, self.share_milli, units, since_ns=since_ns, now_ns=now_ns
        ):
            return None
        return Reservation(self, 0)

    @property
    def unspent(self) -> int:
        """Granted and free, now or when what was promised is ready."""
        return self.granted - self.used - self.reserved

    def is_denied(self, units: int, *, since_ns: int, now_ns: int) -> bool:
        """Whether the controller has said no to units that are needed since then, or asking is in vain just now."""
        return units >= self.denied_units and (since_ns <= self.denied_ns or now_ns < self.not_before_ns)

    def due_ns(self, now_ns: int, *, need: int = 0) -> int | None:
        """When to speak of this lease again; None: never, unless something happens. `need`: a waiter's units."""
        if self.used != self.told:
            reasons = [self.sent_ns + self._report_ns]
        elif self.granted > self.used or need:
            # One that nobody asks any more soon gives back what others could use.
            reasons = [self.sent_ns + (REFRESH_NS if self.asked else REFRESH_NS // 2)]
        else:
            reasons = []
        need = min(need, self.spec.burst)
        if self.unspent < need or (need > 0 and now_ns >= self.deadline_ns):
            # Who needs less than what was denied may ask at once.
            reasons.append(self.not_before_ns if need >= self.denied_units else now_ns)
        elif self.unspent <= self.low and (self.asked or self.demand_per_s * HORIZON_S >= 1):
            reasons.append(max(self.not_before_ns, self.wish_not_before_ns))
        return min(reasons, default=None)

    def claim(self, seq: int, now_ns: int, *, need: int = 0, wait_ms: int = 0) -> Claim:
        """Say what was spent and what is wanted; keeps a smaller promise before telling it."""
        self._look_at_demand(now_ns)
        if now_ns >= self.deadline_ns and self.granted > self.used:
            self.used, self.reserved, self.epoch = max(self.used, self.granted), 0, self.epoch + 1
        need = min(need, self.spec.burst)
        held = self.used + self.reserved
        target = held + max(need, int(self.demand_per_s * HORIZON_S))
        self.granted = min(self.granted, target)
        self.seq, self.sent_ns, self.told, self.is_rung = seq, now_ns, self.used, False
        self._need_told, self._need_total = need, held + need if need else 0
        return Claim(
            pool=self.spec.id,
            project=self.project,
            priority=self.priority,
            used=self.used,
            target=target,
            need=self._need_total,
            wait_ms=wait_ms,
            demand_milli=int(self.demand_per_s * 1000),
            waiters=self.waiters,
            refused=self.refused,
        )

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        """Take the answer to a claim; one to an older claim than the newest is ignored."""
        if seq != self.seq:
            return
        self.state = lease.state
        if lease.state == "outdated":
            return
        pause_ns = lease.retry_ms * NS_PER_MS
        if lease.state == "ok" and lease.granted >= self._need_total:
            # Only stock was denied, if anything: whoever needs units meanwhile may ask at once.
            self.not_before_ns, self.wish_not_before_ns = now_ns, now_ns + pause_ns
        else:
            self.not_before_ns = now_ns + pause_ns
            self.denied_units, self.denied_ns = self._need_told if lease.state == "ok" else 0, self.sent_ns
        if lease.state not in ("ok", "paused"):
            return
        self._alone = OfflineShare()
        self.share_milli = lease.share_milli
        self.granted = lease.granted
        self.low = max(0, self.unspent) // 2
        is_contended = lease.ready_ms > 0 or lease.retry_ms > 0
        self._report_ns = min(REFRESH_NS, max(REPORT_NS_MIN, self.spec.burst_ns // 4)) if is_contended else REFRESH_NS
        self.deadline_ns = self.sent_ns + lease.ttl_ms * NS_PER_MS * (100 - GUARD_PERCENT) // 100
        wait_ms = max(lease.ready_ms, lease.retry_ms if lease.state == "paused" else 0)
        self.ready_ns = now_ns + wait_ms * NS_PER_MS * (100 + GUARD_PERCENT) // 100

    def retire(self) -> None:
        """The process ends: what is reserved was asked of its vendor and counts as spent, the rest is not touched."""
        self.used, self.reserved, self.epoch = self.used + self.reserved, 0, self.epoch + 1
        self.granted = min(self.granted, self.used)

    def _look_at_demand(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._asked_since_ns) / NS_PER_S
        if elapsed_s <= 0.0:
            return
        recent = self.asked / max(elapsed_s, WINDOW_S)
        if recent >= self.demand_per_s:
            self.demand_per_s = recent
        else:
            self.demand_per_s += (recent - self.demand_per_s) * (1 - 0.5 ** (elapsed_s / HALF_LIFE_S))
        if elapsed_s >= WINDOW_S:
            self.asked, self._asked_since_ns = 0, now_ns


class SlotLease:
    """Slots of a concurrency limit. Streams that are open stay open, whatever becomes of the lease."""

    __slots__ = (
        "_idle_since_ns",
        "_target_told",
        "deadline_ns",
        "denied_ns",
        "keep_ns",
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
        "state",
        "waiters",
    )

    def __init__(self, spec: PoolSpec, *, project: str, priority: Priority) -> None:
        self.spec, self.project = spec, project
        self.priority: Priority = priority
        self.quota = self.open = self.refused = 0
        self.deadline_ns = self.not_before_ns = 0
        self.seq, self.sent_ns, self.share_milli = 0, 0, 0
        self.waiters = 0
        """Attempts in line for it."""
        self.state: LeaseState = "ok"
        self.keep_ns = 0
        """So long a free slot may be kept for the next stream; 0 while slots are scarce."""
        self.denied_ns = -1
        """When slots were last said to be wanted that were not granted."""
        self._idle_since_ns = self._target_told = 0

    def take(self, now_ns: int) -> bool:
        """Open a stream if a slot is free."""
        if not self.is_free(now_ns):
            return False
        self.open += 1
        return True

    def is_free(self, now_ns: int) -> bool:
        """Whether a stream could be opened."""
        return self.open < self.quota and now_ns < self.deadline_ns

    def is_denied(self, *, since_ns: int, now_ns: int) -> bool:
        """Whether the controller has said no to a slot that is wanted since then, or asking is in vain just now."""
        return since_ns <= self.denied_ns or now_ns < self.not_before_ns

    def take_alone(self, now_ns: int) -> bool:
        """Go on without a controller, as the limit's policy says, once the lease has ended."""
        if now_ns < self.deadline_ns or not offline.admits_stream(self.spec, self.share_milli, self.quota, self.open):
            return False
        self.open += 1
        return True

    def due_ns(self) -> int | None:
        """When to speak of this lease again; None: never, unless something happens."""
        if self.waiters and self.open >= self.quota:
            return self.not_before_ns
        refresh_ns = self.sent_ns + REFRESH_NS
        if self.quota > self.open:
            return min(refresh_ns, self._idle_since_ns + self.keep_ns)
        return refresh_ns if self.open else None

    def free(self, now_ns: int) -> None:
        """A stream has closed; its slot may be used again at once."""
        self.open -= 1
        self._idle_since_ns = now_ns

    def retire(self) -> None:
        """The process ends: no stream is opened any more."""
        self.quota = min(self.quota, self.open)

    def claim(self, seq: int, now_ns: int) -> Claim:
        """Say how many are open and wanted; keeps a smaller promise before telling it."""
        is_kept = now_ns < min(self._idle_since_ns + self.keep_ns, self.deadline_ns)
        target = max(self.open + self.waiters, self.quota if is_kept else 0)
        self.quota = min(self.quota, target)
        self.seq, self.sent_ns, self._target_told = seq, now_ns, target
        return Claim(
            pool=self.spec.id,
            project=self.project,
            priority=self.priority,
            used=self.open,
            target=target,
            demand_milli=target * 1000,
            waiters=self.waiters,
            refused=self.refused,
        )

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        """Take the answer to a claim; one to an older claim than the newest is ignored."""
        if seq != self.seq:
            return
        self.state = lease.state
        if lease.state != "outdated" and lease.granted < self._target_told:
            self.denied_ns = self.sent_ns
        if lease.state in ("outdated", "unknown"):
            return
        self.quota = lease.granted
        self.deadline_ns = self.sent_ns + lease.ttl_ms * NS_PER_MS * (100 - GUARD_PERCENT) // 100
        self.not_before_ns = now_ns + lease.retry_ms * NS_PER_MS
        self.share_milli = lease.share_milli
        self.keep_ns = lease.keep_ms * NS_PER_MS
