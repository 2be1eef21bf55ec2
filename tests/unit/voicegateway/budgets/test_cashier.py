"""The cashier: what has ended is priced once, later when it must be, and never held for ever."""

from collections.abc import Iterable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import pytest
from tests.fixtures.money_controller import a_budget
from tests.unit.voicegateway.records import a_record, chunk, tokens

from voicegateway.budgets import cashier as module
from voicegateway.budgets.cashier import TELL_AGAIN_NS, UNPRICED_NS, Cashier
from voicegateway.budgets.lease import NS_PER_S
from voicegateway.budgets.ticket import MoneyTicket
from voicegateway.record import RequestRecord
from voicegateway.target import target_of
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.pricing import Catalog, Tariff
from voicegateway_shared.wire import BudgetPool, Directive, ModelName, MoneyAnswer, MoneyLease, MoneyReport

CATALOG: Final = Catalog.builtin()
MINI: Final = ModelName(provider="openai", model="gpt-4.1-mini", modality="llm")
COST: Final = 400_000 + 1_600_000
"""A thousand tokens each way."""


class Around:
    """A process that remembers what it was told."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.costs: list[int] = []
        self.known: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.directives: list[str] = []
        self.obeyed: tuple[str, ...] = ()
        self.dead: tuple[str, ...] = ()

    def hook_failed(self, where: str, error: BaseException) -> None:
        self.errors.append(f"{where}: {error}")

    def priced(self, record: RequestRecord, cost_nano_usd: int) -> None:
        self.costs.append(cost_nano_usd)

    def know(self, budgets: Iterable[BudgetSpec]) -> None:
        self.known = [budget.id for budget in budgets]

    def spent(self, budget: BudgetSpec, session_id: str) -> None:
        self.ended.append((budget.id, session_id))

    def directed(self, directives: Iterable[Directive]) -> None:
        self.directives += [directive.id for directive in directives]

    def done(self) -> tuple[str, ...]:
        obeyed, self.obeyed = self.obeyed, ()
        return obeyed

    @property
    def is_done(self) -> bool:
        return bool(self.obeyed)

    def recovered(self) -> tuple[str, ...]:
        return self.dead

    def forget_recovered(self, incarnations: Iterable[str]) -> None:
        self.dead = tuple(each for each in self.dead if each not in set(incarnations))


class World:
    """A cashier, its clock, and a controller that answers what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *budgets: BudgetPool) -> None:
        monkeypatch.setattr("voicegateway.budgets.pricing._met", {})
        self.now_ns, self.seq, self.rings = 10 * NS_PER_S, 0, 0
        self.around = Around()
        self.cashier = Cashier(
            self.around, now_ns=lambda: self.now_ns, now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC)
        )
        self.cashier.on_due = self._ring
        self.sync(tag="t1", budgets=budgets)

    def _ring(self) -> None:
        self.rings += 1

    def sync(self, *, priced: bool = True, **fields: Any) -> MoneyReport:
        self.seq += 1
        report = self.cashier.report(self.seq)
        leases = tuple(
            MoneyLease(pool=claim.pool, granted=max(claim.target, claim.need), ttl_ms=600_000)
            for claim in report.claims
        )
        tariffs = tuple(self._tariff(name) for name in report.models) if priced else ()
        given = {"tag": "t1", "leases": leases, "tariffs": tariffs, **fields}
        self.cashier.answered(self.seq, MoneyAnswer(**given))
        return report

    @staticmethod
    def _tariff(name: ModelName) -> Tariff:
        found = CATALOG.model(provider=name.provider, model=name.model, modality=name.modality)
        return Tariff.of(found, provider=name.provider, model=name.model, modality=name.modality, p99=0)

    def charged(self) -> dict[str, int]:
        plan = self.cashier.book.known(target_of(a_record()), "AJ_1")
        return {} if plan is None else {purse.spec.id: purse.lease.used for purse in plan.purses}


def ended(**fields: Any) -> RequestRecord:
    """A chat of a thousand tokens each way that has just ended well."""
    record = a_record(is_settled=True, started_unix_ns=1_795_262_400_000_000_000, **fields)
    record.llm_chunks.append(chunk(usage=tokens(1_000, 1_000)))
    return record


def holding(world: World, record: RequestRecord, amount: int) -> RequestRecord:
    plan = world.cashier.book.known(target_of(record), "AJ_1")
    assert plan is not None
    record.money = SimpleNamespace(ticket=world.cashier.book.reserve_what_is_there(plan, amount))
    return record


def test_what_has_ended_is_priced_and_charged_and_the_guards_hear_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.cashier.met(ended())
    assert world.cashier.due_ns() == world.now_ns
    assert world.sync().models == (MINI,)
    rings = world.rings
    world.cashier.ended(ended())
    world.cashier.ended(ended())
    assert world.rings == rings + 1
    assert world.charged() == {"house": 0}
    world.cashier.look()

    assert world.charged() == {"house": 2 * COST}
    assert world.around.costs == [COST, COST]
    assert world.around.known == ["house"]


def test_what_ends_while_somebody_lacks_money_waits_for_no_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget("call", amount=100 * COST, window="session", window_id=""))
    world.cashier.met(ended())
    world.sync()
    record = holding(world, ended(), 60 * COST)
    outcomes: list[Any] = []
    plan = world.cashier.book.known(target_of(record), "AJ_1")
    assert plan is not None
    assert world.cashier.book.try_reserve(plan, 60 * COST) is None
    world.cashier.book.wait(plan, 60 * COST, until_ns=world.now_ns + NS_PER_S, wake=outcomes.append)
    world.cashier.ended(record)

    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]
    assert world.charged() == {"call": COST}
    assert world.around.costs == [COST]


def test_what_has_ended_is_priced_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.cashier.met(ended())
    world.sync()
    world.cashier.ended(ended())
    with world.cashier._pricing:
        world.cashier.price_ended()
    assert world.around.costs == []
    world.cashier.price_ended()

    assert world.around.costs == [COST]


def test_what_ended_before_its_price_was_known_is_charged_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    record = ended()
    world.cashier.met(record)
    world.cashier.ended(record)
    world.cashier.look()
    assert world.charged() == {"house": 0}
    world.sync()
    world.cashier.look()

    assert world.charged() == {"house": COST}


def test_what_never_gets_a_price_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    record = holding(world, ended(), 500)
    world.cashier.met(record)
    world.cashier.ended(record)
    world.cashier.look()
    world.sync(priced=False)
    world.now_ns += UNPRICED_NS
    world.cashier.look()
    world.sync()
    world.cashier.look()

    assert world.charged() == {"house": 0}
    assert record.money is None


def test_too_much_at_once_holds_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDED_MAX", 2)
    world = World(monkeypatch, a_budget())
    records = [holding(world, ended(), 500) for _ in range(3)]
    for record in records:
        world.cashier.ended(record)

    assert [record.money is None for record in records] == [False, False, True]


def test_a_request_that_cannot_be_priced_counts_as_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.cashier.met(ended())
    world.sync()
    broken = holding(world, ended(), 500)
    broken.started_unix_ns = 10**30
    world.cashier.ended(broken)
    world.cashier.ended(ended())
    world.cashier.look()

    assert world.charged() == {"house": 500 + COST}
    assert len(world.around.errors) == 1


def test_a_sessions_own_budget_that_is_spent_ends_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget("call", COST, window="session", window_id="", action="end_session"))
    world.cashier.met(ended())
    world.sync()
    for _ in range(2):
        world.cashier.ended(ended())
        world.cashier.look()

    assert world.around.ended == [("call", "AJ_1")]


def test_a_budget_that_is_spent_ends_all_its_sessions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget(action="end_session"), a_budget("soft", action="block"))
    for _ in range(2):
        world.cashier.book.charge(target_of(a_record()), "AJ_1", 1)
        world.now_ns += 2 * NS_PER_S
        over = tuple(
            MoneyLease(pool=pool, state="exhausted", ttl_ms=600_000, is_over=True)
            for pool in ("house@total", "soft@total")
        )
        world.sync(leases=over)

    assert world.around.ended == [("house", "")]


def test_a_budget_that_was_raised_and_is_spent_again_ends_its_sessions_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget(action="end_session"))
    for is_over in (True, False, True):
        world.cashier.book.charge(target_of(a_record()), "AJ_1", 1)
        world.now_ns += 2 * NS_PER_S
        world.sync(leases=(MoneyLease(pool="house@total", ttl_ms=600_000, is_over=is_over),))

    assert world.around.ended == [("house", ""), ("house", "")]


def test_what_ends_while_others_are_priced_is_not_left_until_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.cashier.met(ended())
    world.sync()
    world.cashier.ended(ended())
    world.cashier.ended(ended())
    charge = world.cashier.book.charge

    def one_more_ends(*args: Any) -> None:
        monkeypatch.setattr(world.cashier.book, "charge", charge)
        world.cashier.ended(ended())
        charge(*args)

    monkeypatch.setattr(world.cashier.book, "charge", one_more_ends)
    rings = world.rings
    world.cashier.look()

    assert world.rings == rings + 1
    world.cashier.look()
    assert world.charged() == {"house": 3 * COST}
    assert world.rings == rings + 1


def test_directives_go_to_the_process_and_what_was_done_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.sync(directives=(Directive(id="d1", session_id="AJ_1"),))
    assert world.around.directives == ["d1"]
    world.around.obeyed = ("d1",)
    assert world.cashier.due_ns() == world.now_ns

    assert world.sync().done == ("d1",)
    assert world.sync().done == ()


def test_who_was_recovered_is_told_until_that_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget())
    world.around.dead = ("host-1-dead",)
    world.now_ns += TELL_AGAIN_NS
    assert world.cashier.due_ns() == world.now_ns
    world.seq += 1
    assert world.cashier.report(world.seq).recovered == ("host-1-dead",)
    world.cashier.failed(world.seq)
    assert world.cashier.due_ns() == world.now_ns + TELL_AGAIN_NS

    assert world.sync().recovered == ("host-1-dead",)
    assert world.sync().recovered == ()


def test_an_answer_without_money_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a_budget(offline="closed"))
    world.seq += 1
    world.cashier.report(world.seq)
    world.cashier.answered(world.seq, None)
    world.now_ns += 3 * NS_PER_S
    plan = world.cashier.book.known(target_of(a_record()), "AJ_1")
    assert plan is not None

    assert world.cashier.book.try_reserve(plan, 1) is None
