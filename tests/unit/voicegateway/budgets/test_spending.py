"""Spending: what a request holds over its attempts, what goes on whatever it costs, and what is ended."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.fixtures.money_controller import a_budget
from tests.unit.voicegateway.budgets.test_cashier import World
from tests.unit.voicegateway.records import a_record

from voicegateway.budgets.refusal import MoneyRefusal
from voicegateway.instrument import spending
from voicegateway.instrument.spending import Lack, Spending
from voicegateway.record import Attempt, RequestRecord
from voicegateway.target import target_of
from voicegateway_shared.wire import MoneyLease


class Sessions:
    """Sessions that remember which of them was ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[Any, str, str]] = []

    def end_one(self, live: Any, sentence: str, reason: str, *, budget_id: str = "") -> bool:
        self.ended.append((live, sentence, budget_id))
        return True


def a_world(monkeypatch: pytest.MonkeyPatch, modality: Any, **budget: Any) -> tuple[World, Any, RequestRecord]:
    """A world that knows the prices of one request, which has not begun."""
    world = World(monkeypatch, a_budget(**budget))
    record = a_record(modality, outcome=None, attempts=0, speech_id="speech_1", pushed=100, is_push_whole=True)
    world.cashier.met(record)
    world.sync()
    runtime = SimpleNamespace(money=world.cashier, sessions=Sessions(), hook_failed=world.around.hook_failed)
    return world, runtime, record


def reserved(world: World, record: RequestRecord) -> int:
    plan = world.cashier.book.known(target_of(record), "AJ_1")
    assert plan is not None
    return plan.purses[0].lease.reserved


def granted(world: World, runtime: Any, record: RequestRecord) -> Spending:
    """The request's money, after a message to a controller that gives all that is asked for."""
    assert isinstance(spending.hold(record, runtime), Lack)
    world.now_ns += 10**9
    world.sync()
    assert spending.hold(record, runtime) is None
    money: Spending = record.money
    return money


def test_an_attempt_that_its_vendor_refused_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world, runtime, record = a_world(monkeypatch, "tts")
    money = granted(world, runtime, record)
    once = money.ticket.held
    record.attempts, record.attempt = 1, Attempt(is_refused=True)

    assert spending.hold(record, runtime) is None
    assert money.ticket.held == once == reserved(world, record)


def test_an_attempt_that_may_be_billed_is_held_beside_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world, runtime, record = a_world(monkeypatch, "tts")
    money = granted(world, runtime, record)
    once = money.ticket.held
    record.attempts, record.attempt = 1, Attempt(is_timed_out=True)
    assert spending.hold(record, runtime) is None
    assert money.ticket.held == 2 * once
    spending.give_back(record, runtime)

    assert money.ticket.held == once == reserved(world, record)
    assert spending.hold(record, runtime) is None
    assert money.ticket.held == 2 * once, "asked again, it is one attempt"


@pytest.mark.parametrize(("paid", "goodbye"), [(["speech_1"], []), ([], ["speech_1"])])
def test_running_speech_and_the_goodbye_are_finished(
    paid: list[str], goodbye: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, runtime, record = a_world(monkeypatch, "tts", amount=10)
    record.live = SimpleNamespace(paid=paid, ending=SimpleNamespace(speech_ids=set(goodbye)))

    assert spending.hold(record, runtime) is None
    assert reserved(world, record) == 0
    record.live = SimpleNamespace(paid=[], ending=None)
    record.money = None
    assert isinstance(spending.hold(record, runtime), Lack)


@pytest.mark.parametrize("modality", ["llm", "stt"])
def test_only_a_voice_is_let_through(modality: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, runtime, record = a_world(monkeypatch, modality, amount=10)
    record.live = SimpleNamespace(paid=["speech_1"], ending=SimpleNamespace(speech_ids={"speech_1"}))

    assert isinstance(spending.hold(record, runtime), Lack)


def test_a_session_that_may_not_listen_on_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    world, runtime, record = a_world(monkeypatch, "stt", sentence="That is all.")
    record.live = live = SimpleNamespace(paid=[], ending=None)
    money = granted(world, runtime, record)
    record.attempts, record.pushed_rate = 1, 16_000
    record.pushed = 16_000 * 100_000
    money.progress()
    world.sync(leases=(MoneyLease(pool="house@total", state="exhausted", ttl_ms=600_000, is_over=True),))

    assert runtime.sessions.ended == [(live, "That is all.", "house")]


def test_an_answer_is_finished_whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    world, runtime, record = a_world(monkeypatch, "llm")
    money = granted(world, runtime, record)
    before = money.ticket.held
    record.attempts = 1
    record.llm_chunks.extend(SimpleNamespace(delta=SimpleNamespace(content="x", tool_calls=[])) for _ in range(900))
    money.progress()

    assert money.ticket.held > before
    assert runtime.sessions.ended == []


def test_a_refusal_is_a_value_that_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world, runtime, record = a_world(monkeypatch, "tts", amount=10)
    assert isinstance(spending.hold(record, runtime), Lack)
    plan = world.cashier.book.known(target_of(record), "AJ_1")
    assert plan is not None
    outcomes: list[Any] = []
    world.cashier.book.wait(plan, 10**6, until_ns=world.now_ns, wake=outcomes.append)
    world.sync(leases=(MoneyLease(pool="house@total", state="exhausted", ttl_ms=600_000, retry_ms=1_000),))

    assert [type(outcome) for outcome in outcomes] == [MoneyRefusal]
    assert (outcomes[0].budget_id, outcomes[0].reason, outcomes[0].action) == ("house", "exhausted", "block")
