"""No history overspends a budget, and each ends with truth, ledger and Redis agreed; a rule taken away is missed."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.fixtures.budget_histories import play
from tests.fixtures.budget_machine import Mutation
from tests.fixtures.budget_world import PATIENCE_US, TARGET, S, World, registered
from tests.fixtures.services import TestServices

from voicegateway.budgets import holdings
from voicegateway.budgets.book import MoneyBook
from voicegateway.budgets.lease import MoneyLease
from voicegateway_controller.budgets import pools
from voicegateway_controller.budgets.leasing import terms
from voicegateway_controller.budgets.pools import Asked, Leased, Opening
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Selector
from voicegateway_shared.wire import MoneyAnswer, MoneyClaim
from voicegateway_shared.wire import MoneyLease as Told

SEEDS = range(10)
LONG_SEEDS = range(4)
MISSED_WITHIN = range(60)


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.mark.parametrize("is_long", [False, True], ids=["a minute of troubles", "half an hour with long silences"])
def test_no_history_overspends_and_at_the_end_all_hands_agree(server: redis.Redis, is_long: bool) -> None:
    scripts = registered(server)
    found = {seed: play(server, seed, scripts, is_long=is_long) for seed in (LONG_SEEDS if is_long else SEEDS)}

    assert {seed: each.over for seed, each in found.items() if each.over} == {}
    assert {seed: each.unequal for seed, each in found.items() if each.unequal} == {}
    near = sum(each.used > 0.8 for each in found.values())
    assert near >= len(found) // 2, "histories that stay far from the amount prove nothing"


MUTATIONS: dict[str, Mutation] = {
    "what a lost pool had leased is not kept": (
        "open",
        "unknown = tonumber(ARGV[4])",
        "unknown = 0",
    ),
    "what is leased is not counted": (
        "money",
        "pool.spent + pool.outstanding + pool.unknown",
        "pool.spent + pool.unknown",
    ),
    "what holders told before is forgotten": ("pool", "charge(pool, used - holder.used)", "charge(pool, 0)"),
    "a lease that is adopted is not outstanding": (
        "money",
        "goes_by(pool, holder, math.max(kept, holder.used))",
        "holder.granted = math.max(kept, holder.used)",
    ),
    "what the ledger had of a holder is counted twice": (
        "money",
        "holder = {granted = seed, used = seed,",
        "holder = {granted = 0, used = 0,",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_rule_of_the_scripts_is_missed(mutation: Mutation, server: redis.Redis) -> None:
    scripts = registered(server, mutation)

    assert any(each.over or each.unequal for each in (play(server, seed, scripts) for seed in MISSED_WITHIN))


# Plots: two holders, and the worst order of things.

AMOUNT = 1_000_000
SPEC = BudgetSpec(id="plot", selector=Selector(), amount_nano_usd=AMOUNT, window="total")


class Plot:
    """Two books and a pool of one budget; messages go and arrive exactly when the plot says so."""

    def __init__(self, server: redis.Redis) -> None:
        self.world = World(server, [SPEC])
        self.books = {name: MoneyBook(now_ns=lambda: self.world.now_us * 1_000) for name in ("first", "other")}
        self.seqs = dict.fromkeys(self.books, 1)
        self.window = self.world.current()[0]
        self.terms = terms(self.window, 1, self.world.now)
        opening = Opening(
            seen_us=self.world.now_us, epoch=1, ceiling=AMOUNT, unknown=0, spent=0, gone=0, seeds={}, slices={}
        )
        self.world.script("open", self.window.pool, pools.open_arguments(self.terms, opening))
        for book in self.books.values():
            book.claims(1)
            windows = self.world.windows()
            book.answered(1, MoneyAnswer(tag=windows.tag, budgets=(windows.tell(SPEC, self.world.now),)))

    def wait(self, seconds: float) -> None:
        self.world.now_us += round(seconds * S)

    def wants(self, name: str, amount: int) -> None:
        """Somebody stands in line for so much."""
        book = self.books[name]
        plan = book.known(TARGET, "")
        assert plan is not None
        book.wait(plan, amount, until_ns=self.world.now_us * 1_000 + PATIENCE_US * 10**6, wake=lambda _: None)

    def says(self, name: str) -> tuple[int, MoneyClaim]:
        self.seqs[name] += 1
        [claim] = self.books[name].claims(self.seqs[name])
        return self.seqs[name], claim

    def arrives(self, name: str, said: tuple[int, MoneyClaim]) -> tuple[int, Told]:
        seq, claim = said
        arguments = pools.money_arguments(name, seq, Asked(claim=claim, terms=self.terms), is_leaving=False)
        answer = pools.read_money(claim, self.world.script("money", claim.pool, arguments))
        assert isinstance(answer, Leased)
        return seq, answer.lease

    def hears(self, name: str, answer: tuple[int, Told]) -> None:
        self.books[name].answered(answer[0], MoneyAnswer(tag=self.books[name].tag, leases=(answer[1],)))

    def reserved(self, name: str) -> int:
        """Spend all that may be spent; return how much that is, with what is reserved already."""
        book = self.books[name]
        plan = book.known(TARGET, "")
        assert plan is not None
        for amount in (AMOUNT, AMOUNT // 2, AMOUNT // 10):
            while book.try_reserve(plan, amount) is not None:
                pass
        lease = plan.leases[0].lease
        return lease.reserved + lease.used


def slow_answer(plot: Plot) -> int:
    """One hears 30 s late that it holds all, and spends at its last moment; by then the other has been given it."""
    plot.wants("first", AMOUNT)
    answer = plot.arrives("first", plot.says("first"))
    plot.wait(30)
    _drop_line(plot.books["first"])
    plot.hears("first", answer)
    plot.wait(570.5)
    plot.wants("other", AMOUNT)
    plot.hears("other", plot.arrives("other", plot.says("other")))
    return plot.reserved("first") + plot.reserved("other")


def late_answer(plot: Plot) -> int:
    """One was granted all, gives it back, and only then hears of the grant."""
    plot.wants("first", AMOUNT)
    answer = plot.arrives("first", plot.says("first"))
    _drop_line(plot.books["first"])
    plot.wait(1)
    plot.wants("first", 1)
    plot.arrives("first", plot.says("first"))
    _drop_line(plot.books["first"])
    plot.wants("other", AMOUNT // 4)
    plot.hears("other", plot.arrives("other", plot.says("other")))
    plot.hears("first", answer)
    return plot.reserved("first") + plot.reserved("other")


def returned(plot: Plot) -> int:
    """One holds all that nobody wants there, and says that it gives it back; the other is given it."""
    plot.wants("first", AMOUNT)
    first = plot.arrives("first", plot.says("first"))
    _drop_line(plot.books["first"])
    plot.hears("first", first)
    plot.wait(100)
    plot.arrives("first", plot.says("first"))
    plot.wants("other", AMOUNT)
    plot.hears("other", plot.arrives("other", plot.says("other")))
    return plot.reserved("first") + plot.reserved("other")


def _drop_line(book: MoneyBook) -> None:
    """Whoever waited has hung up."""
    for waiter in list(book._line.firsts()):
        book.cancel(waiter)


PLOTS = (slow_answer, late_answer, returned)


@pytest.mark.parametrize("plot", PLOTS)
def test_no_plot_gets_more_than_there_is(plot: Any, server: redis.Redis) -> None:
    assert 0 < plot(Plot(server)) <= AMOUNT


class KeepsWhatItReturns(MoneyLease):
    """Tells a smaller promise without keeping it."""

    __slots__ = ()

    def claim(self, *arguments: Any, **named: Any) -> MoneyClaim:
        granted = self.granted
        claim = super().claim(*arguments, **named)
        self.granted = granted
        return claim


class HearsOldAnswers(MoneyLease):
    """Takes any answer for the newest."""

    __slots__ = ()

    def answered(self, seq: int, lease: Told, now_ns: int) -> None:
        super().answered(self.seq, lease, now_ns)


class CountsFromTheAnswer(MoneyLease):
    """Believes that its time begins when it hears."""

    __slots__ = ()

    def answered(self, seq: int, lease: Told, now_ns: int) -> None:
        self.sent_ns = now_ns
        super().answered(seq, lease, now_ns)


@pytest.mark.parametrize(
    ("broken", "plot"),
    [(KeepsWhatItReturns, returned), (HearsOldAnswers, late_answer), (CountsFromTheAnswer, slow_answer)],
)
def test_a_rule_of_the_lease_is_missed(
    broken: type[MoneyLease], plot: Any, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "MoneyLease", broken)
    staged = Plot(server)
    if broken is HearsOldAnswers:
        # The book looks at the number too: taken away as well.
        for book in staged.books.values():
            _deaf_to_order(book)

    assert plot(staged) > AMOUNT


def _deaf_to_order(book: MoneyBook) -> None:
    heard = book.answered
    book.answered = lambda seq, answer: heard(book._seq, answer)  # type: ignore[method-assign]
