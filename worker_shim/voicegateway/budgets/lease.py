"""Money leases: a holder's part of one window of one budget. Pure state, no I/O; the caller passes the time and guards
against other threads. Amounts are whole nano-dollars and count over one process life in one window.

The rules that keep the fleet's bound: a lease's time counts from before its claim was sent; a smaller promise is kept
before it is told; only the answer to the newest claim counts. Unlike a rate's, what is left when a lease ends does not
count as spent: the ledger knows what was.
"""

from typing import Final

from voicegateway_shared.wire import MoneyClaim
from voicegateway_shared.wire import MoneyLease as Told
from voicegateway_shared.wire.money import MoneyState

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
GUARD_PERCENT: Final = 1
"""How much faster than ours the server's clock may run."""
NEVER_NS: Final = 2**63 - 1
HORIZON_S: Final = 5.0
"""A holder wants what it will reserve in this time, going by its demand."""
WINDOW_S: Final = 1.0
"""Demand is at least looked at over this long."""
HALF_LIFE_S: Final = 2.0
"""Demand rises at once and falls by half in this time."""
STOCK_REQUESTS: Final = 3
"""A lone call asks for a reply, its speech and a stretch of listening within a second; none of them should wait."""
IDLE_NS: Final = 60 * NS_PER_S
"""Where nothing was asked for so long, everything goes back: the call is over, or may wait a moment."""
REPORT_NS: Final = NS_PER_S
"""What was spent is told within this time; most often it goes with a message that leaves anyway."""
REPORT_SCARCE_NS: Final = 100 * NS_PER_MS
"""The same where a window is nearly used up, and others wait to know."""
GIVE_BACK_NS: Final = 20 * NS_PER_MS
"""Between two messages that give scarce money back."""
ASK_AGAIN_NS: Final = 100 * NS_PER_MS
"""Between two messages that want more although nobody waits for it."""
PAUSE_NS: Final = 250 * NS_PER_MS
"""The least between two questions to a window that has no answer, or no money."""
REFRESH_SHARE: Final = 4
"""Money that is held is spoken of again after a quarter of the time for which it may be."""


class MoneyLease:
    """Money of one window. `granted` and `used` are cumulative; `reserved` is held by open requests."""

    __slots__ = (
        "_asked_since_ns",
        "_largest_before",
        "_need_told",
        "_need_total",
        "_rotated_ns",
        "_saying",
        "asked",
        "asked_ns",
        "deadline_ns",
        "demand_per_s",
        "denied_amount",
        "denied_ns",
        "exhausted_amount",
        "exhausted_until_ns",
        "granted",
        "is_open",
        "is_over",
        "is_rung",
        "is_scarce",
        "largest",
        "low",
        "not_before_ns",
        "pool",
        "refused",
        "reserved",
        "sent_ns",
        "seq",
        "state",
        "told",
        "ttl_ns",
        "used",
        "wish_not_before_ns",
    )

    def __init__(self, pool: str, *, now_ns: int) -> None:
        self.pool = pool
        self.granted = self.used = self.reserved = self.refused = 0
        self.told = self._saying = 0
        """What the controller has heard to be spent; what it is being told."""
        self.deadline_ns = self.not_before_ns = self.wish_not_before_ns = 0
        """Until when money is held; when more may be asked for, by who needs it and for stock."""
        self.denied_amount, self.denied_ns = 0, -1
        """So much, and all that is more, was asked for in vain; when that was said to be needed."""
        self.seq, self.sent_ns, self.ttl_ns = 0, 0, 0
        self.state: MoneyState = "ok"
        self.is_scarce = False
        self.is_over = False
        self.is_open = True
        """Its window is the one that requests are charged to."""
        self.exhausted_amount = 0
        """So much, and all that is more, was said not to fit any more; 0: nothing was."""
        self.exhausted_until_ns = 0
        self.low, self.is_rung = 0, False
        """With no more left than this it is time to ask for more; whether that was noticed."""
        self.asked, self.asked_ns = 0, now_ns
        """Asked for since the demand was last looked at, granted or not; when last."""
        self.demand_per_s = 0.0
        self.largest = self._largest_before = 0
        """The largest amount asked for of late: the next request may be as large."""
        self._asked_since_ns = self._rotated_ns = now_ns
        self._need_told = self._need_total = 0

    @property
    def held(self) -> int:
        """Spent, or held by open requests."""
        return self.used + self.reserved

    def left(self, now_ns: int) -> int:
        """Return what may be reserved at this instant; below nothing where more was used than granted."""
        return self.granted - self.used - self.reserved if now_ns < self.deadline_ns else 0

    def note(self, amount: int, now_ns: int) -> None:
        """Remember what is asked for, for the demand and the stock."""
        self.asked += amount
        self.asked_ns = now_ns
        if amount > self.largest:
            self.largest = amount

    def expect(self, before: "MoneyLease", now_ns: int) -> None:
        """Expect what the window before this one met of late."""
        if before.asked_ns + IDLE_NS > now_ns:
            self.demand_per_s = before.demand_per_s
            self.largest = max(self.largest, before.largest, before._largest_before)
            self.asked_ns = before.asked_ns

    def is_hopeless(self, amount: int, now_ns: int) -> bool:
        """Whether the window has no room for an amount, even if all that is held anywhere came back."""
        return 0 < self.exhausted_amount <= amount and now_ns < self.exhausted_until_ns

    def is_denied(self, amount: int, *, since_ns: int, now_ns: int) -> bool:
        """Whether the controller has said no to an amount that is needed since then, or asking is in vain just now."""
        return amount >= self.denied_amount and (since_ns <= self.denied_ns or now_ns < self.not_before_ns)

    def due_ns(self, now_ns: int, *, need: int = 0, waiting: int = 0) -> int | None:
        """When to speak of this lease again; None: never, unless something happens.

        `need` is what the first waiter lacks, `waiting` what all of them do.
        """
        reasons: list[int] = []
        free = self.granted - self.held
        if need and (free < need or now_ns >= self.deadline_ns):
            # Who needs less than what was denied may ask at once.
            reasons.append(self.not_before_ns if need >= self.denied_amount else now_ns)
        if self.used != self.told:
            reasons.append(self.sent_ns + (REPORT_SCARCE_NS if self.is_scarce else REPORT_NS))
        if self.granted > self.used:
            reasons.append(self.sent_ns + max(self.ttl_ns // REFRESH_SHARE, REPORT_NS))
        if free > waiting:
            is_unwanted = self.is_scarce or not self.is_open
            reasons.append(self.sent_ns + GIVE_BACK_NS if is_unwanted else self.asked_ns + IDLE_NS)
        if self.is_rung and self.is_open and not self.is_scarce and free <= self.low:
            reasons.append(max(self.not_before_ns, self.wish_not_before_ns, self.sent_ns + ASK_AGAIN_NS))
        return min(reasons, default=None)

    def claim(self, seq: int, now_ns: int, *, need: int = 0, waiting: int = 0, waiters: int = 0) -> MoneyClaim:
        """Say what was spent and what is wanted; keeps a smaller promise before telling it."""
        self._look_at_demand(now_ns)
        held = self.held
        if now_ns >= self.deadline_ns:
            # The server may have given the rest to others. What open requests hold will be spent all the same.
            self.granted = min(self.granted, held)
        target = held + max(need, waiting, self._stock(now_ns))
        self.granted = min(self.granted, target)
        if self.is_scarce and 0 <= self.granted - held < need:
            # Not enough for who waits: two holders that each kept a part would wait for each other for ever.
            self.granted = held
        self.seq, self.sent_ns, self._saying, self.is_rung = seq, now_ns, self.used, False
        self._need_told, self._need_total = need, held + need if need else 0
        return MoneyClaim(
            pool=self.pool,
            used=self.used,
            granted=self.granted,
            target=target,
            need=self._need_total,
            waiters=waiters,
            refused=self.refused,
        )

    def leave(self, seq: int, now_ns: int) -> MoneyClaim:
        """Say the last word of a process that ends: what was spent; everything else goes back first."""
        self.granted = min(self.granted, self.used)
        self.deadline_ns = 0
        self.seq, self.sent_ns, self._saying = seq, now_ns, self.used
        self._need_told = self._need_total = 0
        return MoneyClaim(
            pool=self.pool, used=self.used, granted=self.granted, target=self.granted, refused=self.refused
        )

    def answered(self, seq: int, lease: Told, now_ns: int) -> None:
        """Take the answer to a claim; one to an older claim than the newest is ignored."""
        if seq != self.seq or lease.pool != self.pool:
            return
        self.state = lease.state
        if lease.state == "outdated":
            return
        if lease.state != "learning":
            # A window without memory has not heard it either: it is said again.
            self.told = self._saying
        self.is_scarce, self.is_over = lease.is_scarce, lease.is_over
        pause_ns = lease.retry_ms * NS_PER_MS
        if lease.state == "ok" and lease.granted >= self._need_total:
            # Only stock was denied, if anything: whoever needs money meanwhile may ask at once.
            self.not_before_ns, self.wish_not_before_ns = now_ns, now_ns + pause_ns
        else:
            self.not_before_ns = now_ns + (pause_ns if lease.state == "ok" else max(pause_ns, PAUSE_NS))
            self.denied_amount, self.denied_ns = self._need_told if lease.state == "ok" else 0, self.sent_ns
        self.exhausted_amount = 0
        if lease.state == "exhausted":
            self.exhausted_amount = 1 if lease.is_over else max(1, self._need_told)
            self.exhausted_until_ns = self.not_before_ns
            if not lease.is_over:
                # Who needs less may ask at once.
                self.not_before_ns, self.denied_amount = now_ns, self.exhausted_amount
        if lease.state not in ("ok", "exhausted"):
            return
        self.granted = lease.granted
        self.low = max(0, self.granted - self.held) // 2
        self.ttl_ns = lease.ttl_ms * NS_PER_MS
        self.deadline_ns = self.sent_ns + self.ttl_ns * (100 - GUARD_PERCENT) // 100

    @property
    def is_clean(self) -> bool:
        """Nothing of it is open, held or untold."""
        return not self.reserved and self.told == self.used and self.granted <= self.used

    def _stock(self, now_ns: int) -> int:
        """What is wanted beyond what requests hold or wait for."""
        if self.is_scarce or not self.is_open or now_ns >= self.asked_ns + IDLE_NS:
            return 0
        return max(STOCK_REQUESTS * max(self.largest, self._largest_before), int(self.demand_per_s * HORIZON_S))

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
        if now_ns - self._rotated_ns >= IDLE_NS:
            self._largest_before, self.largest, self._rotated_ns = self.largest, 0, now_ns


def local_lease(pool: str, amount: int, *, now_ns: int) -> MoneyLease:
    """Return the lease of a window that nobody shares: all of it is granted, for ever."""
    lease = MoneyLease(pool, now_ns=now_ns)
    lease.granted, lease.deadline_ns = amount, NEVER_NS
    return lease
