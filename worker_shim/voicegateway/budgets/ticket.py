"""Tickets: what one request holds of its budgets, from its first attempt to its settlement; and who waits for one."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from voicegateway.budgets.lease import MoneyLease
from voicegateway.budgets.purse import Purse
from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway_shared.limits import Target

if TYPE_CHECKING:
    from voicegateway.budgets.book import MoneyBook


class MoneyPlan:
    """The purses that a request of one session must be paid from. Good until the budgets change."""

    __slots__ = ("leases", "purses", "session_id", "target")

    def __init__(self, target: Target, session_id: str, purses: tuple[Purse, ...]) -> None:
        self.target, self.session_id, self.purses = target, session_id, purses
        self.leases = tuple(purse for purse in purses if purse.spec.is_stopping)
        """Those that must have enough; the others are only told what was spent."""


class MoneyTicket:
    """Money of one request. Any thread; ended by `settle`."""

    __slots__ = ("_book", "held", "is_settled", "parts", "plan", "waiter")

    def __init__(self, book: "MoneyBook", plan: MoneyPlan) -> None:
        self._book, self.plan = book, plan
        self.parts: dict[MoneyLease, int] = {}
        """Reserved of each lease; of a window that has ended since, too."""
        self.held = 0
        """The most the request may cost, as it was last reserved."""
        self.waiter: MoneyWaiter | None = None
        """Stands in line for the next stretch of a running stream."""
        self.is_settled = False
        """Nothing more may be held: a thread that is late would hold it for ever."""

    def extend(self, total: int, *, until_ns: int, wake: "Callable[[MoneyTicket | MoneyRefusal], None]") -> bool:
        """Hold `total` in all, for what comes next; False while it is not there.

        Then it stands in line, and `wake` is called once, from some thread, when it is there or will not be. A request
        that stands in line already goes on standing.
        """
        return self._book._extend(self, total, until_ns, wake)

    def try_extend(self, total: int) -> bool:
        """Hold `total` in all if that is at hand."""
        return self._book._try_extend(self, total)

    def extend_freely(self, total: int) -> None:
        """Hold `total`, or what there is of it: for a request that is not refused whatever the budgets say."""
        self._book._extend_freely(self, total)

    def keep(self, total: int) -> None:
        """Give back what is held beyond `total`."""
        self._book._keep(self, total)

    def settle(self, cost: int) -> None:
        """Give everything back and charge what it has cost in all. Idempotent."""
        if not self.is_settled:
            self.is_settled = True
            self._book._settle(self, cost)


class MoneyWaiter:
    """An attempt in line."""

    __slots__ = ("amount", "number", "plan", "since_ns", "ticket", "total", "until_ns", "wake")

    def __init__(
        self,
        ticket: MoneyTicket,
        total: int,
        until_ns: int,
        wake: Callable[[MoneyTicket | MoneyRefusal], None],
        *,
        since_ns: int,
    ) -> None:
        self.since_ns = since_ns
        self.ticket, self.plan, self.total = ticket, ticket.plan, total
        self.amount = max(0, total - ticket.held)
        self.until_ns, self.wake = until_ns, wake
        self.number = 0
        """Counts up in the order of arrival."""
