"""The cashier: all of a process's money — its book, the tariffs it knows, and the requests that are to be priced.

Event loops hold and hand over; the syncer's thread prices what has ended, tells the controller and hears from it. While
it waits for an answer, whoever lacks money has what has ended priced at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.lease import NS_PER_S
from voicegateway.budgets.most import Experience, most_of
from voicegateway.budgets.pricing import ModelTariff, Tariffs, circumstances, key_of, rating_request
from voicegateway.limits.lease import boot_ns
from voicegateway.record import RequestRecord
from voicegateway.target import target_of
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.cost_bound import UnboundedUsage
from voicegateway_shared.wire import Directive, ModelName, MoneyAnswer, MoneyReport
from voicegateway_shared.wire.money import RECOVERED_MAX

ENDED_MAX: Final = 4_096
"""Requests that wait to be priced: as many as end while a controller is slow to answer, and many more."""
UNPRICED_MAX: Final = 256
"""Of them, those whose tariff is not known yet; they hold all that the vendor sent."""
UNPRICED_NS: Final = 60 * NS_PER_S
"""For so long a tariff is waited for; after that only the ledger knows what a request cost."""
TELL_AGAIN_NS: Final = 5 * NS_PER_S
"""Who was recovered is told again after this time, should nobody have answered."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Around(Protocol):
    """The process around the cashier."""

    def hook_failed(self, where: str, error: BaseException) -> None:
        """Count an error of our own."""
        ...

    def priced(self, record: RequestRecord, cost_nano_usd: int) -> None:
        """A request has ended and cost so much."""
        ...

    def know(self, budgets: Iterable[BudgetSpec]) -> None:
        """These are the budgets of the moment."""
        ...

    def spent(self, budget: BudgetSpec, session_id: str) -> None:
        """A budget that ends sessions is spent; `session_id` is the session whose own it is, empty for all."""
        ...

    def directed(self, directives: Iterable[Directive]) -> None:
        """The controller says that this is to be done."""
        ...

    def done(self) -> tuple[str, ...]:
        """Directives that were obeyed, by id."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether there are any."""
        ...

    def recovered(self) -> tuple[str, ...]:
        """Incarnations that died on this host and of whose spans every one has been acknowledged."""
        ...

    def forget_recovered(self, incarnations: Iterable[str]) -> None:
        """The controller knows of them."""
        ...


class Cashier:
    """Lives as long as its runtime."""

    def __init__(
        self,
        around: Around,
        *,
        now_ns: Callable[[], int] = boot_ns,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._around, self._now_ns, self._now = around, now_ns, now
        self.book = MoneyBook(now_ns=now_ns)
        self.tariffs = Tariffs(now_ns=now_ns)
        self.experience = Experience()
        self.on_due: Callable[[], None] = lambda: None
        """Rung when there is something to do sooner than `due_ns` said."""
        self._ended: deque[RequestRecord] = deque()
        self._unpriced: deque[tuple[int, RequestRecord]] = deque()
        self._pricing = threading.Lock()
        self._models: tuple[ModelName, ...] = ()
        self._recovered: tuple[str, ...] = ()
        self._told_ns = 0
        self._over: set[str] = set()
        """Windows that are spent and whose end was told to the sessions."""
        self._sessions_over: set[str] = set()
        """Likewise those of single sessions, for good."""
        self.book.on_due = self._ring

    def most_cost(self, record: RequestRecord, tariff: ModelTariff) -> int:
        """Return what the next attempt may cost at most, in nano-dollars; nothing where no price says so."""
        bound = tariff.bound(record, now=self._now())
        if bound is None:
            return 0
        most = most_of(record, self.experience.habit(record), output_tokens_p99=tariff.output_tokens_p99)
        try:
            return bound.nano_usd(most)
        except UnboundedUsage as unbounded:
            # Nothing that this process measures bounds it; what it cost is charged when it has ended.
            return bound.nano_usd({**dict.fromkeys(bound.meters, 0), unbounded.meter: 0, **most})

    def cost_so_far(self, record: RequestRecord) -> int | None:
        """Return what a request that is open would cost if it ended now; None where no price says so."""
        tariff = self.tariffs.find(key_of(record))
        return tariff.cost(rating_request(record)) if tariff is not None and tariff.is_priced else None

    def met(self, record: RequestRecord) -> None:
        """Have the prices of a request's model asked for."""
        key = key_of(record)
        if self.tariffs.find(key) is None:
            self.tariffs.need(key, circumstances(record))

    def ended(self, record: RequestRecord) -> None:
        """Take a request that has ended: it is priced soon, in the syncer's thread."""
        if len(self._ended) >= ENDED_MAX:
            # The ledger will know. What it held must not be held for ever.
            self._give_up(record)
            return
        self._ended.append(record)
        if len(self._ended) == 1:
            self.on_due()
        if self.book.is_awaited:
            self.price_ended()

    def price_ended(self) -> None:
        """Price what has ended: somebody lacks money, and the syncer's thread may wait for a slow answer.

        Nothing is done while that thread is at it; then it serves who waits.
        """
        if self._ended and self._pricing.acquire(blocking=False):
            try:
                self._price_ended()
            finally:
                self._pricing.release()

    def look(self) -> None:
        """Price what has ended, and see who can be served. From the syncer's thread, as all that follows."""
        with self._pricing:
            self._price_again()
            self._price_ended()
        if self._ended:
            # It ended meanwhile behind another one, and rang for nobody.
            self.on_due()
        self.book.serve()

    def due_ns(self) -> int | None:
        """When the next message should be sent; now or earlier: at once. None: it need not."""
        now_ns = self._now_ns()
        if self.tariffs.is_due or self._around.is_done:
            return now_ns
        due = [self.book.due_ns()]
        if self._around.recovered():
            due.append(self._told_ns + TELL_AGAIN_NS)
        return min((each for each in due if each is not None), default=None)

    def report(self, seq: int, *, is_leaving: bool = False) -> MoneyReport:
        """Say what there is to say of money; to be sent at once."""
        self._models = self.tariffs.wanted()
        self._recovered = self._around.recovered()[:RECOVERED_MAX]
        self._told_ns = self._now_ns()
        return MoneyReport(
            tag=self.book.tag,
            claims=self.book.claims(seq, is_leaving=is_leaving),
            models=self._models,
            recovered=self._recovered,
            done=self._around.done(),
        )

    def answered(self, seq: int, answer: MoneyAnswer | None) -> None:
        """Take an answer; one that says nothing of money is none."""
        if answer is None:
            self.failed(seq)
            return
        self._around.forget_recovered(self._recovered)
        if answer.budgets is not None:
            self._around.know(pool.spec for pool in answer.budgets)
        # Before the budgets: who waits for both is to find both.
        self.tariffs.learned(self._models, answer.tariffs, now=self._now())
        self.book.answered(seq, answer)
        self._tell_over()
        if answer.directives:
            self._around.directed(answer.directives)

    def failed(self, seq: int) -> None:
        """No answer came, or none of money."""
        self.tariffs.unheard(self._models)
        self._models = ()
        self.book.failed(seq)

    def _ring(self) -> None:
        self.on_due()

    def _price(self, record: RequestRecord, *, since_ns: int) -> None:
        """Charge what a request has cost; one whose tariff is not known yet is looked at again."""
        tariff = self.tariffs.find(key_of(record))
        if tariff is None:
            if len(self._unpriced) < UNPRICED_MAX and self._now_ns() < since_ns + UNPRICED_NS:
                self._unpriced.append((since_ns, record))
            else:
                self._give_up(record)
            return
        try:
            cost = tariff.cost(rating_request(record))
        except Exception as error:  # noqa: BLE001 - the others must be priced, and this one must not be held for ever
            self._around.hook_failed("budgets.price", error)
            self._settle(record, record.money.ticket.held if record.money is not None else 0)
            return
        self._settle(record, cost)
        try:
            self.experience.learn(record)
            self._around.priced(record, cost)
            self._tell_session_over(record)
        except Exception as error:  # noqa: BLE001 - likewise
            self._around.hook_failed("budgets.priced", error)

    def _price_ended(self) -> None:
        for _ in range(len(self._ended)):
            record = self._ended.popleft()
            self._price(record, since_ns=self._now_ns())

    def _price_again(self) -> None:
        for _ in range(len(self._unpriced)):
            since_ns, record = self._unpriced.popleft()
            self._price(record, since_ns=since_ns)

    def _give_up(self, record: RequestRecord) -> None:
        self._settle(record, 0)

    def _settle(self, record: RequestRecord, cost: int) -> None:
        money, record.money = record.money, None
        if money is not None:
            money.ticket.settle(cost)
        elif cost:
            self.book.charge(target_of(record), record.identity.session_id, cost)

    def _tell_session_over(self, record: RequestRecord) -> None:
        plan = self.book.known(target_of(record), record.identity.session_id)
        for purse in plan.leases if plan is not None else ():
            if purse.is_local and purse.spec.action == "end_session" and purse.lease.used >= purse.lease.granted:
                self._end_session(purse.lease.pool, purse.spec, record.identity.session_id)

    def _end_session(self, pool: str, spec: BudgetSpec, session_id: str) -> None:
        if pool not in self._sessions_over:
            if len(self._sessions_over) >= ENDED_MAX:
                self._sessions_over.clear()
            self._sessions_over.add(pool)
            self._around.spent(spec, session_id)

    def _tell_over(self) -> None:
        over = {pool: spec for spec, pool in self.book.over() if spec.action == "end_session"}
        # A budget that was raised may be spent once more.
        before, self._over = self._over, set(over)
        for pool, spec in over.items():
            if pool not in before:
                self._around.spent(spec, "")
