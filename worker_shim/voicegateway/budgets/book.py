"""The money book: what one process holds of every budget, the requests that wait for money, and what to tell.

Pure state under one lock: event loops reserve, the syncer's thread settles, claims and hears. No I/O, no timers.
"""

import threading
from collections.abc import Callable
from typing import Final

from voicegateway.budgets.holdings import Holdings
from voicegateway.budgets.lease import NS_PER_S, MoneyLease
from voicegateway.budgets.purse import Purse
from voicegateway.budgets.refusal import MoneyReason, MoneyRefusal
from voicegateway.budgets.ticket import MoneyPlan, MoneyTicket, MoneyWaiter
from voicegateway.limits.absence import Absence
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.line import Line
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import BudgetPool, MoneyAnswer, MoneyClaim
from voicegateway_shared.wire.money import MONEY_CLAIMS_MAX

LINE_MAX: Final = 1_000
"""Attempts that wait at once; a process with more of them is refused the rest."""
WATCH_NS: Final = NS_PER_S
"""Of a window that ends or throttles sessions each message of presence speaks: a silent call must hear of it, too."""

Wake = Callable[[MoneyTicket | MoneyRefusal], None]
Woken = list[tuple[MoneyWaiter, MoneyTicket | MoneyRefusal]]


class MoneyBook:
    """Lives as long as its process's runtime. Every method may be called from any thread."""

    def __init__(self, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._holdings = Holdings(now_ns)
        self._line: Line[MoneyWaiter, MoneyTicket | MoneyRefusal] = Line()
        self._claimed: list[MoneyLease] = []
        self._seq = self._sent_ns = 0
        self._absence = Absence()
        self.tag = ""
        """Of the budgets that are known, empty while none are."""
        self.on_due: Callable[[], None] = lambda: None
        """Rung when there is something to tell sooner than `due_ns` said."""

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for money."""
        return self._line.length > 0

    def known(self, target: Target, session_id: str) -> MoneyPlan | None:
        """Return what a request must be paid from; None when no budget is about it."""
        try:
            return self._holdings.plans[target, session_id]
        except KeyError:
            with self._lock:
                return self._holdings.plan_of(target, session_id)

    def try_reserve(self, plan: MoneyPlan, amount: int) -> MoneyTicket | None:
        """Hold an amount in all budgets, or in none when one has not enough or others wait for it.

        Nothing is always held: what costs nothing is not refused.
        """
        ticket = MoneyTicket(self, plan)
        if amount <= 0:
            return ticket
        with self._lock:
            now_ns = self._now_ns()
            for purse in plan.leases:
                purse.lease.note(amount, now_ns)
            if self._line.length and any(purse.waiters for purse in plan.leases):
                return None
            if self._reserve(ticket, plan, amount, now_ns):
                return ticket
            self._ring_for(plan)
            return None

    def reserve_what_is_there(self, plan: MoneyPlan, amount: int) -> MoneyTicket:
        """Hold an amount, or what there is of it: for a request that is not refused whatever the budgets say."""
        ticket = MoneyTicket(self, plan)
        ticket.extend_freely(amount)
        return ticket

    def wait(self, plan: MoneyPlan, amount: int, *, until_ns: int, wake: Wake) -> MoneyWaiter:
        """Stand in line for a new ticket; `wake` is called once from some thread, unless `cancel` comes first."""
        return self.wait_for_more(MoneyTicket(self, plan), amount, until_ns=until_ns, wake=wake)

    def wait_for_more(self, ticket: MoneyTicket, total: int, *, until_ns: int, wake: Wake) -> MoneyWaiter:
        """Stand in line until a ticket holds `total` in all."""
        with self._lock:
            now_ns = self._now_ns()
            waiter = MoneyWaiter(ticket, total, until_ns, wake, since_ns=now_ns)
            # The budgets may have changed since it was made.
            waiter.plan = self._holdings.planned_anew(waiter.plan)
            refusal = self._in_vain(waiter, now_ns)
            woken: Woken = []
            if refusal is None:
                self._join(waiter)
                # What it lacked may have come since it asked, and the syncer's thread wait for an answer now.
                woken = self._served(now_ns)
        _wake(woken)
        if refusal is None:
            self.on_due()
        else:
            wake(refusal)
        return waiter

    def is_unheard(self, waiter: MoneyWaiter) -> bool:
        """Whether it lacks money, and no controller has denied it since it waits: nobody knows that there is none.

        So it is while one is slow or restarts, when a window has just begun for all processes at once, and for whoever
        stands behind another one that was granted what it needs.
        """
        with self._lock:
            now_ns = self._now_ns()
            if self._absence.is_offline(now_ns):
                return False
            lacking = 0
            for purse in waiter.plan.leases:
                lease = self._holdings.lease_of(purse, now_ns)
                if lease.left(now_ns) >= waiter.amount:
                    continue
                lacking += 1
                is_told = purse.is_local or lease.is_denied(waiter.amount, since_ns=waiter.since_ns, now_ns=now_ns)
                is_open = self._absence.since_ns > 0 and purse.spec.offline == "open"
                if is_told or is_open:
                    return False
            return lacking > 0

    def cancel(self, waiter: MoneyWaiter) -> MoneyTicket | MoneyRefusal | None:
        """Leave the line; None when the waiter was woken already, and has or will have its outcome.

        A ticket is returned where the controller is just failing and the budget says that money stops nobody then.
        """
        with self._lock:
            now_ns = self._now_ns()
            woken = self._served(now_ns)
            outcome: MoneyTicket | MoneyRefusal | None = None
            if self._leave(waiter):
                outcome = self._given_up(waiter, now_ns)
                woken += self._served(now_ns)
        _wake(woken)
        return outcome

    def charge(self, target: Target, session_id: str, cost: int) -> None:
        """Count what a request cost that holds no ticket: it began before the budgets were known."""
        with self._lock:
            now_ns = self._now_ns()
            self._charge(self._holdings.plan_of(target, session_id), cost, now_ns)

    def inquire(self, plan: MoneyPlan) -> None:
        """Have the windows of a plan spoken of with the next message: what is known of them may be old."""
        with self._lock:
            for purse in self._holdings.planned_anew(plan).purses:
                purse.lease.is_rung = not purse.is_local
        self.on_due()

    def is_throttled(self, plan: MoneyPlan) -> bool:
        """Whether a `throttle` budget of a plan is spent."""
        return any(purse.lease.is_over for purse in plan.purses if purse.spec.action == "throttle")

    def stopped(self, target: Target, session_id: str) -> str | None:
        """Return the budget that refuses every such request just now, however little it costs; None: none is known."""
        plan = self.known(target, session_id)
        if plan is None:
            return None
        with self._lock:
            now_ns = self._now_ns()
            for purse in plan.leases:
                lease = self._holdings.lease_of(purse, now_ns)
                if lease.left(now_ns) > 0:
                    continue
                is_told = lease.is_hopeless(1, now_ns) and not self._absence.since_ns
                if is_told or (purse.is_local and lease.granted <= lease.used):
                    return purse.spec.id
        return None

    def over(self) -> list[tuple[BudgetSpec, str]]:
        """Return the budgets that all processes share and that are spent, with their windows."""
        with self._lock:
            # The window that an answer was about may have ended while it was on its way.
            self._holdings.turn(self._now_ns())
            return self._holdings.over()

    def serve(self) -> None:
        """Look whether a window has turned, or a policy holds now, for those who wait."""
        with self._lock:
            if not self._line.length:
                return
            woken = self._served(self._now_ns())
        _wake(woken)

    def due_ns(self) -> int | None:
        """When the next message should be sent; now or earlier: at once. None: it need not."""
        with self._lock:
            now_ns = self._now_ns()
            self._holdings.turn(now_ns)
            needs = self._needs()
            due: int | None = None
            for lease in self._holdings.live:
                need, waiting, _ = needs.get(lease, _NOBODY)
                each = lease.due_ns(now_ns, need=need, waiting=waiting)
                if each is not None and (due is None or each < due):
                    due = each
            return due

    def claims(self, seq: int, *, is_leaving: bool = False) -> tuple[MoneyClaim, ...]:
        """Say what was spent and is wanted, smaller promises kept already; leases' time counts from now: send at once.

        A process that is leaving says all it has spent, gives everything back and reserves nothing more.
        """
        with self._lock:
            now_ns = self._now_ns()
            self._holdings.turn(now_ns)
            needs = self._needs()
            self._absence.asked(now_ns)
            self._seq, self._sent_ns = seq, now_ns
            watched = self._holdings.watched()
            self._claimed = [
                lease
                for lease in self._holdings.live
                if self._is_news(lease, now_ns, needs, is_leaving=is_leaving)
                or (lease in watched and now_ns >= lease.sent_ns + WATCH_NS)
            ]
            if len(self._claimed) > MONEY_CLAIMS_MAX:
                self._claimed.sort(key=lambda lease: (lease not in needs, lease.told == lease.used, lease.sent_ns))
                del self._claimed[MONEY_CLAIMS_MAX:]
            if is_leaving:
                return tuple(lease.leave(seq, now_ns) for lease in self._claimed)
            return tuple(_claim(lease, seq, now_ns, needs.get(lease, _NOBODY)) for lease in self._claimed)

    def answered(self, seq: int, answer: MoneyAnswer) -> None:
        """Take the leases of the answer to the newest message, and the budgets where they changed."""
        with self._lock:
            if seq != self._seq:
                return
            now_ns = self._now_ns()
            self._absence.answered()
            for lease, told in zip(self._claimed, answer.leases, strict=False):
                lease.answered(seq, told, now_ns)
            if answer.budgets is not None:
                self._configure(answer.budgets, answer.tag, now_ns)
            woken = self._served(now_ns)
            woken += self._refused_in_vain(now_ns)
        _wake(woken)

    def failed(self, seq: int) -> None:
        """No answer came: what is held may be spent until its time is over, as each budget's `offline` policy says."""
        del seq
        with self._lock:
            now_ns = self._now_ns()
            self._absence.failed(now_ns)
            woken = self._served(now_ns)
        _wake(woken)

    def _configure(self, told: tuple[BudgetPool, ...], tag: str, now_ns: int) -> None:
        waiters = self._line.empty()
        for waiter in waiters:
            self._weigh(waiter, -1)
        self._holdings.configure(told, sent_ns=self._sent_ns, now_ns=now_ns)
        self.tag = tag
        for waiter in waiters:
            waiter.plan = self._holdings.planned_anew(waiter.plan)
            self._join(waiter)

    def _try_extend(self, ticket: MoneyTicket, total: int) -> bool:
        with self._lock:
            return self._extend_now(ticket, total, self._now_ns())

    def _extend(self, ticket: MoneyTicket, total: int, until_ns: int, wake: Wake) -> bool:
        with self._lock:
            now_ns = self._now_ns()
            if self._extend_now(ticket, total, now_ns):
                return True
            waiter = ticket.waiter
            outcome: MoneyTicket | MoneyRefusal | None = None
            if waiter is None:
                waiter = ticket.waiter = MoneyWaiter(ticket, total, until_ns, wake, since_ns=now_ns)
                waiter.plan = self._holdings.planned_anew(ticket.plan)
                outcome = self._in_vain(waiter, now_ns)
                if outcome is None:
                    self._join(waiter)
                else:
                    ticket.waiter = None
            elif now_ns >= waiter.until_ns and self._leave(waiter):
                outcome = self._given_up(waiter, now_ns)
        if outcome is None:
            self.on_due()
        else:
            waiter.wake(outcome)
        return False

    def _extend_now(self, ticket: MoneyTicket, total: int, now_ns: int) -> bool:
        """Hold `total` in all if that is at hand, and nobody waits for it."""
        amount = total - ticket.held
        if amount <= 0 or ticket.is_settled:
            return True
        if ticket.waiter is not None:
            return False
        plan = self._holdings.planned_anew(ticket.plan)
        for purse in plan.leases:
            purse.lease.note(amount, now_ns)
        if self._line.length and any(purse.waiters for purse in plan.leases):
            return False
        return self._reserve(ticket, plan, amount, now_ns)

    def _extend_freely(self, ticket: MoneyTicket, total: int) -> None:
        with self._lock:
            amount = total - ticket.held
            if amount <= 0 or ticket.is_settled:
                return
            now_ns = self._now_ns()
            plan = self._holdings.planned_anew(ticket.plan)
            for purse in plan.leases:
                lease = self._holdings.lease_of(purse, now_ns)
                lease.note(amount, now_ns)
                self._hold(ticket, lease, max(0, min(amount, lease.left(now_ns))))
            ticket.held = total
            self._ring_for(plan)

    def _keep(self, ticket: MoneyTicket, total: int) -> None:
        with self._lock:
            surplus = ticket.held - total
            if surplus <= 0 or ticket.is_settled:
                return
            ticket.held = total
            # A budget whose window has turned meanwhile has two parts; together they give back the surplus.
            owed: dict[str, int] = {}
            for lease in reversed(ticket.parts):
                budget_id = lease.pool.partition("@")[0]
                given_back = min(ticket.parts[lease], owed.get(budget_id, surplus))
                owed[budget_id] = owed.get(budget_id, surplus) - given_back
                self._hold(ticket, lease, -given_back)
            woken, is_scarce = self._freed(ticket)
        _wake(woken)
        if is_scarce:
            self.on_due()

    def _settle(self, ticket: MoneyTicket, cost: int) -> None:
        with self._lock:
            now_ns = self._now_ns()
            for lease, part in ticket.parts.items():
                lease.reserved -= part
            waiter, ticket.waiter = ticket.waiter, None
            if waiter is not None:
                self._leave(waiter)
            if cost:
                plan = ticket.plan
                self._charge(self._holdings.plan_of(plan.target, plan.session_id), cost, now_ns)
            woken, is_scarce = self._freed(ticket)
        _wake(woken)
        if is_scarce:
            self.on_due()

    def _freed(self, ticket: MoneyTicket) -> tuple[Woken, bool]:
        """Who can be served by what a ticket gave back, and whether others of the fleet should hear of it soon."""
        woken = self._served(self._now_ns()) if self._line.length else []
        return woken, any(lease.is_scarce or not lease.is_open for lease in ticket.parts)

    def _charge(self, plan: MoneyPlan | None, cost: int, now_ns: int) -> None:
        """To the windows that are open at this moment, whatever was open when it was reserved."""
        for purse in plan.purses if plan is not None else ():
            self._holdings.lease_of(purse, now_ns).used += cost

    def _reserve(self, ticket: MoneyTicket, plan: MoneyPlan, amount: int, now_ns: int) -> bool:
        """Hold so much more in each purse, or in none."""
        for purse in plan.leases:
            lease = purse.lease if now_ns < purse.ends_ns else self._holdings.lease_of(purse, now_ns)
            # As `left` says; written out, for every request of the process comes by here.
            has_enough = now_ns < lease.deadline_ns and lease.granted - lease.used - lease.reserved >= amount
            if (self._absence.since_ns or not has_enough) and not self._may_alone(purse, now_ns, has_enough=has_enough):
                return False
        for purse in plan.leases:
            lease = purse.lease
            lease.reserved += amount
            ticket.parts[lease] = ticket.parts.get(lease, 0) + amount
            if not lease.is_rung and lease.granted - lease.used - lease.reserved <= lease.low and not purse.is_local:
                lease.is_rung = True
                self.on_due()
        ticket.held += amount
        return True

    @staticmethod
    def _hold(ticket: MoneyTicket, lease: MoneyLease, amount: int) -> None:
        """Reserve an amount that may be; less than nothing gives back."""
        lease.reserved += amount
        ticket.parts[lease] = ticket.parts.get(lease, 0) + amount

    def _may_alone(self, purse: Purse, now_ns: int, *, has_enough: bool) -> bool:
        """Whether to go on where money lacks, or no controller answers, as the budget's policy says."""
        if purse.is_local or not self._absence.is_offline(now_ns):
            return has_enough
        policy = purse.spec.offline
        return policy == "open" or (policy == "last_lease" and has_enough)

    def _ring_for(self, plan: MoneyPlan) -> None:
        """Have more asked for, even if nobody waits for it."""
        for purse in plan.leases:
            if not purse.lease.is_rung and not purse.is_local:
                purse.lease.is_rung = True
                self.on_due()

    # The line

    def _join(self, waiter: MoneyWaiter) -> None:
        self._line.join(waiter)
        self._weigh(waiter, 1)

    @staticmethod
    def _weigh(waiter: MoneyWaiter, one: int) -> None:
        for purse in waiter.plan.leases:
            purse.waiting += one * waiter.amount

    def _leave(self, waiter: MoneyWaiter) -> bool:
        has_left = self._line.leave(waiter)
        if has_left:
            self._gone(waiter)
        return has_left

    def _gone(self, waiter: MoneyWaiter) -> None:
        self._weigh(waiter, -1)
        if waiter.ticket.waiter is waiter:
            waiter.ticket.waiter = None

    def _served(self, now_ns: int) -> Woken:
        if not self._line.length:
            return []
        served = self._line.serve(lambda waiter: self._ticket_for(waiter, now_ns))
        for waiter, _ in served:
            self._gone(waiter)
        return served

    def _ticket_for(self, waiter: MoneyWaiter, now_ns: int) -> MoneyTicket | None:
        ticket = waiter.ticket
        if ticket.is_settled or self._reserve(ticket, waiter.plan, waiter.amount, now_ns):
            return ticket
        return None

    def _refused_in_vain(self, now_ns: int) -> Woken:
        """Send away those for whom there will be no money, however long they wait."""
        refused: Woken = []
        while True:
            for waiter in self._line.firsts():
                refusal = self._hopeless(waiter, now_ns)
                if refusal is not None:
                    self._leave(waiter)
                    refused.append((waiter, refusal))
                    break
            else:
                return refused + (self._served(now_ns) if refused else [])

    def _in_vain(self, waiter: MoneyWaiter, now_ns: int) -> MoneyRefusal | None:
        """Whether it is known already that waiting will not help."""
        if self._line.length >= LINE_MAX and waiter.plan.leases:
            return waiter.plan.leases[0].refusal("scarce", now_ns)
        return self._hopeless(waiter, now_ns)

    def _hopeless(self, waiter: MoneyWaiter, now_ns: int) -> MoneyRefusal | None:
        for purse in waiter.plan.leases:
            lease = self._holdings.lease_of(purse, now_ns)
            if lease.left(now_ns) >= waiter.amount:
                continue
            if purse.is_local and lease.granted - lease.used < waiter.amount:
                return purse.refusal("session", now_ns)
            if lease.is_hopeless(waiter.amount, now_ns) and not self._absence.since_ns:
                return purse.refusal("exhausted", now_ns)
        return None

    def _given_up(self, waiter: MoneyWaiter, now_ns: int) -> MoneyTicket | MoneyRefusal:
        """What becomes of a waiter that waited in vain: the first of its purses that has not enough says why."""
        is_open = self._absence.since_ns > 0
        for purse in waiter.plan.leases:
            lease = self._holdings.lease_of(purse, now_ns)
            is_refused = lease.left(now_ns) < waiter.amount or self._absence.is_offline(now_ns)
            if not is_refused or (is_open and purse.spec.offline == "open" and not purse.is_local):
                continue
            return purse.refusal(self._reason(purse, now_ns), now_ns)
        for purse in waiter.plan.leases:
            self._hold(waiter.ticket, purse.lease, waiter.amount)
        waiter.ticket.held += waiter.amount
        return waiter.ticket

    def _reason(self, purse: Purse, now_ns: int) -> MoneyReason:
        if purse.is_local:
            return "session"
        if self._absence.is_offline(now_ns):
            return "closed"
        return "learning" if purse.lease.state == "learning" else "scarce"

    def _needs(self) -> dict[MoneyLease, tuple[int, int, int]]:
        """For each lease that is waited for: what the first lacks, what all lack, and how many they are."""
        needs: dict[MoneyLease, tuple[int, int, int]] = {}
        for waiter in self._line.firsts() if self._line.length else ():
            for purse in waiter.plan.leases:
                if not purse.is_local and purse.lease not in needs:
                    needs[purse.lease] = (waiter.amount, purse.waiting, purse.waiters)
        return needs

    def _is_news(
        self, lease: MoneyLease, now_ns: int, needs: dict[MoneyLease, tuple[int, int, int]], *, is_leaving: bool
    ) -> bool:
        """What is due is said, and what was spent goes with any message that leaves; with the last one, everything."""
        if is_leaving:
            return lease.seq > 0 or lease.used > 0
        need, waiting, _ = needs.get(lease, _NOBODY)
        due_ns = lease.due_ns(now_ns, need=need, waiting=waiting)
        return lease.used != lease.told or (due_ns is not None and due_ns <= now_ns)


_NOBODY: Final = (0, 0, 0)


def _claim(lease: MoneyLease, seq: int, now_ns: int, needs: tuple[int, int, int]) -> MoneyClaim:
    need, waiting, waiters = needs
    return lease.claim(seq, now_ns, need=need, waiting=waiting, waiters=waiters)


def _wake(woken: Woken) -> None:
    for waiter, outcome in woken:
        waiter.wake(outcome)
