"""The line: attempts that wait for leases, first come first served, in time that does not grow with their number."""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from voicegateway.limits.lease import RateLease, SlotLease
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import Priority

if TYPE_CHECKING:
    from voicegateway.limits.book import Refusal, Ticket

AnyLease = RateLease | SlotLease


class Plan:
    """The leases that a request must be admitted by. Good until the limits change."""

    __slots__ = ("leases", "priority", "rates", "slots", "target")

    def __init__(
        self, target: Target, priority: Priority, rates: tuple[tuple[RateLease, str], ...], slots: tuple[SlotLease, ...]
    ) -> None:
        self.target, self.rates, self.slots = target, rates, slots
        self.priority: Priority = priority
        self.leases: tuple[AnyLease, ...] = (*(lease for lease, _ in rates), *slots)


class Waiter:
    """An attempt in line."""

    __slots__ = ("amounts", "number", "plan", "since_ns", "until_ns", "wake")

    def __init__(
        self,
        plan: Plan,
        amounts: Mapping[str, int],
        until_ns: int,
        wake: "Callable[[Ticket | Refusal], None]",
        *,
        since_ns: int,
    ) -> None:
        self.plan, self.amounts, self.until_ns, self.wake = plan, amounts, until_ns, wake
        self.since_ns = since_ns
        self.number = 0
        """Counts up in the order of arrival."""


class Awaited(Protocol):
    """What is waited for, by several plans perhaps."""

    waiters: int


class AnyPlan(Protocol):
    """What a waiter waits for, all of it at once. Compared by identity."""

    @property
    def leases(self) -> Sequence[Awaited]:
        """Each of which must have enough."""
        ...


class AnyWaiter(Protocol):
    """Whoever stands in a line."""

    plan: Any
    """An `AnyPlan`."""
    number: int


W = TypeVar("W", bound=AnyWaiter)
T = TypeVar("T")


class Line(Generic[W, T]):
    """One queue for each plan; nobody overtakes a waiter on a lease that it waits for. Not thread-safe."""

    def __init__(self) -> None:
        self._queues: dict[AnyPlan, deque[W]] = {}
        self._joined = 0
        self.length = 0
        """How many wait. An attribute, for every request of the process looks at it."""

    def join(self, waiter: W) -> None:
        """Stand behind all others."""
        self._joined += 1
        waiter.number = self._joined
        self._queues.setdefault(waiter.plan, deque()).append(waiter)
        self._counted(waiter.plan, 1)

    def leave(self, waiter: W) -> bool:
        """Go, wherever one stands; False when one has gone already."""
        queue = self._queues.get(waiter.plan)
        if queue is None or waiter not in queue:
            return False
        # Patience is the same for most, so who gives up mostly stands first.
        queue.remove(waiter)
        self._took_from(waiter.plan, queue)
        return True

    def firsts(self) -> list[W]:
        """The first waiter of each plan, in the order of arrival."""
        return sorted((queue[0] for queue in self._queues.values()), key=lambda waiter: waiter.number)

    def serve(self, admit: Callable[[W], T | None]) -> list[tuple[W, T]]:
        """Admit from the front whoever can be; return them with their tickets, no longer in line."""
        served: list[tuple[W, T]] = []
        blocked: set[Awaited] = set()
        fronts = [(waiter.number, waiter) for waiter in self.firsts()]
        while fronts:
            _, waiter = fronts[0]
            plan = waiter.plan
            ticket = admit(waiter) if blocked.isdisjoint(plan.leases) else None
            if ticket is None:
                blocked.update(plan.leases)
                heapq.heappop(fronts)
                continue
            served.append((waiter, ticket))
            queue = self._queues[plan]
            queue.popleft()
            if queue:
                heapq.heapreplace(fronts, (queue[0].number, queue[0]))
            else:
                heapq.heappop(fronts)
            self._took_from(plan, queue)
        return served

    def empty(self) -> list[W]:
        """Send all away; return them in the order of arrival."""
        waiters = sorted(
            (waiter for queue in self._queues.values() for waiter in queue), key=lambda waiter: waiter.number
        )
        for waiter in waiters:
            self._counted(waiter.plan, -1)
        self._queues.clear()
        return waiters

    def _took_from(self, plan: AnyPlan, queue: deque[W]) -> None:
        if not queue:
            del self._queues[plan]
        self._counted(plan, -1)

    def _counted(self, plan: AnyPlan, one: int) -> None:
        self.length += one
        for lease in plan.leases:
            lease.waiters += one
