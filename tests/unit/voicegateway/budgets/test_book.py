"""The money book: all budgets or none, first come first served, windows that turn, policies, sessions, threads."""

import threading
from typing import Any, Final

import pytest

from voicegateway.budgets.book import LINE_MAX, MoneyBook
from voicegateway.budgets.holdings import SESSIONS_MAX
from voicegateway.budgets.lease import GIVE_BACK_NS, IDLE_NS, NS_PER_MS, NS_PER_S
from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.budgets.ticket import MoneyPlan, MoneyTicket, MoneyWaiter
from voicegateway.limits.absence import OFFLINE_AFTER_NS
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.limits import Selector, Target
from voicegateway_shared.wire import BudgetPool, MoneyAnswer, MoneyClaim, MoneyLease
from voicegateway_shared.wire.money import MONEY_CLAIMS_MAX

LLM: Final = Target(provider="openai", model="gpt-4.1-mini", modality="llm", project="acme")
TTS: Final = Target(provider="cartesia", model="sonic-3", modality="tts", project="acme")
CALL: Final = "AJ_1"
PLENTY: Final = 10**9


def a_budget(name: str = "house", **fields: Any) -> BudgetPool:
    """A day of the whole fleet's, unless the fields say otherwise."""
    pool = {"window_id": "day:1", "ends_in_ms": 3_600_000, "next_window_id": "day:2", "next_ends_in_ms": 90_000_000}
    times = {key: fields.pop(key) for key in tuple(pool) if key in fields}
    given = {"selector": Selector(), "amount_nano_usd": PLENTY, "window": "day", **fields}
    return BudgetPool(spec=BudgetSpec(id=name, **given), **{**pool, **times})


def a_session_budget(amount: int, **fields: Any) -> BudgetPool:
    spec = BudgetSpec(id="call", selector=Selector(), amount_nano_usd=amount, window="session", **fields)
    return BudgetPool(spec=spec, window_id="")


class World:
    """A book, its clock, and a controller that answers what the test says."""

    def __init__(self, *budgets: BudgetPool) -> None:
        self.now_ns, self.seq, self.rings, self.tags = 10 * NS_PER_S, 0, 0, 0
        self.book = MoneyBook(now_ns=lambda: self.now_ns)
        self.book.on_due = self._ring
        self.declare(*budgets)

    def _ring(self) -> None:
        self.rings += 1

    def declare(self, *budgets: BudgetPool) -> None:
        self.seq += 1
        self.tags += 1
        self.book.claims(self.seq)
        self.book.answered(self.seq, MoneyAnswer(tag=f"t{self.tags}", budgets=budgets))

    def sync(self, **more: int) -> dict[str, MoneyClaim]:
        """One message: each budget (by its name) has so much more than is held; what is not named, plenty."""
        self.seq += 1
        claims = self.book.claims(self.seq)
        leases = tuple(
            MoneyLease(
                pool=claim.pool,
                granted=max(claim.granted, claim.used) + more.get(claim.pool.partition("@")[0], 1_000_000),
                ttl_ms=600_000,
            )
            for claim in claims
        )
        self.book.answered(self.seq, MoneyAnswer(tag=self.book.tag, leases=leases))
        return {claim.pool: claim for claim in claims}

    def says(self, **fields: Any) -> dict[str, MoneyClaim]:
        """One message whose every answer is this; what a holder goes by stays granted."""
        self.seq += 1
        claims = self.book.claims(self.seq)
        leases = tuple(
            MoneyLease(pool=claim.pool, **{"granted": claim.granted, "ttl_ms": 600_000, **fields}) for claim in claims
        )
        self.book.answered(self.seq, MoneyAnswer(tag=self.book.tag, leases=leases))
        return {claim.pool: claim for claim in claims}

    def fails(self) -> None:
        self.seq += 1
        self.book.claims(self.seq)
        self.book.failed(self.seq)

    def later(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)

    def plan(self, target: Target = LLM, session: str = CALL) -> MoneyPlan:
        plan = self.book.known(target, session)
        assert plan is not None
        return plan

    def ask(self, amount: int = 100, target: Target = LLM, session: str = CALL) -> MoneyTicket | None:
        return self.book.try_reserve(self.plan(target, session), amount)

    def wait(
        self, amount: int = 100, target: Target = LLM, session: str = CALL, ms: int = 250
    ) -> tuple[MoneyWaiter, list[MoneyTicket | MoneyRefusal]]:
        outcomes: list[MoneyTicket | MoneyRefusal] = []
        until_ns = self.now_ns + ms * NS_PER_MS
        return self.book.wait(self.plan(target, session), amount, until_ns=until_ns, wake=outcomes.append), outcomes

    def admitted(self, amount: int = 100, target: Target = LLM, session: str = CALL) -> MoneyTicket:
        """One request through the line, whatever was held before."""
        ticket = self.ask(amount, target, session)
        if ticket is None:
            _, outcomes = self.wait(amount, target, session)
            self.sync()
            [outcome] = outcomes
            assert isinstance(outcome, MoneyTicket)
            ticket = outcome
        return ticket

    def said(self) -> dict[str, int]:
        """What is told to be spent, by pool, a while from now."""
        self.later(2)
        return {pool: claim.used for pool, claim in self.sync().items()}


def refused(outcomes: list[MoneyTicket | MoneyRefusal]) -> MoneyRefusal:
    [outcome] = outcomes
    assert isinstance(outcome, MoneyRefusal)
    return outcome


# Which budgets


def test_what_no_budget_is_about_has_no_plan() -> None:
    world = World(a_budget(selector=Selector(project="globex")))

    assert world.book.known(LLM, CALL) is None


def test_a_request_is_paid_from_every_budget_that_is_about_it() -> None:
    world = World(a_budget(), a_budget("voices", selector=Selector(modality="tts")), a_budget("acme"))

    assert [purse.spec.id for purse in world.plan(LLM).purses] == ["house", "acme"]
    assert [purse.spec.id for purse in world.plan(TTS).purses] == ["house", "voices", "acme"]


def test_a_request_takes_from_all_budgets_or_none() -> None:
    world = World(a_budget(), a_budget("acme"))
    world.ask()
    world.wait()
    world.sync(house=100, acme=99)

    assert world.ask(100) is None
    claims = world.sync(house=0, acme=1)
    assert {claim.used for claim in claims.values()} <= {0}
    assert all(purse.lease.reserved == 100 for purse in world.plan().purses), "the waiter has it now"


def test_what_costs_nothing_is_never_held_up() -> None:
    world = World(a_budget())
    world.wait(PLENTY)
    world.says(state="exhausted", retry_ms=1_000, is_over=True)
    ticket = world.ask(0)

    assert ticket is not None
    ticket.settle(0)


# Reserving and settling


def test_what_is_settled_is_spent_and_the_rest_is_free() -> None:
    world = World(a_budget())
    world.admitted(1_000).settle(40)
    world.admitted(100).settle(170)

    assert world.said() == {"house@day:1": 210}
    assert world.plan().purses[0].lease.reserved == 0


def test_settling_twice_is_once() -> None:
    world = World(a_budget())
    ticket = world.admitted()
    ticket.settle(60)
    ticket.settle(60)

    assert world.said() == {"house@day:1": 60}
    assert world.plan().purses[0].lease.reserved == 0


def test_a_request_that_began_before_the_budgets_were_known_is_charged() -> None:
    world = World(a_budget())
    world.book.charge(LLM, CALL, 70)
    world.book.charge(Target(provider="x", model="y", modality="llm"), CALL, 5)

    assert world.said() == {"house@day:1": 75}


def test_a_request_is_charged_to_the_budgets_of_its_end() -> None:
    world = World(a_budget())
    ticket = world.admitted()
    world.declare(a_budget(), a_budget("acme"))
    ticket.settle(30)

    assert world.said() == {"house@day:1": 30, "acme@day:1": 30}


def test_a_retry_holds_more_and_may_give_it_back() -> None:
    world = World(a_budget())
    ticket = world.admitted(100)
    world.sync()
    lease = world.plan().purses[0].lease

    assert ticket.try_extend(250)
    assert (ticket.held, lease.reserved) == (250, 250)
    ticket.keep(100)
    assert (ticket.held, lease.reserved) == (100, 100)
    ticket.keep(500)
    ticket.settle(90)
    assert (lease.used, lease.reserved) == (90, 0)


def test_what_must_go_on_holds_what_there_is() -> None:
    world = World(a_budget(), a_budget("acme"))
    world.ask(10)
    world.wait(300)
    world.sync(house=300, acme=0)
    waiting = world.book.reserve_what_is_there(world.plan(), 500)
    house, acme = world.plan().purses

    assert (house.lease.reserved, acme.lease.reserved) == (300, 0)
    waiting.settle(450)
    assert (house.lease.used, acme.lease.used, house.lease.reserved) == (450, 450, 0)


# The line


def test_first_come_first_served_and_nobody_overtakes() -> None:
    world = World(a_budget())
    _, first = world.wait(500)
    _, second = world.wait(10)
    world.says(granted=100, is_scarce=True)

    assert (first, second) == ([], [])
    assert world.ask(1) is None
    world.says(granted=505)
    assert (len(first), len(second)) == (1, 0)
    world.says(granted=510)
    assert len(second) == 1


def test_who_waits_for_another_budget_is_not_in_the_way() -> None:
    world = World(
        a_budget("words", selector=Selector(modality="llm")), a_budget("voices", selector=Selector(modality="tts"))
    )
    _, blocked = world.wait(500)
    _, free = world.wait(10, TTS)
    world.sync(words=0, voices=10)

    assert (len(blocked), len(free)) == (0, 1)


def test_what_all_waiters_lack_is_wanted_and_what_the_first_lacks_needed() -> None:
    world = World(a_budget())
    world.wait(500)
    world.wait(30)
    [claim] = world.sync(house=0).values()

    assert (claim.need, claim.target, claim.waiters) == (500, 530, 2)


def test_money_that_comes_back_serves_who_waits() -> None:
    world = World(a_budget())
    _, outcomes = world.wait(100)
    world.says(granted=100)
    _, waiting = world.wait(60)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)

    ticket.settle(20)
    assert len(waiting) == 1


def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    world = World(a_budget())
    waiter, outcomes = world.wait(100)
    world.says(granted=0, retry_ms=700)
    refusal = world.book.cancel(waiter)

    assert refusal == MoneyRefusal(
        budget_id="house",
        pool="house@day:1",
        action="block",
        sentence="I am sorry, I have to end our call here. Goodbye.",
        reason="scarce",
        retry_after_ms=700,
    )
    assert outcomes == []
    assert world.book.cancel(waiter) is None
    purse = world.plan().purses[0]
    assert (purse.waiting, purse.waiters, purse.lease.reserved) == (0, 0, 0)
    [claim] = world.sync().values() or [None]
    assert claim is None or claim.need == 0


def test_a_line_has_an_end() -> None:
    world = World(a_budget())
    outcomes = [world.wait()[1] for _ in range(LINE_MAX + 1)]

    assert [len(each) for each in outcomes[-2:]] == [0, 1]
    assert refused(outcomes[-1]).reason == "scarce"


def test_who_waits_is_unheard_until_an_answer_to_a_later_message() -> None:
    world = World(a_budget())
    world.book.claims(world.seq + 1)
    world.later(0.01)
    waiter, _ = world.wait(100)
    world.seq += 1
    world.book.answered(world.seq, MoneyAnswer(tag=world.book.tag))
    assert world.book.is_unheard(waiter), "the message had left before"
    world.later(0.01)
    world.says(retry_ms=50)

    assert not world.book.is_unheard(waiter)


def test_an_answer_to_what_was_said_before_is_no_word_about_who_waits() -> None:
    world = World(a_budget())
    world.admitted(100).settle(100)
    world.later(2)
    world.seq += 1
    claims = world.book.claims(world.seq)
    world.later(0.3)
    waiter, outcomes = world.wait(10_000_000)
    world.later(0.3)
    leases = tuple(MoneyLease(pool=each.pool, granted=each.granted, ttl_ms=600_000) for each in claims)
    world.book.answered(world.seq, MoneyAnswer(tag=world.book.tag, leases=leases))

    assert leases, "what was spent is told"
    assert world.book.is_unheard(waiter)
    world.later(0.5)
    world.sync(house=20_000_000)
    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]


def test_a_wish_that_is_not_granted_holds_up_nobody_who_needs_money() -> None:
    world = World(a_budget())
    world.admitted(100)
    world.says(retry_ms=500)
    world.later(0.01)
    waiter, _ = world.wait(10_000_000)

    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    assert world.book.is_unheard(waiter)
    world.says(retry_ms=500)
    assert world.book.due_ns() == world.now_ns + 500 * NS_PER_MS, "now it was need"


def test_who_stands_behind_another_that_was_granted_what_it_needs_is_unheard() -> None:
    world = World(a_budget())
    _, first = world.wait(500)
    second, outcomes = world.wait(200)
    world.later(1.5)
    world.says(granted=500, is_scarce=True)

    assert [type(outcome) for outcome in first] == [MoneyTicket]
    assert world.book.is_unheard(second), "scarce money is granted to one at a time"
    world.later(0.5)
    [claim] = world.says(granted=700, is_scarce=True).values()
    assert claim.need == 700
    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]


def test_who_needs_less_than_what_was_denied_is_asked_for_at_once() -> None:
    world = World(a_budget())
    large, _ = world.wait(500_000)
    world.says(retry_ms=1_000, is_scarce=True)
    world.book.cancel(large)
    world.later(0.1)
    small, outcomes = world.wait(40)

    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    assert world.book.is_unheard(small)
    world.says(granted=40, is_scarce=True)
    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]


def test_what_was_said_of_a_window_is_no_word_about_the_next() -> None:
    world = World(a_budget(ends_in_ms=1_000))
    world.later(0.9)
    waiter, outcomes = world.wait(100)
    world.says(retry_ms=50, is_scarce=True)
    assert not world.book.is_unheard(waiter)
    world.later(0.15)

    assert world.book.is_unheard(waiter), "a new window is full"
    assert set(world.sync(house=100)) == {"house@day:2"}
    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]


def test_money_that_came_before_somebody_stood_in_line_is_held_at_once() -> None:
    world = World(a_budget())
    assert world.ask(100) is None
    world.sync()
    _, outcomes = world.wait(100)

    assert [type(outcome) for outcome in outcomes] == [MoneyTicket]


def test_who_lacks_nothing_is_not_held_up_by_whom_nobody_has_heard() -> None:
    world = World(a_budget(), a_budget("voices", selector=Selector(modality="tts")))
    world.admitted(100)
    first, _ = world.wait(500_000_000, TTS)
    world.sync(voices=0)
    world.later(0.01)
    second, _ = world.wait(100)

    assert not world.book.is_unheard(second)
    assert isinstance(world.book.cancel(second), MoneyTicket)
    assert not world.book.is_unheard(first), "of its voices it was told"


def test_who_comes_while_the_controller_has_said_to_wait_has_been_heard() -> None:
    world = World(a_budget(), a_session_budget(50))
    world.later(0.01)
    world.says()
    own, _ = world.wait(100)
    assert not world.book.is_unheard(own), "a session's own money is nobody else's to give"
    world = World(a_budget())
    waiter, _ = world.wait(100)
    world.says(retry_ms=1_000)
    world.book.cancel(waiter)
    world.later(0.1)
    waiter, _ = world.wait(100)

    assert not world.book.is_unheard(waiter)


@pytest.mark.parametrize(("policy", "is_unheard"), [("open", False), ("closed", True), ("last_lease", True)])
def test_a_controller_that_restarts_is_waited_for_unless_the_policy_is_open(policy: Any, *, is_unheard: bool) -> None:
    world = World(a_budget(offline=policy))
    world.later(0.01)
    waiter, _ = world.wait(100)
    world.fails()

    assert world.book.is_unheard(waiter) is is_unheard
    world.later(3)
    assert not world.book.is_unheard(waiter), "then it is away"


@pytest.mark.parametrize("policy", ["closed", "last_lease"])
def test_that_a_controller_failed_long_ago_says_nothing_of_now(policy: Any) -> None:
    world = World(a_budget(offline=policy))
    world.fails()
    world.later(60)
    world.seq += 1
    world.book.claims(world.seq)
    world.later(1)
    waiter, _ = world.wait(100)

    assert world.book.is_unheard(waiter), "it is slow, for all that is known"
    refusal = world.book.cancel(waiter)
    assert isinstance(refusal, MoneyRefusal)
    assert refusal.reason == "scarce"


def test_that_a_controller_fails_is_known_for_as_long_as_it_is_asked() -> None:
    world = World(a_budget(offline="closed"))
    for _ in range(6):
        world.fails()
        world.later(7)
    waiter, _ = world.wait(100)

    refusal = world.book.cancel(waiter)
    assert isinstance(refusal, MoneyRefusal)
    assert refusal.reason == "closed"


def test_what_does_not_fit_any_more_is_refused_and_what_is_smaller_asked_for() -> None:
    world = World(a_budget())
    _, large = world.wait(500)
    _, small = world.wait(40)
    world.says(state="exhausted", retry_ms=1_000)

    assert (refused(large).reason, small) == ("exhausted", [])
    assert refused(large).retry_after_ms == 3_600_000 - 0
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    [claim] = world.sync(house=40).values()
    assert claim.need == 40
    assert len(small) == 1


def test_who_comes_after_the_end_of_the_money_does_not_wait() -> None:
    world = World(a_budget())
    world.wait(500)
    world.says(state="exhausted", retry_ms=1_000, is_over=True)
    _, outcomes = world.wait(1)

    assert refused(outcomes).reason == "exhausted"
    world.later(1)
    _, outcomes = world.wait(1)
    assert outcomes == [], "the budget may have been raised"


def test_a_window_without_memory_says_so() -> None:
    world = World(a_budget())
    waiter, _ = world.wait(100)
    world.says(state="learning", retry_ms=300)
    refusal = world.book.cancel(waiter)

    assert isinstance(refusal, MoneyRefusal)
    assert refusal.reason == "learning"


@pytest.mark.parametrize("seconds", [2, 3_601])
def test_what_a_window_without_memory_was_told_it_is_told_again(seconds: int) -> None:
    world = World(a_budget())
    world.admitted(100).settle(40)
    world.later(seconds)
    assert world.says(state="learning", retry_ms=300)["house@day:1"].used == 40
    world.later(1)
    due_ns = world.book.due_ns()

    assert due_ns is not None
    assert due_ns <= world.now_ns
    assert world.says()["house@day:1"].used == 40
    world.later(1)
    assert world.says().get("house@day:1") is None, "it was heard"


# Streams


def test_a_stretch_that_is_there_is_held() -> None:
    world = World(a_budget())
    ticket = world.admitted(100)
    outcomes: list[Any] = []
    world.sync()

    assert ticket.extend(300, until_ns=world.now_ns, wake=outcomes.append)
    assert (ticket.held, outcomes) == (300, [])


def test_a_stretch_that_is_not_there_stands_in_line_once() -> None:
    world = World(a_budget())
    _, outcomes = world.wait(100)
    world.says(granted=100)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)
    told: list[Any] = []
    until_ns = world.now_ns + 10 * NS_PER_S

    assert not ticket.extend(300, until_ns=until_ns, wake=told.append)
    assert not ticket.extend(300, until_ns=until_ns, wake=told.append)
    [claim] = world.says(granted=300).values()
    assert (claim.need, claim.waiters) == (300, 1)
    assert told == [ticket]
    assert ticket.held == 300


def test_a_stretch_for_which_there_is_no_money_is_refused() -> None:
    world = World(a_budget())
    ticket = world.admitted(100)
    told: list[Any] = []
    ticket.extend(2_000_000, until_ns=world.now_ns + 10 * NS_PER_S, wake=told.append)
    world.says(state="exhausted", retry_ms=1_000, is_over=True)

    assert refused(told).reason == "exhausted"
    ticket.settle(150)
    assert world.plan().purses[0].lease.reserved == 0


def test_a_stretch_waits_no_longer_than_it_may() -> None:
    world = World(a_budget())
    _, outcomes = world.wait(100)
    world.says(granted=100)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)
    told: list[Any] = []
    ticket.extend(300, until_ns=world.now_ns + NS_PER_S, wake=told.append)
    world.later(1)
    ticket.extend(300, until_ns=world.now_ns + NS_PER_S, wake=told.append)

    assert refused(told).reason == "scarce"


def test_a_thread_that_is_late_holds_nothing_for_a_request_that_has_settled() -> None:
    world = World(a_budget())
    ticket = world.admitted(100)
    ticket.settle(10)
    world.sync()

    assert ticket.extend(300, until_ns=world.now_ns, wake=lambda outcome: None)
    assert ticket.try_extend(400)
    ticket.extend_freely(500)
    ticket.keep(0)
    late: list[Any] = []
    world.book.wait_for_more(ticket, 700, until_ns=world.now_ns, wake=late.append)
    world.book.serve()
    assert late == [ticket]
    lease = world.plan().purses[0].lease
    assert (lease.used, lease.reserved) == (10, 0)


def test_a_stream_that_ends_leaves_the_line() -> None:
    world = World(a_budget())
    _, outcomes = world.wait(100)
    world.says(granted=100)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)
    told: list[Any] = []
    ticket.extend(300, until_ns=world.now_ns + NS_PER_S, wake=told.append)
    ticket.settle(10)
    world.sync()

    assert told == []
    assert world.plan().purses[0].waiters == 0


# Windows


def test_a_window_turns_by_itself_at_the_instant_that_was_told() -> None:
    world = World(a_budget(ends_in_ms=10_000))
    world.admitted(100).settle(60)
    world.later(9.999)
    world.book.charge(LLM, CALL, 5)
    world.later(0.001)
    world.book.charge(LLM, CALL, 7)

    claims = world.sync()
    assert (claims["house@day:1"].used, claims["house@day:2"].used) == (65, 7)


def test_time_until_the_turn_counts_from_before_it_was_asked() -> None:
    world = World()
    world.seq += 1
    world.book.claims(world.seq)
    world.later(4)
    world.book.answered(world.seq, MoneyAnswer(tag="slow", budgets=(a_budget(ends_in_ms=10_000),)))
    world.later(6)
    world.book.charge(LLM, CALL, 7)

    assert list(world.sync()) == ["house@day:2"]


def test_a_request_across_the_turn_is_charged_whole_to_the_new_window() -> None:
    world = World(a_budget(ends_in_ms=10_000))
    ticket = world.admitted(100)
    world.later(10)
    assert world.plan().purses[0].lease.reserved == 100
    world.book.due_ns()
    ticket.settle(60)

    claims = world.sync()
    assert (claims["house@day:1"].used, claims["house@day:2"].used) == (0, 60)
    assert claims["house@day:1"].granted == 0, "what the old window had left goes back"


def test_money_of_the_old_window_is_none_of_the_new_ones() -> None:
    world = World(a_budget(ends_in_ms=10_000))
    world.admitted(100)
    world.later(10)

    assert world.ask(100) is None
    _, outcomes = world.wait(100)
    claims = world.sync()
    assert (claims["house@day:2"].need, len(outcomes)) == (100, 1)


def test_without_word_of_the_window_nothing_is_reserved_and_word_is_asked_for() -> None:
    world = World(a_budget(ends_in_ms=10_000, next_window_id="", next_ends_in_ms=0))
    world.admitted(100).settle(1)
    world.later(10)
    assert world.ask(100) is None
    _, outcomes = world.wait(100)
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    world.declare(a_budget(window_id="day:2", next_window_id="day:3"))
    world.sync()

    assert isinstance(outcomes[0], MoneyTicket)


def test_a_window_that_never_ends_never_turns() -> None:
    world = World(a_budget(window_id="total", ends_in_ms=0, next_window_id="", next_ends_in_ms=0))
    world.later(10**7)
    world.book.charge(LLM, CALL, 7)

    assert list(world.sync()) == ["house@total"]


def test_windows_that_are_over_and_clean_are_not_spoken_of() -> None:
    world = World(a_budget(ends_in_ms=10_000))
    world.admitted(100).settle(60)
    world.later(10)
    assert "house@day:1" in world.says()
    world.book.charge(LLM, CALL, 1)
    world.later(2)

    assert list(world.says()) == ["house@day:2"]


# Budgets that change


def test_a_budget_that_changes_changes_under_who_waits() -> None:
    world = World(a_budget())
    _, outcomes = world.wait()
    world.declare()

    assert len(outcomes) == 1
    assert world.book.tag == "t2"
    assert world.book.known(LLM, CALL) is None


def test_a_plan_of_before_is_served_by_the_budgets_of_now() -> None:
    world = World(a_budget())
    plan = world.plan()
    world.declare()
    outcomes: list[Any] = []
    world.book.wait(plan, 100, until_ns=world.now_ns + NS_PER_S, wake=outcomes.append)
    world.book.serve()

    assert len(outcomes) == 1


def test_a_budget_that_comes_back_remembers_what_was_spent_and_gave_back_the_rest() -> None:
    world = World(a_budget())
    world.admitted(100).settle(60)
    world.declare()
    world.later(1)
    [claim] = world.says().values()
    assert (claim.used, claim.granted) == (60, 60)
    world.later(2)
    assert world.says() == {}
    world.declare(a_budget())
    world.book.charge(LLM, CALL, 1)

    assert world.said() == {"house@day:1": 61}


def test_more_windows_than_a_message_holds_are_said_in_turn() -> None:
    count = MONEY_CLAIMS_MAX + 10
    world = World(*(a_budget(f"b{n}", selector=Selector(project=f"p{n}")) for n in range(count)))
    for n in range(count):
        world.book.charge(Target(provider="x", model="y", modality="llm", project=f"p{n}"), CALL, 1)
    world.later(2)
    first = set(world.sync())
    world.later(2)
    second = set(world.sync())

    assert len(first) == MONEY_CLAIMS_MAX
    assert len(first | second) == count


# Duplicates and losses


def test_only_the_answer_to_the_newest_message_counts() -> None:
    world = World(a_budget())
    world.wait()
    old = world.book.claims(90)
    new = world.book.claims(91)
    lease = (MoneyLease(pool="house@day:1", granted=500, ttl_ms=600_000),)
    world.book.answered(90, MoneyAnswer(tag="old", budgets=(), leases=lease))
    assert (len(old), len(new)) == (1, 1)
    assert world.book.tag == "t1"
    assert world.plan().purses[0].lease.granted == 0
    world.book.answered(91, MoneyAnswer(tag="t1", leases=lease))
    world.book.answered(91, MoneyAnswer(tag="t1", leases=lease))

    assert world.plan().purses[0].lease.granted == 500


def test_what_was_spent_is_told_again_when_the_message_was_lost() -> None:
    world = World(a_budget())
    world.admitted(100).settle(60)
    world.fails()
    world.book.charge(LLM, CALL, 5)

    assert world.said() == {"house@day:1": 65}


def test_spending_that_a_lost_message_told_is_told_without_more_being_spent() -> None:
    world = World(a_budget())
    world.admitted(100).settle(60)
    world.later(2)
    world.fails()

    assert world.said() == {"house@day:1": 60}


# Scarcity, idleness, leaving


def test_scarce_money_is_given_back_as_soon_as_it_is_free() -> None:
    world = World(a_budget())
    _, outcomes = world.wait(100)
    world.says(granted=100, is_scarce=True)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)
    rings = world.rings
    ticket.settle(30)

    assert world.rings == rings + 1
    world.now_ns += GIVE_BACK_NS
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    [claim] = world.sync(house=0).values()
    assert (claim.used, claim.granted, claim.target) == (30, 30, 30)


def test_an_idle_book_is_silent_and_gives_back_what_it_holds() -> None:
    world = World(a_budget())
    assert world.book.due_ns() is None
    world.admitted().settle(1)
    said: list[MoneyClaim] = []
    for _ in range(40):
        due_ns = world.book.due_ns()
        if due_ns is None:
            break
        world.now_ns = max(world.now_ns, due_ns)
        said.extend(world.sync(house=0).values())
    else:
        pytest.fail("it goes on talking")

    assert (said[-1].used, said[-1].granted, said[-1].target) == (1, 1, 1)
    assert len(said) < 10
    assert world.now_ns < 20 * NS_PER_S + 2 * IDLE_NS


def test_a_process_that_leaves_tells_what_it_spent_and_returns_everything() -> None:
    world = World(a_budget())
    world.admitted(100)
    world.admitted(100).settle(60)
    claims = world.book.claims(99, is_leaving=True)

    assert claims == (MoneyClaim(pool="house@day:1", used=60, granted=60, target=60),)
    assert world.ask(1) is None, "the rest was given back: it may be another's by now"


def test_it_asks_again_before_it_runs_dry() -> None:
    world = World(a_budget())
    world.wait(100)
    world.says(granted=1_100)
    rings = world.rings
    for _ in range(4):
        assert world.ask(100) is not None
    assert world.rings == rings
    assert world.ask(100) is not None

    assert world.rings == rings + 1


# Budgets that do not stop


@pytest.mark.parametrize("action", ["warn", "throttle"])
def test_budgets_that_do_not_stop_are_told_and_never_refuse(action: Any) -> None:
    world = World(a_budget(action=action))
    ticket = world.ask(10 * PLENTY)
    assert ticket is not None
    ticket.settle(700)
    claims = world.sync(house=0) if world.book.due_ns() else {}
    world.later(2)
    claims |= world.sync(house=0)

    assert claims["house@day:1"].used == 700
    # What was granted is without meaning here.
    assert claims["house@day:1"].need == 0


def test_a_throttling_budget_throttles_once_it_is_over() -> None:
    world = World(a_budget(action="throttle"))
    world.book.charge(LLM, CALL, 700)
    assert not world.book.is_throttled(world.plan())
    world.later(2)
    world.says(is_over=True)

    assert world.book.is_throttled(world.plan())


# Sessions


def test_a_session_has_its_amount_and_no_more() -> None:
    world = World(a_session_budget(1_000, action="end_session", sentence="That is all."))
    first = world.ask(900)
    assert first is not None
    first.settle(800)
    assert world.ask(300) is None
    _, outcomes = world.wait(300)

    assert refused(outcomes) == MoneyRefusal(
        budget_id="call",
        pool=f"call@session:{CALL}",
        action="end_session",
        sentence="That is all.",
        reason="session",
        retry_after_ms=60_000,
    )
    assert world.ask(300, session="AJ_2") is not None
    assert world.ask(200) is not None


def test_what_the_session_itself_still_holds_may_come_back() -> None:
    world = World(a_session_budget(1_000))
    first = world.ask(900)
    assert first is not None
    _, outcomes = world.wait(300)
    assert outcomes == []
    first.settle(100)

    assert isinstance(outcomes[0], MoneyTicket)


def test_a_session_is_counted_by_its_holder_alone() -> None:
    world = World(a_session_budget(1_000))
    world.ask(900)
    world.book.charge(LLM, CALL, 50)
    world.later(100)

    assert world.book.due_ns() is None
    assert world.sync() == {}


def test_a_session_budget_that_is_lowered_holds_for_open_sessions() -> None:
    world = World(a_session_budget(1_000))
    world.book.charge(LLM, CALL, 500)
    world.declare(a_session_budget(400))

    assert world.ask(1) is None


def test_sessions_do_not_pile_up() -> None:
    world = World(a_session_budget(1_000))
    for n in range(SESSIONS_MAX + 10):
        world.book.charge(LLM, f"S{n}", 1)

    assert len(world.book._holdings._sessions) == SESSIONS_MAX


# Offline


def offline(policy: Any, *, granted: int = 250) -> World:
    """A world whose controller has been away for longer than a moment, and that held so much."""
    world = World(a_budget(offline=policy))
    _, outcomes = world.wait(100)
    world.says(granted=granted)
    [ticket] = outcomes
    assert isinstance(ticket, MoneyTicket)
    ticket.settle(0)
    world.fails()
    world.later(OFFLINE_AFTER_NS / NS_PER_S)
    world.fails()
    return world


def test_open_admits_everything_and_says_so_later() -> None:
    world = offline("open")
    for _ in range(50):
        ticket = world.ask(100)
        assert ticket is not None
        ticket.settle(90)
    [claim] = world.sync().values()

    assert claim.used == 50 * 90


def test_closed_admits_nothing_new() -> None:
    world = offline("closed")
    assert world.ask(1) is None
    waiter, outcomes = world.wait(1)
    refusal = world.book.cancel(waiter)

    assert outcomes == []
    assert isinstance(refusal, MoneyRefusal)
    assert refusal.reason == "closed"


def test_the_last_lease_is_spent_and_then_nothing() -> None:
    world = offline("last_lease")
    assert [world.ask(100) is not None for _ in range(3)] == [True, True, False]
    waiter, _ = world.wait(100)
    refusal = world.book.cancel(waiter)
    assert isinstance(refusal, MoneyRefusal)

    assert refusal.reason == "closed"


def test_the_last_lease_has_an_end() -> None:
    world = offline("last_lease")
    world.later(595)

    assert world.ask(1) is None


@pytest.mark.parametrize(("policy", "is_admitted"), [("open", False), ("closed", True), ("last_lease", True)])
def test_a_controller_that_is_away_for_a_moment_changes_nothing(policy: Any, *, is_admitted: bool) -> None:
    world = World(a_budget(offline=policy))
    world.wait(100)
    world.says(granted=350 if is_admitted else 100)
    world.fails()
    world.later(2.9)
    world.fails()

    assert (world.ask(100) is not None) is is_admitted


def test_who_waited_in_vain_while_the_controller_restarts_goes_on_if_the_policy_is_open() -> None:
    world = World(a_budget(offline="open"))
    waiter, outcomes = world.wait(100)
    world.fails()
    ticket = world.book.cancel(waiter)
    assert isinstance(ticket, MoneyTicket)

    assert outcomes == []
    ticket.settle(30)
    assert world.said() == {"house@day:1": 30}


def test_an_answer_ends_the_policy() -> None:
    world = offline("open", granted=100)
    world.says()

    assert world.ask(5_000) is None


def test_a_session_needs_no_controller() -> None:
    world = World(a_session_budget(1_000, offline="closed"))
    world.fails()
    world.later(60)
    world.fails()

    assert world.ask(100) is not None


def test_a_policy_serves_who_waits_when_its_time_comes() -> None:
    world = World(a_budget(offline="open"))
    _, outcomes = world.wait(100, ms=60_000)
    world.fails()
    assert outcomes == []
    world.later(OFFLINE_AFTER_NS / NS_PER_S)
    world.book.serve()

    assert isinstance(outcomes[0], MoneyTicket)


# Threads


def test_threads_lose_and_invent_no_money() -> None:
    book = MoneyBook()
    book.claims(1)
    book.answered(1, MoneyAnswer(tag="t", budgets=(a_budget(), a_session_budget(10**12))))
    plan = book.known(LLM, CALL)
    assert plan is not None
    stop = threading.Event()
    threads_count, requests = 4, 2_000
    settled = [0] * threads_count

    def spend(which: int) -> None:
        for n in range(requests):
            done = threading.Event()
            outcomes: list[Any] = []

            def wake(outcome: Any, outcomes: list[Any] = outcomes, done: threading.Event = done) -> None:
                outcomes.append(outcome)
                done.set()

            ticket = book.try_reserve(plan, 100 + n % 7)
            if ticket is None:
                book.wait(plan, 100 + n % 7, until_ns=2**62, wake=wake)
                assert done.wait(30)
                ticket = outcomes[0]
            assert isinstance(ticket, MoneyTicket)
            if n % 3 == 0:
                ticket.try_extend(ticket.held + 50)
            ticket.settle(n % 100)
            settled[which] += n % 100

    def sync() -> None:
        seq = 1
        while not stop.is_set():
            seq += 1
            claims = book.claims(seq)
            for claim in claims:
                assert claim.used <= claim.granted <= claim.target
            book.answered(
                seq,
                MoneyAnswer(
                    tag="t",
                    leases=tuple(
                        MoneyLease(pool=claim.pool, granted=max(claim.target, claim.need), ttl_ms=600_000)
                        for claim in claims
                    ),
                ),
            )

    spenders = [threading.Thread(target=spend, args=(which,)) for which in range(threads_count)]
    syncer = threading.Thread(target=sync)
    for thread in (*spenders, syncer):
        thread.start()
    for thread in spenders:
        thread.join(60)
    stop.set()
    syncer.join(60)

    assert sum(settled) == threads_count * sum(n % 100 for n in range(requests))
    for purse in plan.purses:
        assert (purse.lease.used, purse.lease.reserved, purse.waiting) == (sum(settled), 0, 0)


# Whether a budget stops everything


def test_a_budget_stops_all_requests_once_it_is_said_to_be_spent_and_not_before() -> None:
    world = World(a_budget(), a_budget("told", action="warn"))
    fresh = world.book.stopped(LLM, CALL)
    world.wait()
    world.says(state="exhausted", retry_ms=1_000, is_over=True)
    told = world.book.stopped(LLM, CALL)
    world.later(1.1)
    later = world.book.stopped(LLM, CALL)

    assert (fresh, told, later) == (None, "house", None)


def test_a_budget_that_has_no_room_for_a_large_request_does_not_stop_a_small_one() -> None:
    world = World(a_budget())
    world.wait(5_000)
    world.says(state="exhausted", retry_ms=1_000)

    assert world.book.stopped(LLM, CALL) is None


def test_a_session_that_has_spent_its_budget_is_stopped_and_others_are_not() -> None:
    world = World(a_session_budget(100))
    ticket = world.ask(100)
    assert ticket is not None
    ticket.settle(100)

    assert (world.book.stopped(LLM, CALL), world.book.stopped(LLM, "AJ_2")) == ("call", None)


def test_where_no_controller_answers_its_last_word_stops_nobody_for_good() -> None:
    world = World(a_budget())
    world.wait()
    world.says(state="exhausted", retry_ms=60_000, is_over=True)
    world.fails()

    assert world.book.stopped(LLM, CALL) is None


def test_a_window_that_ended_while_its_end_was_told_is_not_over() -> None:
    world = World(a_budget(action="end_session", ends_in_ms=5_000))
    world.admitted(100)
    world.later(4.9)
    world.seq += 1
    claims = world.book.claims(world.seq)
    world.later(0.5)
    leases = tuple(MoneyLease(pool=each.pool, state="exhausted", ttl_ms=600_000, is_over=True) for each in claims)
    world.book.answered(world.seq, MoneyAnswer(tag=world.book.tag, leases=leases))

    assert [lease.pool for lease in leases] == ["house@day:1"]
    assert world.book.over() == [], "the new window is full"
