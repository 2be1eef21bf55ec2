"""The lease book: all pools or none, first come first served, due when it should be, offline as declared."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from voicegateway.limits.absence import OFFLINE_AFTER_NS
from voicegateway.limits.book import LINE_MAX, LeaseBook, Refusal, Ticket
from voicegateway.limits.lease import NS_PER_MS, NS_PER_S
from voicegateway.limits.line import Plan, Waiter
from voicegateway.limits.syncer import returned
from voicegateway_shared.limits import PoolSpec, Target, parse_limits
from voicegateway_shared.wire import Claim, Lease, SyncResponse
from voicegateway_shared.wire.sync import CLAIMS_MAX

LLM: Final = Target(provider="openai", model="gpt-4.1-mini", modality="llm", project="acme")
STT: Final = Target(provider="openai", model="whisper-1", modality="stt", project="acme")
ONE: Final = {"requests": 1, "tokens": 100}
REQUESTS: Final = {"name": "r", "provider": "openai", "requests_per_min": 600, "burst": 100}
TOKENS: Final = {"name": "t", "provider": "openai", "tokens_per_min": 60_000, "burst": 10_000}
STREAMS: Final = {"name": "s", "provider": "openai", "concurrent": 3}


class World:
    """A book, its clock, and a controller that answers what the test says."""

    def __init__(self, *declared: Mapping[str, Any]) -> None:
        self.now_ns, self.seq, self.rings = 10 * NS_PER_S, 0, 0
        self.book = LeaseBook(now_ns=lambda: self.now_ns)
        self.book.on_due = self._ring
        self.declare(*declared)

    def _ring(self) -> None:
        self.rings += 1

    def declare(self, *declared: Mapping[str, Any], revision: int = 1) -> None:
        pools = parse_limits(list(declared), providers=["openai"])
        self.seq += 1
        self.book.claims(self.seq)
        self._answer((), pools, revision)

    def _answer(self, leases: tuple[Lease, ...], pools: tuple[PoolSpec, ...] | None = None, revision: int = 1) -> None:
        self.book.answered(
            self.seq,
            SyncResponse(seq=self.seq, next_sync_ms=0, limits_revision=revision, pools=pools, leases=leases),
        )

    def sync(self, **units: int) -> tuple[Claim, ...]:
        """One message: each pool (by its limit's name) has so much more than is used; what is not named, plenty."""
        self.seq += 1
        claims = self.book.claims(self.seq)
        self._answer(tuple(self._lease(claim, units) for claim in claims))
        return claims

    @staticmethod
    def _lease(claim: Claim, units: Mapping[str, int]) -> Lease:
        name = claim.pool.partition(":")[0]
        more = units.get(name, 5_000)
        granted = more if claim.pool.endswith(":concurrent") else claim.used + more
        return Lease(pool=claim.pool, project=claim.project, granted=granted, ttl_ms=3_000, share_milli=2_000)

    def says(self, **fields: Any) -> None:
        """One message whose every answer is this."""
        self.seq += 1
        claims = self.book.claims(self.seq)
        self._answer(tuple(Lease(pool=claim.pool, project=claim.project, **fields) for claim in claims))

    def fails(self) -> None:
        self.seq += 1
        self.book.claims(self.seq)
        self.book.failed(self.seq)

    def later(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)

    def plan(self, target: Target = LLM) -> Plan:
        plan = self.book.plan_for(target, "live")
        assert plan is not None
        return plan

    def ask(self, amounts: Mapping[str, int] = ONE, target: Target = LLM) -> Ticket | None:
        return self.book.try_admit(self.plan(target), amounts)

    def wait(
        self, amounts: Mapping[str, int] = ONE, target: Target = LLM, ms: int = 250
    ) -> tuple[Waiter, list[Ticket | Refusal]]:
        outcomes: list[Ticket | Refusal] = []
        until_ns = self.now_ns + ms * NS_PER_MS
        return self.book.wait(self.plan(target), amounts, until_ns=until_ns, wake=outcomes.append), outcomes

    def admitted(self, amounts: Mapping[str, int] = ONE, target: Target = LLM) -> Ticket:
        """One attempt through the line, whatever was held before."""
        ticket = self.ask(amounts, target)
        if ticket is None:
            _, outcomes = self.wait(amounts, target)
            self.sync()
            [outcome] = outcomes
            assert isinstance(outcome, Ticket)
            ticket = outcome
        return ticket


def test_what_no_limit_is_about_has_no_plan() -> None:
    world = World(REQUESTS)

    assert world.book.plan_for(Target(provider="groq", model="m", modality="llm"), "live") is None


def test_limits_of_tokens_are_not_about_transcriptions() -> None:
    world = World(TOKENS)

    assert world.book.plan_for(STT, "live") is None
    assert world.book.plan_for(LLM, "live") is not None


def test_an_attempt_takes_from_all_pools_or_none() -> None:
    world = World(REQUESTS, TOKENS, STREAMS)
    world.admitted().settle(ONE)
    world.says(granted=0)
    world.wait()
    world.sync(r=5, t=99, s=3)

    assert world.ask() is None
    world.sync(r=5, t=100, s=0)
    assert world.ask() is None
    claims = {claim.pool.partition(":")[0]: claim for claim in world.sync(r=5, t=100, s=1)}
    assert (claims["r"].used, claims["t"].used, claims["s"].used) == (1, 100, 0)


def test_first_come_first_served_and_nobody_overtakes() -> None:
    world = World(TOKENS)
    _, first = world.wait({"tokens": 500})
    _, second = world.wait({"tokens": 10})
    world.sync(t=100)

    assert (first, second) == ([], [])
    assert world.ask({"tokens": 1}) is None
    world.sync(t=505)
    assert (len(first), len(second)) == (1, 0)
    world.sync(t=510)
    assert len(second) == 1


def test_who_waits_for_another_pool_is_not_in_the_way() -> None:
    world = World(TOKENS, {"name": "audio", "provider": "openai", "audio_seconds_per_min": 600})
    _, blocked = world.wait({"tokens": 500})
    _, free = world.wait({"audio_ms": 1_000}, STT)
    world.sync(t=0, audio=1_000)

    assert (len(blocked), len(free)) == (0, 1)


def test_the_first_waiters_need_is_what_is_claimed() -> None:
    world = World(TOKENS)
    world.wait({"tokens": 500}, ms=250)
    world.wait({"tokens": 10})
    [claim] = world.sync(t=0)

    assert (claim.need, claim.waiters, claim.wait_ms) == (500, 2, 240)


def test_units_that_come_back_serve_who_waits() -> None:
    world = World(STREAMS)
    ticket = world.admitted(target=STT)
    world.says(granted=1, ttl_ms=5_000)
    _, waiting = world.wait(target=STT)

    ticket.settle({})
    assert len(waiting) == 1


def test_units_promised_for_later_are_spent_then() -> None:
    world = World(REQUESTS)
    _, outcomes = world.wait()
    world.says(granted=1, ttl_ms=3_000, ready_ms=100)

    ready_ns = world.book.serve()
    assert outcomes == []
    assert ready_ns is not None
    assert world.now_ns + 100 * NS_PER_MS <= ready_ns <= world.now_ns + 102 * NS_PER_MS
    due_ns = world.book.due_ns()
    assert due_ns is None or due_ns > ready_ns, "it need not ask for what was promised"
    world.now_ns = ready_ns
    world.book.serve()
    assert len(outcomes) == 1


def test_a_waiter_that_gives_up_is_told_why() -> None:
    world = World(REQUESTS)
    waiter, outcomes = world.wait()
    world.says(granted=0, ttl_ms=3_000, retry_ms=700)

    assert world.book.cancel(waiter) == Refusal("r:requests_per_min", 700, "limit")
    assert outcomes == []
    assert world.book.cancel(waiter) is None
    world.later(1)
    world.wait()
    [claim] = world.sync(r=0)
    assert claim.refused == 1


@pytest.mark.parametrize("reason", ["paused", "learning"])
def test_a_refusal_says_what_the_pool_is_about(reason: Any) -> None:
    world = World(REQUESTS)
    waiter, _ = world.wait()
    world.says(state=reason, retry_ms=200)
    refusal = world.book.cancel(waiter)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_nobody_waits_for_a_vendor_that_said_stop_for_longer() -> None:
    world = World(REQUESTS)
    world.wait()
    world.says(state="paused", retry_ms=5_000)
    _, outcomes = world.wait()

    assert outcomes == [Refusal("r:requests_per_min", 5_000, "paused")]


def test_a_line_has_an_end() -> None:
    world = World(REQUESTS)
    outcomes = [world.wait()[1] for _ in range(LINE_MAX + 1)]

    assert [len(each) for each in outcomes[-2:]] == [0, 1]


def test_a_lease_that_ended_admits_nobody_and_counts_as_spent() -> None:
    world = World(REQUESTS)
    world.admitted()
    world.later(3)

    assert world.ask() is None
    [claim] = world.sync(r=10)
    assert claim.used == 5_000
    assert world.ask() is not None


def test_settling_less_gives_units_back_and_more_is_a_debt() -> None:
    world = World(TOKENS)
    world.admitted({"tokens": 100}).settle({"tokens": 40})
    world.admitted({"tokens": 100}).settle({"tokens": 170})
    world.admitted({"tokens": 100}).settle({})
    [claim] = world.sync()

    assert claim.used == 40 + 170 + 100


def test_settling_twice_is_once() -> None:
    world = World(TOKENS, STREAMS)
    ticket = world.admitted({"tokens": 100})
    ticket.settle({"tokens": 40})
    ticket.settle({"tokens": 40})
    claims = {claim.pool: claim.used for claim in world.sync()}

    assert claims == {"t:tokens_per_min": 40, "s:concurrent": 0}


def test_a_streams_progress_is_told_and_reserved_ahead() -> None:
    world = World({"name": "audio", "provider": "openai", "audio_seconds_per_min": 600})
    ticket = world.admitted({"audio_ms": 1_000}, STT)
    ticket.progress("audio_ms", 900)
    [claim] = world.sync()
    assert (claim.used, claim.target) >= (900, 2_700)
    ticket.progress("audio_ms", 700)
    ticket.progress("audio_ms", 2_800)
    ticket.settle({"audio_ms": 3_000})

    [claim] = world.sync()
    assert claim.used == 3_000


def test_a_settlement_after_its_lease_ended_counts_the_excess_only() -> None:
    world = World(TOKENS)
    ticket = world.admitted({"tokens": 100})
    world.later(3)
    [claim] = world.sync(t=1_000)
    ended_at = claim.used
    ticket.settle({"tokens": 130})
    world.ask({"tokens": 1})
    [claim] = world.sync(t=1_000)

    assert claim.used == ended_at + 30


def test_a_request_larger_than_the_burst_takes_the_whole_burst() -> None:
    world = World(TOKENS)
    _, outcomes = world.wait({"tokens": 50_000})
    [claim] = world.sync(t=10_000)
    [ticket] = outcomes
    assert isinstance(ticket, Ticket)

    assert claim.need == 10_000
    ticket.settle({"tokens": 50_000})
    [claim] = world.sync()
    assert claim.used == 50_000


def test_an_idle_book_is_silent_and_gives_back_what_it_holds() -> None:
    world = World(REQUESTS)
    assert world.book.due_ns() is None
    world.admitted().settle({"requests": 1})
    said = []
    for _ in range(40):
        due_ns = world.book.due_ns()
        if due_ns is None:
            break
        world.now_ns = max(world.now_ns, due_ns)
        world.later(0.005)
        [claim] = world.book.claims(world.seq + 1)
        said.append(claim)
        world.says(granted=claim.target, ttl_ms=3_000)

    assert world.book.due_ns() is None
    assert (said[-1].used, said[-1].target) == (1, 1)
    assert len(said) < 10


def test_it_asks_again_before_it_runs_dry() -> None:
    world = World(REQUESTS)
    world.admitted()
    world.later(0.1)
    world.sync(r=10)
    rings = world.rings
    for _ in range(4):
        assert world.ask() is not None
    assert (world.rings, world.book.due_ns()) == (rings, world.book.due_ns())
    assert world.book.due_ns() != 0
    assert world.ask() is not None

    assert world.rings == rings + 1
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns


def test_asking_in_vain_is_not_repeated_before_it_was_told() -> None:
    world = World(REQUESTS)
    world.wait()
    world.says(granted=0, ttl_ms=3_000, retry_ms=120)

    assert world.book.due_ns() == world.now_ns + 120 * NS_PER_MS


def test_a_wish_that_is_not_granted_holds_up_nobody_who_needs_units() -> None:
    world = World(REQUESTS)
    world.admitted()
    world.says(granted=1, ttl_ms=3_000, retry_ms=200)
    assert world.ask() is None
    _, outcomes = world.wait()

    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    world.sync(r=2)
    assert [type(outcome) for outcome in outcomes] == [Ticket]


def test_who_needs_fewer_units_than_were_denied_is_asked_for_at_once() -> None:
    world = World(TOKENS)
    large, _ = world.wait({"tokens": 5_000})
    world.says(granted=0, ttl_ms=3_000, retry_ms=700)
    assert world.book.cancel(large) is not None
    world.later(0.1)
    _, outcomes = world.wait({"tokens": 100})

    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    world.sync(t=100)
    assert [type(outcome) for outcome in outcomes] == [Ticket]


def test_units_that_came_before_somebody_stood_in_line_are_taken_at_once() -> None:
    world = World(REQUESTS)
    assert world.ask() is None
    world.sync()
    _, outcomes = world.wait()

    assert [type(outcome) for outcome in outcomes] == [Ticket]


@pytest.mark.parametrize(("limit", "target"), [(REQUESTS, LLM), (STREAMS, STT)])
def test_who_waits_is_unheard_until_a_controller_has_denied_what_it_needs(limit: Any, target: Target) -> None:
    world = World(limit)
    world.book.plan_for(target, "live")
    world.seq += 1
    world.book.claims(world.seq)
    world.later(0.3)
    waiter, outcomes = world.wait(target=target)
    world.later(0.7)
    world._answer(())
    assert world.book.is_unheard(waiter), "the message had left before"
    world.later(0.01)
    world.says(granted=0, ttl_ms=3_000, retry_ms=10)
    world.later(0.1)

    assert not world.book.is_unheard(waiter)
    assert outcomes == []


@pytest.mark.parametrize(("limit", "target"), [(REQUESTS, LLM), (STREAMS, STT)])
def test_nobody_waits_longer_for_a_controller_that_is_away(limit: Any, target: Target) -> None:
    world = World({**limit, "offline": "closed"})
    waiter, _ = world.wait(target=target)
    world.fails()
    assert world.book.is_unheard(waiter), "it may only restart"
    world.later(3)

    assert not world.book.is_unheard(waiter)


def test_that_a_controller_failed_long_ago_says_nothing_of_now() -> None:
    world = World({**REQUESTS, "offline": "closed"})
    world.wait()
    world.fails()
    world.later(60)
    world.seq += 1
    world.book.claims(world.seq)
    world.later(0.5)
    waiter, _ = world.wait()

    assert world.book.is_unheard(waiter), "it is slow, for all that is known"


def test_a_slow_answer_to_an_older_question_is_no_word_about_a_stream_that_waits() -> None:
    world = World(STREAMS)
    world.admitted(target=STT)
    world.later(1)
    world.seq += 1
    [claim] = world.book.claims(world.seq)
    world.later(0.3)
    waiter, _ = world.wait(target=STT)
    world.later(0.3)
    world._answer((Lease(pool=claim.pool, project=claim.project, granted=1, ttl_ms=5_000),))

    assert world.book.is_unheard(waiter)


def test_who_only_stands_behind_somebody_that_needs_more_is_not_refused() -> None:
    world = World(REQUESTS, TOKENS)
    _, first = world.wait({"requests": 1, "tokens": 5_000})
    world.sync(t=0)
    talk, outcomes = world.wait({"requests": 1, "tokens": 0})

    assert not world.book.is_unheard(talk)
    assert isinstance(world.book.cancel(talk), Ticket)
    assert (first, outcomes) == ([], [])


def test_slots_are_kept_while_there_are_plenty() -> None:
    world = World(STREAMS)
    _, outcomes = world.wait(target=STT)
    world.says(granted=1, ttl_ms=5_000, keep_ms=1_000)
    [ticket] = outcomes
    assert isinstance(ticket, Ticket)
    ticket.settle({})
    world.later(0.9)
    again = world.ask(target=STT)
    assert again is not None
    again.settle({})
    world.later(1.1)

    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    [claim] = world.sync()
    assert (claim.used, claim.target) == (0, 0)


def test_a_scarce_slot_goes_back_at_once() -> None:
    world = World(STREAMS)
    _, outcomes = world.wait(target=STT)
    world.says(granted=1, ttl_ms=5_000)
    [ticket] = outcomes
    assert isinstance(ticket, Ticket)
    rings = world.rings
    ticket.settle({})

    assert world.rings == rings + 1
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    [claim] = world.book.claims(9_999)
    assert claim.target == 0
    assert world.ask(target=STT) is None, "a promise is kept before it is told"


def test_open_streams_are_said_for_as_long_as_they_are() -> None:
    world = World(STREAMS)
    world.admitted(target=STT)
    for _ in range(5):
        world.later(1.1)
        [claim] = world.sync(s=1)
        assert (claim.used, claim.target) == (1, 1)


def test_a_process_that_leaves_has_spent_what_its_open_requests_reserved() -> None:
    world = World(TOKENS, STREAMS)
    ticket = world.admitted()

    world.seq += 1
    claims = world.book.claims(world.seq, is_leaving=True)
    said = {claim.pool: (returned(claim).used, returned(claim).target) for claim in claims}

    assert said == {"t:tokens_per_min": (100, 100), "s:concurrent": (1, 1)}
    ticket.settle({"tokens": 60})
    assert {claim.used for claim in world.book.claims(world.seq + 1) if claim.pool == "t:tokens_per_min"} <= {100}
    assert world.ask() is None, "the rest was given back: it may be another's by now"


def test_a_limit_that_changes_changes_under_who_waits() -> None:
    world = World(TOKENS)
    _, outcomes = world.wait()
    world.declare(revision=2)

    assert world.book.revision == 2
    assert len(outcomes) == 1
    assert world.book.plan_for(LLM, "live") is None


def test_a_limit_that_comes_back_remembers_what_was_spent() -> None:
    world = World(REQUESTS)
    world.admitted().settle({"requests": 1})
    world.declare(revision=2)
    assert world.book.claims(world.seq) == ()
    world.declare(REQUESTS, revision=3)
    world.wait()
    [claim] = world.sync()

    assert claim.used >= 1


def test_a_plan_of_before_is_served_by_the_limits_of_now() -> None:
    world = World(REQUESTS)
    plan = world.plan()
    world.declare(revision=2)
    outcomes: list[Any] = []
    world.book.wait(plan, ONE, until_ns=world.now_ns + NS_PER_S, wake=outcomes.append)
    world.book.serve()

    assert len(outcomes) == 1


def test_more_leases_than_a_message_holds_are_said_in_turn() -> None:
    world = World(REQUESTS)
    targets = [Target(provider="openai", model="m", modality="llm", project=f"p{n}") for n in range(CLAIMS_MAX + 10)]
    for target in targets:
        world.wait(ONE, target, ms=60_000)
    first = {claim.project for claim in world.sync(r=0)}
    world.later(0.01)
    second = {claim.project for claim in world.sync(r=0)}

    assert len(first) == CLAIMS_MAX
    assert len(first | second) == CLAIMS_MAX + 10


# Offline


def offline(policy: str, *, leased: bool = True) -> World:
    """A world whose controller has been away for a minute."""
    world = World(dict(REQUESTS, offline=policy), dict(STREAMS, offline=policy))
    if leased:
        world.admitted().settle({"requests": 1})
    world.fails()
    world.later(OFFLINE_AFTER_NS / NS_PER_S)
    world.fails()
    world.later(60)
    return world


def test_a_controller_that_is_away_for_a_moment_still_counts() -> None:
    world = World(dict(REQUESTS, offline="open"))
    world.admitted()
    world.later(2.9)
    world.fails()
    world.later(0.2)

    assert world.ask() is None
    world.later(3)
    assert world.ask() is not None


def test_open_admits_and_says_so_later() -> None:
    world = offline("open")
    for _ in range(50):
        ticket = world.ask()
        assert ticket is not None
        ticket.settle({"requests": 1})
    claims = {claim.pool: claim for claim in world.sync()}

    assert claims["r:requests_per_min"].used >= 50


def test_closed_refuses_and_says_why() -> None:
    world = offline("closed")
    waiter, _ = world.wait()
    refusal = world.book.cancel(waiter)

    assert world.ask() is None
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "closed"


def test_a_fair_share_goes_on_as_before() -> None:
    world = offline("fair_share")

    def admitted() -> int:
        count = 0
        while count < 1_000 and (ticket := world.ask()) is not None:
            ticket.settle({"requests": 1})
            count += 1
        return count

    # Two units in 1,000 s × 1,000 are two a second; a burst accrues in 10 s.
    assert admitted() == 20
    assert admitted() == 0
    world.later(5)
    assert admitted() == 10


def test_a_fair_share_of_slots_is_what_was_held_or_the_share() -> None:
    world = offline("fair_share")
    tickets = [world.ask(target=STT) for _ in range(4)]

    assert [ticket is not None for ticket in tickets] == [True, True, False, False]


def test_a_process_that_never_heard_its_share_is_not_held_up() -> None:
    world = offline("fair_share", leased=False)

    assert all(world.ask() is not None for _ in range(10))


def test_an_answer_ends_the_policy() -> None:
    world = offline("open")
    world.wait()
    world.sync(r=0, s=0)

    assert world.ask() is None


def test_who_does_not_wait_has_more_asked_for_all_the_same() -> None:
    world = World(REQUESTS)
    assert world.ask() is None

    assert world.rings == 1
    due_ns = world.book.due_ns()
    assert due_ns is not None
    assert due_ns <= world.now_ns
    world.later(0.01)
    world.sync(r=10)
    assert world.ask() is not None


def test_a_limit_stops_all_requests_while_it_has_nothing_and_asking_again_is_in_vain() -> None:
    world = World(REQUESTS, STREAMS)
    fresh = world.book.stopped(LLM, "live")
    world.wait()
    world.says(granted=0, ttl_ms=3_000, retry_ms=700)
    told = world.book.stopped(LLM, "live")
    world.later(0.8)
    soon = world.book.stopped(LLM, "live")

    assert (fresh, soon) == (None, None)
    assert told == Refusal("r:requests_per_min", 700, "limit")
    assert world.book.stopped(Target(provider="groq", model="m", modality="llm"), "live") is None


def test_looking_whether_a_limit_stops_requests_takes_nothing_and_refuses_nobody() -> None:
    world = World(REQUESTS)
    ticket = world.admitted()
    world.says(state="paused", granted=1, ttl_ms=3_000, retry_ms=5_000)

    looked = [world.book.stopped(LLM, "live") for _ in range(3)]
    [claim] = world.sync()

    assert looked == [Refusal("r:requests_per_min", 5_000, "paused")] * 3
    assert (claim.refused, claim.used) == (0, 0)
    ticket.settle({"requests": 1})


def test_free_slots_are_open_to_the_next_stream_even_where_more_would_be_in_vain() -> None:
    world = World(STREAMS)
    world.admitted({})
    world.says(granted=2, ttl_ms=5_000, retry_ms=1_000)
    free = world.book.stopped(LLM, "live")
    world.admitted({})
    full = world.book.stopped(LLM, "live")

    assert free is None
    assert full == Refusal("s:concurrent", 1_000, "limit")
