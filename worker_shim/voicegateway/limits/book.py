"""The lease book: every lease of one process, the requests that wait for them, and what to tell the controller.

Pure state under one lock: event loops admit and settle, the syncer's thread claims and hears. No I/O, no timers.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from voicegateway.limits.absence import Absence
from voicegateway.limits.lease import NS_PER_MS, RateLease, Reservation, SlotLease, boot_ns
from voicegateway.limits.line import AnyLease, Line, Plan, Waiter
from voicegateway_shared.limits import PoolSpec, Target
from voicegateway_shared.limits.pool import METERS_OF
from voicegateway_shared.wire import Claim, Priority, SyncResponse
from voicegateway_shared.wire.sync import CLAIMS_MAX

LINE_MAX: Final = 1_000
"""Attempts that wait at once; a process with more of them is refused the rest."""
PLANS_MAX: Final = 1_024
"""Targets × priorities of a process; a job process has a handful."""
ROUND_TRIP_MS: Final = 10
"""Of a waiter's patience this is left for the way of the answer."""
RETRY_MS_MIN: Final = 100
"""The least that a refused request is told to wait."""
Reason = Literal["limit", "paused", "learning", "closed"]
Key = tuple[str, str, Priority]
"""Pool, project, priority."""


class Refusal(msgspec.Struct, frozen=True):
    """Why an attempt was not admitted."""

    pool: str
    retry_after_ms: int
    reason: Reason


class Ticket:
    """One admitted attempt. Any thread; ended by `settle`."""

    __slots__ = ("_book", "_reservations", "_slots")

    def __init__(self, book: "LeaseBook", reservations: list[Reservation], slots: tuple[SlotLease, ...]) -> None:
        self._book, self._reservations, self._slots = book, reservations, slots

    def progress(self, meter: str, units: int) -> None:
        """So much of a meter was spent so far, cumulative; twice as much as lately is reserved for what comes."""
        self._book._progress(self._reservations, meter, units)

    def settle(self, actual: Mapping[str, int]) -> None:
        """Tell the truth; a meter that is not named spent what was reserved. Idempotent."""
        reservations, self._reservations = self._reservations, []
        slots, self._slots = self._slots, ()
        if reservations or slots:
            self._book._settle(reservations, slots, actual)


Woken = list[tuple[Waiter, Ticket | Refusal]]
Needs = dict[RateLease, tuple[int, int]]
"""Units that the first waiter of a lease needs, and until when it waits."""


class LeaseBook:
    """Lives as long as its process's runtime. Every method may be called from any thread."""

    def __init__(self, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._pools: tuple[PoolSpec, ...] = ()
        self._leases: dict[Key, AnyLease] = {}
        """Never forgotten, even when its limit is: the pool may still know what it granted to this process life."""
        self._live: list[AnyLease] = []
        self._plans: dict[tuple[Target, Priority], Plan | None] = {}
        self._line: Line[Waiter, Ticket | Refusal] = Line()
        self._claimed: list[AnyLease] = []
        self._absence = Absence()
        self.revision = -1
        """Of the limits that are known, -1 while none are."""
        self.on_due: Callable[[], None] = lambda: None
        """Rung when there is something to tell sooner than `due_ns` said."""

    @property
    def pools(self) -> tuple[PoolSpec, ...]:
        """The pools that are in force, as far as is known here."""
        return self._pools

    def plan_for(self, target: Target, priority: Priority) -> Plan | None:
        """Return what a request must be admitted by; None when no limit is about it."""
        try:
            return self._plans[target, priority]
        except KeyError:
            with self._lock:
                return self._planned(target, priority)

    def try_admit(self, plan: Plan, amounts: Mapping[str, int]) -> Ticket | None:
        """Take from all pools of a plan, or from none when one has not enough or others wait for it."""
        now_ns = self._now_ns()
        with self._lock:
            for lease, meter in plan.rates:
                lease.asked += amounts.get(meter, 0)
            if self._line.length and any(lease.waiters for lease in plan.leases):
                return None
            ticket = self._admit(plan, amounts, now_ns)
            if ticket is None:
                self._ring_for(plan)
            return ticket

    def stopped(self, target: Target, priority: Priority) -> Refusal | None:
        """Return what refuses every such request just now; None where none is known to. Takes nothing."""
        plan = self.plan_for(target, priority)
        if plan is None:
            return None
        with self._lock:
            now_ns = self._now_ns()
            for lease in plan.leases:
                is_empty = lease.open >= lease.quota if isinstance(lease, SlotLease) else lease.left(now_ns) <= 0
                # Asking the controller again before that moment is in vain.
                if is_empty and now_ns < lease.not_before_ns:
                    return _refused(lease, now_ns, "paused" if lease.state == "paused" else "limit")
        return None

    def wait(
        self, plan: Plan, amounts: Mapping[str, int], *, until_ns: int, wake: Callable[[Ticket | Refusal], None]
    ) -> Waiter:
        """Stand in line; `wake` is called once from some thread, unless `cancel` comes first."""
        with self._lock:
            now_ns = self._now_ns()
            waiter = Waiter(plan, amounts, until_ns, wake, since_ns=now_ns)
            # The limits may have changed since it was made.
            waiter.plan = self._planned_anew(plan)
            refusal = self._in_vain(waiter, now_ns)
            woken: Woken = []
            if refusal is None:
                self._line.join(waiter)
                # What it lacked may have come since it asked, and the syncer's thread wait for an answer now.
                woken = self._served(now_ns)
        _wake(woken)
        if refusal is None:
            self.on_due()
        else:
            wake(refusal)
        return waiter

    def is_unheard(self, waiter: Waiter) -> bool:
        """Whether it lacks units or slots, and no controller has denied them since it waits: nobody knows of none."""
        with self._lock:
            now_ns = self._now_ns()
            if self._absence.is_offline(now_ns):
                return False
            since_ns, denials = waiter.since_ns, []
            for lease, meter in waiter.plan.rates:
                units = min(waiter.amounts.get(meter, 0), lease.spec.burst)
                if units and lease.left(now_ns) < units:
                    denials.append(lease.is_denied(units, since_ns=since_ns, now_ns=now_ns))
            for slot in waiter.plan.slots:
                if not slot.is_free(now_ns):
                    denials.append(slot.is_denied(since_ns=since_ns, now_ns=now_ns))
            return bool(denials) and not any(denials)

    def cancel(self, waiter: Waiter) -> Ticket | Refusal | None:
        """Leave the line; None when the waiter was woken already, and has or will have its outcome.

        A ticket is returned where all that it needs is there, and it only stood behind somebody who needs more.
        """
        with self._lock:
            now_ns = self._now_ns()
            woken = self._served(now_ns)
            outcome: Ticket | Refusal | None = None
            if self._line.leave(waiter):
                outcome = self._admit(waiter.plan, waiter.amounts, now_ns) or self._refusal(waiter, now_ns)
                woken += self._served(now_ns)
        _wake(woken)
        return outcome

    def serve(self) -> int | None:
        """Admit whom units that were promised for later serve now; return when to look again."""
        with self._lock:
            if not self._line.length:
                return None
            now_ns = self._now_ns()
            woken = self._served(now_ns)
            firsts = self._line.firsts()
            ready = [lease.ready_ns for each in firsts for lease, _ in each.plan.rates if lease.ready_ns > now_ns]
        _wake(woken)
        return min(ready, default=None)

    def due_ns(self) -> int | None:
        """When the next message should be sent; now or earlier: at once. None: it need not."""
        with self._lock:
            now_ns = self._now_ns()
            needs = self._needs()
            due: int | None = None
            for lease in self._live:
                each = _due_ns(lease, now_ns, needs)
                if each is not None and (due is None or each < due):
                    due = each
            return due

    def claims(self, seq: int, *, is_leaving: bool = False) -> tuple[Claim, ...]:
        """Say what is held and wanted, smaller promises kept already. Leases' time counts from now: send it at once.

        A process that is leaving admits nothing more from what it claims for the last time.
        """
        with self._lock:
            now_ns = self._now_ns()
            needs = self._needs()
            self._absence.asked(now_ns)
            self._claimed = [lease for lease in self._live if _due_ns(lease, now_ns, needs) is not None]
            if len(self._claimed) > CLAIMS_MAX:
                self._claimed.sort(key=lambda lease: (not lease.waiters, lease.sent_ns))
                del self._claimed[CLAIMS_MAX:]
            for lease in self._claimed if is_leaving else ():
                lease.retire()
            return tuple(_claim(lease, seq, now_ns, needs) for lease in self._claimed)

    def answered(self, seq: int, response: SyncResponse) -> None:
        """Take the leases of the answer to the newest message, and the limits where they changed."""
        with self._lock:
            now_ns = self._now_ns()
            self._absence.answered()
            for lease, told in zip(self._claimed, response.leases, strict=False):
                lease.answered(seq, told, now_ns)
            if response.pools is not None:
                self._configure(response.pools, response.limits_revision)
            woken = self._served(now_ns)
        _wake(woken)

    def failed(self, seq: int) -> None:
        """No answer came: leases run on until they end, and from then on their `offline` policy holds."""
        del seq
        with self._lock:
            now_ns = self._now_ns()
            self._absence.failed(now_ns)
            woken = self._served(now_ns)
        _wake(woken)

    def _configure(self, pools: tuple[PoolSpec, ...], revision: int) -> None:
        self._pools, self.revision = pools, revision
        specs = {spec.id: spec for spec in pools}
        self._plans.clear()
        self._live = []
        for (pool_id, _, _), lease in self._leases.items():
            if pool_id in specs:
                lease.spec = specs[pool_id]
                self._live.append(lease)
        for waiter in self._line.empty():
            waiter.plan = self._planned_anew(waiter.plan)
            self._line.join(waiter)

    def _planned_anew(self, plan: Plan) -> Plan:
        key = (plan.target, plan.priority)
        found = self._plans[key] if key in self._plans else self._planned(*key)
        return found or Plan(plan.target, plan.priority, (), ())

    def _planned(self, target: Target, priority: Priority) -> Plan | None:
        meters = METERS_OF.get(target.modality, frozenset())
        matching = [spec for spec in self._pools if spec.meter in meters and spec.selector.matches(target)]
        plan: Plan | None = None
        if matching:
            leases = [(self._lease(spec, target.project, priority), spec.meter) for spec in matching]
            plan = Plan(
                target,
                priority,
                tuple((lease, meter) for lease, meter in leases if isinstance(lease, RateLease)),
                tuple(lease for lease, _ in leases if isinstance(lease, SlotLease)),
            )
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[target, priority] = plan
        return plan

    def _lease(self, spec: PoolSpec, project: str, priority: Priority) -> AnyLease:
        key = (spec.id, project, priority)
        lease = self._leases.get(key)
        if lease is None:
            if spec.is_rate:
                lease = RateLease(spec, project=project, priority=priority, now_ns=self._now_ns())
            else:
                lease = SlotLease(spec, project=project, priority=priority)
            self._leases[key] = lease
            self._live.append(lease)
        return lease

    def _admit(self, plan: Plan, amounts: Mapping[str, int], now_ns: int) -> Ticket | None:
        reservations: list[Reservation] = []
        for lease, meter in plan.rates:
            units = amounts.get(meter, 0)
            if not units:
                continue
            reservation = lease.reserve(units, now_ns)
            if reservation is None and self._absence.is_offline(now_ns):
                reservation = lease.take_alone(units, now_ns)
            if reservation is None:
                _undo(reservations, ())
                return None
            reservations.append(reservation)
            if lease.granted - lease.used - lease.reserved <= lease.low and not lease.is_rung:
                lease.is_rung = True
                self.on_due()
        for index, slot in enumerate(plan.slots):
            if not slot.take(now_ns) and not (self._absence.is_offline(now_ns) and slot.take_alone(now_ns)):
                _undo(reservations, plan.slots[:index])
                return None
        return Ticket(self, reservations, plan.slots)

    def _ring_for(self, plan: Plan) -> None:
        """Have more asked for, even if nobody waits for it."""
        for lease, _ in plan.rates:
            if not lease.is_rung:
                lease.is_rung = True
                self.on_due()

    def _served(self, now_ns: int) -> Woken:
        return self._line.serve(lambda waiter: self._admit(waiter.plan, waiter.amounts, now_ns))

    def _in_vain(self, waiter: Waiter, now_ns: int) -> Refusal | None:
        """Whether it is known already that waiting will not help."""
        is_long = self._line.length >= LINE_MAX
        for lease in waiter.plan.leases:
            is_stopped = lease.state == "paused" and lease.not_before_ns > waiter.until_ns
            if is_stopped or is_long:
                lease.refused += 1
                return _refused(lease, now_ns, "paused" if is_stopped else "limit")
        return None

    def _refusal(self, waiter: Waiter, now_ns: int) -> Refusal:
        """Why a waiter waited in vain: the first of its pools that has not enough."""
        lacking: AnyLease = next(
            (lease for lease, meter in waiter.plan.rates if lease.left(now_ns) < waiter.amounts.get(meter, 0)),
            next((slot for slot in waiter.plan.slots if slot.open >= slot.quota), waiter.plan.leases[0]),
        )
        lacking.refused += 1
        reason: Reason = "limit"
        if self._absence.is_offline(now_ns) and lacking.spec.offline == "closed":
            reason = "closed"
        elif lacking.state in ("paused", "learning"):
            reason = "paused" if lacking.state == "paused" else "learning"
        return _refused(lacking, now_ns, reason)

    def _needs(self) -> Needs:
        needs: Needs = {}
        for waiter in self._line.firsts():
            for lease, meter in waiter.plan.rates:
                units = waiter.amounts.get(meter, 0)
                if units and lease not in needs:
                    needs[lease] = (units, waiter.until_ns)
        return needs

    def _progress(self, reservations: list[Reservation], meter: str, units: int) -> None:
        is_enough = True
        with self._lock:
            now_ns = self._now_ns()
            for reservation in reservations:
                if reservation.meter == meter:
                    is_enough = reservation.extend(now_ns, spare=2 * reservation.spend(units))
        if not is_enough:
            self.on_due()

    def _settle(
        self,
        reservations: list[Reservation],
        slots: tuple[SlotLease, ...],
        actual: Mapping[str, int],
    ) -> None:
        with self._lock:
            now_ns = self._now_ns()
            for reservation in reservations:
                units = actual.get(reservation.meter)
                if units is None:
                    reservation.settle_as_reserved()
                else:
                    reservation.settle(units)
            is_wanted = False
            for slot in slots:
                slot.free(now_ns)
                is_wanted = is_wanted or slot.keep_ns == 0
            woken = self._served(now_ns) if self._line.length else []
        if is_wanted:
            self.on_due()
        _wake(woken)


def _refused(lease: AnyLease, now_ns: int, reason: Reason) -> Refusal:
    retry_ms = max(RETRY_MS_MIN, (lease.not_before_ns - now_ns) // NS_PER_MS)
    return Refusal(pool=lease.spec.id, retry_after_ms=retry_ms, reason=reason)


def _undo(reservations: list[Reservation], slots: tuple[SlotLease, ...]) -> None:
    for reservation in reservations:
        reservation.settle(0)
    for slot in slots:
        slot.open -= 1


def _due_ns(lease: AnyLease, now_ns: int, needs: Needs) -> int | None:
    if isinstance(lease, SlotLease):
        return lease.due_ns()
    return lease.due_ns(now_ns, need=needs.get(lease, (0, 0))[0])


def _claim(lease: AnyLease, seq: int, now_ns: int, needs: Needs) -> Claim:
    if isinstance(lease, SlotLease):
        return lease.claim(seq, now_ns)
    need, until_ns = needs.get(lease, (0, 0))
    return lease.claim(seq, now_ns, need=need, wait_ms=max(0, (until_ns - now_ns) // NS_PER_MS - ROUND_TRIP_MS))


def _wake(woken: Woken) -> None:
    for waiter, outcome in woken:
        waiter.wake(outcome)
