"""Guards: each befalls a session once, at the right moment, with the budget's action, whatever it is told twice."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.voicegateway.records import IDENTITY, a_record

from voicegateway.guard_watch import TURNS_MAX, Loop, turns_of
from voicegateway.guards import SESSIONS_MAX, SessionGuards
from voicegateway_shared.budgets import BudgetSpec, Guards, LoopGuard
from voicegateway_shared.budgets.budget import BudgetAction
from voicegateway_shared.ids import RequestId
from voicegateway_shared.limits import Selector

S = 1_000_000_000
CENT = 10_000_000
LOOP = LoopGuard(repeats=3, within_s=60)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * S

    def __call__(self) -> int:
        return self.now_ns


class Ended(list[tuple[str, str, str, str]]):
    """Who was ended: session, sentence, reason, budget."""

    def __call__(self, session_id: str, sentence: str, reason: str, *, budget_id: str = "") -> None:
        self.append((session_id, sentence, reason, budget_id))


def a_budget(action: BudgetAction = "end_session", *, selector: Selector | None = None, **guards: Any) -> BudgetSpec:
    """Return a budget with these guards."""
    return BudgetSpec(
        id="acme-month",
        selector=selector or Selector(project="acme"),
        amount_nano_usd=1_000 * CENT,
        window="month",
        action=action,
        sentence="Goodbye.",
        guards=Guards(**guards),
    )


def watching(*budgets: BudgetSpec) -> tuple[SessionGuards, Ended, Time]:
    """Return guards that know these budgets, whom they end, and their clock."""
    ended, time = Ended(), Time()
    guards = SessionGuards(ended, now_ns=time)
    guards.know(budgets)
    return guards, ended, time


def request(number: int, **fields: Any) -> Any:
    """Return one of several requests."""
    return a_record(request_id=RequestId(f"01a1fd8c-70cb-7490-80e9-{number:012d}"), **fields)


def said(text: str = "", *calls: tuple[str, str]) -> Any:
    """Return the record of a turn in which a model said and called something."""
    tools = [SimpleNamespace(name=name, arguments=arguments) for name, arguments in calls]
    words = [SimpleNamespace(delta=SimpleNamespace(content=word, tool_calls=[])) for word in text.partition(" ")]
    last = SimpleNamespace(delta=SimpleNamespace(content=None, tool_calls=tools))
    return a_record(llm_chunks=[*words, last, SimpleNamespace(delta=None)])


def test_cost_of_all_requests_of_a_session_ends_it_once() -> None:
    guards, ended, _ = watching(a_budget(max_cost_nano_usd=10 * CENT))

    guards.priced(request(1), 6 * CENT)
    assert ended == []
    guards.priced(request(2), 4 * CENT)
    guards.priced(request(3), 4 * CENT)

    reason = "guard max_cost ($0.1) of budget 'acme-month' was reached"
    assert ended == [("AJ_1", "Goodbye.", reason, "acme-month")]


def test_cost_that_is_told_as_it_grows_counts_once() -> None:
    guards, ended, _ = watching(a_budget(max_cost_nano_usd=10 * CENT))

    for cents in (3, 3, 6, 9, 9):
        guards.priced(request(1), cents * CENT)
    assert ended == []
    guards.priced(request(1), 10 * CENT)

    assert len(ended) == 1


def test_cost_of_another_session_or_of_what_the_budget_is_not_about_does_not_count() -> None:
    guards, ended, _ = watching(a_budget(max_cost_nano_usd=10 * CENT, selector=Selector(modality="llm")))

    guards.priced(request(1), 9 * CENT)
    guards.priced(request(2, modality="tts"), 9 * CENT)
    guards.priced(request(3, identity=replace(IDENTITY, session_id="AJ_2")), 9 * CENT)

    assert ended == []


def test_cost_per_minute_forgets_what_is_a_minute_old() -> None:
    guards, ended, time = watching(a_budget(max_cost_per_min_nano_usd=10 * CENT))

    for number in range(10):
        guards.priced(request(number), 5 * CENT)
        time.now_ns += 60 * S
    assert ended == []
    time.now_ns -= 1 * S
    guards.priced(request(10), 5 * CENT)

    assert [reason for _, _, reason, _ in ended] == [
        "guard max_cost_per_min ($0.1 a minute) of budget 'acme-month' was reached"
    ]


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 12)), min_size=1, max_size=40),
)
def test_cost_per_minute_is_the_sum_of_the_last_sixty_seconds(spendings: Sequence[tuple[int, int]]) -> None:
    guards, ended, time = watching(a_budget(max_cost_per_min_nano_usd=10))
    past: list[tuple[int, int]] = []

    for number, (pause_s, cost) in enumerate(spendings):
        time.now_ns += pause_s * S
        now_s = time.now_ns // S
        past.append((now_s, cost))
        guards.priced(request(number), cost)
        if sum(each for at_s, each in past if at_s > now_s - 60) >= 10:
            assert len(ended) == 1
            return
        assert ended == []


def test_duration_ends_a_session_that_asks_for_nothing_any_more() -> None:
    guards, ended, time = watching(a_budget(max_duration_s=600))

    guards.began(request(1))
    time.now_ns += 600 * S - 1
    guards.tick()
    assert ended == []
    time.now_ns += 1
    guards.tick()
    guards.tick()

    assert [reason for _, _, reason, _ in ended] == ["guard max_duration_s (600 s) of budget 'acme-month' was reached"]


def test_turn_that_comes_three_times_is_a_loop_however_it_is_written() -> None:
    guards, ended, time = watching(a_budget(loop=LOOP))

    for text in ("Could you repeat that?", "could you  repeat that?"):
        guards.ended(said(text))
        time.now_ns += 20 * S
    guards.ended(said("Certainly."))
    assert ended == []
    guards.ended(said("Could you repeat that?"))

    assert [reason for _, _, reason, _ in ended] == ["guard loop (3 times in 60 s) of budget 'acme-month' was reached"]


def test_tool_called_with_the_same_arguments_is_a_loop_and_with_others_is_none() -> None:
    guards, ended, _ = watching(a_budget(loop=LOOP))

    for page in range(5):
        guards.ended(said("", ("search", f'{{"query": "x", "page": {page}}}')))
    assert ended == []
    for arguments in ('{"query": "x", "page": 1}', '{"page": 1, "query": "x"}'):
        guards.ended(said("", ("search", arguments), ("search", arguments)))

    assert len(ended) == 1


@pytest.mark.parametrize("fields", [{"outcome": "cancelled"}, {"outcome": "error"}, {"modality": "tts"}])
def test_turn_that_did_not_end_well_is_none(fields: dict[str, Any]) -> None:
    guards, ended, _ = watching(a_budget(loop=LOOP))
    chunks = said("Hello.").llm_chunks

    for number in range(5):
        guards.ended(request(number, llm_chunks=chunks, **fields))

    assert ended == []


def test_only_what_the_last_attempt_said_is_a_turn() -> None:
    retried = said("Hello.")
    retried.llm_chunks = [*said("Good").llm_chunks, *retried.llm_chunks]
    retried.attempt.chunks_before = len(said("Good").llm_chunks)

    assert turns_of(retried) == turns_of(said("hello."))
    assert turns_of(said("  ")) == set()


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(b"abc")), max_size=60),
    st.integers(2, 5),
    st.integers(1, 60),
)
def test_loop_is_found_exactly_when_enough_lie_within_the_time(
    turns: Sequence[tuple[int, int]], repeats: int, within_s: int
) -> None:
    loop, guard, now_ns = Loop(), LoopGuard(repeats=repeats, within_s=within_s), 0
    past: list[tuple[int, bytes]] = []

    for pause_s, letter in turns:
        now_ns += pause_s * S
        turn = bytes((letter,))
        past.append((now_ns, turn))
        count = sum(1 for at_ns, each in past if each == turn and now_ns - at_ns <= within_s * S)
        assert loop.repeats(turn, guard, now_ns) == (count >= repeats)


def test_memory_of_a_session_is_bounded() -> None:
    guards, _, time = watching(a_budget(loop=LoopGuard(repeats=100, within_s=3600), max_cost_per_min_nano_usd=CENT))

    for number in range(2 * TURNS_MAX):
        guards.ended(said(f"Number {number}."))
        guards.priced(request(number), 1)
        time.now_ns += S

    [watch] = guards._watches["AJ_1"].values()
    assert len(watch.loop.turns) == TURNS_MAX
    assert len(watch.recent) == 60


def test_memory_of_sessions_is_bounded_and_closed_ones_are_forgotten() -> None:
    guards, _, _ = watching(a_budget("block", max_cost_nano_usd=1))

    for number in range(SESSIONS_MAX + 5):
        guards.priced(request(number, identity=replace(IDENTITY, session_id=f"AJ_{number}")), 1)

    assert len(guards._watches) == len(guards._blocked) == SESSIONS_MAX
    guards.forget("AJ_100")
    assert guards.refusal(request(1, identity=replace(IDENTITY, session_id="AJ_100"))) is None


def test_blocked_session_is_refused_what_the_budget_is_about_until_the_budget_is_gone() -> None:
    guards, ended, _ = watching(a_budget("block", max_cost_nano_usd=CENT, selector=Selector(modality="llm")))

    assert guards.refusal(request(1)) is None
    guards.priced(request(1), CENT)
    refusal = guards.refusal(request(2))

    assert ended == []
    assert refusal is not None
    assert (refusal.budget_id, refusal.action, refusal.sentence, refusal.reason) == (
        "acme-month",
        "block",
        "Goodbye.",
        "session",
    )
    assert guards.refusal(request(3, modality="tts")) is None
    guards.know([])
    assert guards.refusal(request(4)) is None


def test_throttled_session_is_flagged_and_warned_one_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    throttling, _, _ = watching(a_budget("throttle", max_cost_nano_usd=CENT))
    warning, ended, _ = watching(a_budget("warn", max_cost_nano_usd=CENT))

    for guards in (throttling, warning):
        guards.priced(request(1), CENT)
        guards.priced(request(2), CENT)

    assert (throttling.is_throttled("AJ_1"), warning.is_throttled("AJ_1")) == (True, False)
    assert warning.refusal(request(3)) is None
    assert ended == []
    assert [record.getMessage() for record in caplog.records] == [
        f"voicegateway: session AJ_1: guard max_cost ($0.01) of budget 'acme-month' was reached; action: {action}"
        for action in ("throttle", "warn")
    ]


def test_budgets_without_guards_watch_nobody() -> None:
    guards, ended, _ = watching(a_budget())

    guards.priced(request(1), 10**15)

    assert (guards.is_watching, ended, len(guards._watches)) == (False, [], 0)


def test_what_is_priced_after_its_session_has_closed_begins_no_new_watch() -> None:
    guards, ended, time = watching(a_budget(max_duration_s=60, max_cost_nano_usd=CENT))
    guards.began(request(1))
    guards.forget("AJ_1")
    guards.priced(request(1), 2 * CENT)
    time.now_ns += 120 * S
    guards.tick()

    assert ended == []
    guards.began(request(2))
    guards.priced(request(2), 2 * CENT)
    assert len(ended) == 1, "a session that goes on under the same id is watched again"


def test_a_guard_that_is_crossed_while_its_budget_goes_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    guards, _, _ = watching(a_budget("block", max_cost_nano_usd=CENT))
    act = guards._act

    def its_budget_goes(crossings: Any) -> None:
        guards.know(())
        act(crossings)

    monkeypatch.setattr(guards, "_act", its_budget_goes)
    guards.priced(request(1), 2 * CENT)

    assert guards.refusal(request(2)) is None
