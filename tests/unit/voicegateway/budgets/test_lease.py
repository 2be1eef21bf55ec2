"""A money lease: what it tells, what it wants, when it must speak, and what it may spend at an instant."""

from typing import Any

import pytest

from voicegateway.budgets.lease import (
    ASK_AGAIN_NS,
    GIVE_BACK_NS,
    IDLE_NS,
    NS_PER_MS,
    NS_PER_S,
    PAUSE_NS,
    REPORT_NS,
    REPORT_SCARCE_NS,
    STOCK_REQUESTS,
    MoneyLease,
    local_lease,
)
from voicegateway_shared.wire import MoneyClaim
from voicegateway_shared.wire import MoneyLease as Told

POOL = "house@day:2026-11-21"
NOW_NS = 1_000 * NS_PER_S


def a_lease(granted: int = 1_000, **told: Any) -> MoneyLease:
    """Return a lease that was granted so much a moment ago, for ten minutes."""
    lease = MoneyLease(POOL, now_ns=NOW_NS)
    lease.claim(1, NOW_NS, need=granted)
    lease.answered(1, Told(pool=POOL, granted=granted, **{"ttl_ms": 600_000, **told}), NOW_NS)
    return lease


def test_what_is_left_is_the_grant_less_what_was_used_and_is_reserved() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved = 300, 200

    assert lease.left(NOW_NS) == 500
    lease.used = 900
    assert lease.left(NOW_NS) == -100


def test_time_counts_from_before_the_claim_was_sent_less_a_guard() -> None:
    lease = MoneyLease(POOL, now_ns=NOW_NS)
    lease.claim(1, NOW_NS)
    lease.answered(1, Told(pool=POOL, granted=1_000, ttl_ms=10_000), NOW_NS + 5 * NS_PER_S)

    assert lease.left(NOW_NS + 9_899 * NS_PER_MS) == 1_000
    assert lease.left(NOW_NS + 9_900 * NS_PER_MS) == 0


def test_a_smaller_promise_is_kept_before_it_is_told() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved, lease.is_scarce = 100, 50, True
    claim = lease.claim(2, NOW_NS)

    assert claim == MoneyClaim(pool=POOL, used=100, granted=150, target=150)
    assert lease.left(NOW_NS) == 0


def test_the_need_is_cumulative_and_the_first_waiters() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved = 400, 500
    claim = lease.claim(2, NOW_NS, need=300, waiting=700, waiters=3)

    assert (claim.need, claim.target, claim.waiters, claim.granted) == (1_200, 1_600, 3, 1_000)


def test_a_stock_for_the_next_requests_is_wanted_while_there_is_plenty() -> None:
    lease = a_lease(1_000)
    lease.note(40, NOW_NS)

    assert lease.claim(2, NOW_NS).target == STOCK_REQUESTS * 40
    lease.is_scarce = True
    assert lease.claim(3, NOW_NS).target == 0


def test_a_demand_is_wanted_ahead_and_forgotten() -> None:
    lease = a_lease(0)
    for _ in range(100):
        lease.note(10, NOW_NS)
    busy = lease.claim(2, NOW_NS + NS_PER_S).target
    quiet = lease.claim(3, NOW_NS + 30 * NS_PER_S).target

    assert busy == 1_000 * 5
    assert quiet == STOCK_REQUESTS * 10


def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    lease = a_lease(1_000)
    lease.note(40, NOW_NS)
    lease.claim(2, NOW_NS + IDLE_NS - 1)
    kept = lease.granted
    due_ns = lease.due_ns(NOW_NS + IDLE_NS)
    claim = lease.claim(3, NOW_NS + IDLE_NS)

    assert kept == STOCK_REQUESTS * 40
    assert due_ns == NOW_NS + IDLE_NS
    assert (claim.granted, claim.target) == (0, 0)


@pytest.mark.parametrize("state", ["ok", "exhausted"])
def test_only_the_answer_to_the_newest_claim_counts(state: Any) -> None:
    lease = a_lease(1_000)
    lease.claim(2, NOW_NS)
    before = lease.granted
    lease.answered(1, Told(pool=POOL, state=state, granted=9_999, ttl_ms=600_000), NOW_NS)
    lease.answered(2, Told(pool="another@total", state=state, granted=9_999, ttl_ms=600_000), NOW_NS)

    assert lease.granted == before
    lease.answered(2, Told(pool=POOL, state=state, granted=9_999, ttl_ms=600_000), NOW_NS)
    assert lease.granted == 9_999


@pytest.mark.parametrize("state", ["outdated", "learning", "unknown"])
def test_other_states_grant_and_prolong_nothing(state: Any) -> None:
    lease = a_lease(1_000)
    deadline_ns = lease.deadline_ns
    lease.note(1_000, NOW_NS)
    lease.claim(2, NOW_NS + NS_PER_S)
    lease.answered(2, Told(pool=POOL, state=state, granted=9_999, ttl_ms=600_000), NOW_NS + NS_PER_S)

    assert (lease.granted, lease.deadline_ns) == (1_000, deadline_ns)


def test_an_answer_that_came_twice_is_one() -> None:
    lease = a_lease(1_000)
    lease.reserved = 600
    lease.claim(2, NOW_NS, need=900)
    told = Told(pool=POOL, granted=1_500, ttl_ms=600_000)
    lease.answered(2, told, NOW_NS)
    lease.reserved = 1_500
    lease.answered(2, told, NOW_NS)

    assert (lease.granted, lease.left(NOW_NS)) == (1_500, 0)


def test_a_lost_answer_is_told_as_a_return() -> None:
    lease = a_lease(1_000)
    lease.reserved = 1_000
    lease.claim(2, NOW_NS, need=500)
    # The answer, which granted 1,500, is lost.
    claim = lease.claim(3, NOW_NS, need=500)

    assert (claim.granted, claim.need) == (1_000, 1_500)


def test_a_lease_that_ended_gives_back_all_but_what_requests_hold() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved = 100, 300
    late_ns = NOW_NS + 600 * NS_PER_S

    assert lease.left(late_ns) == 0
    assert lease.claim(2, late_ns).granted == 400


def test_spending_is_told_soon_and_sooner_where_money_is_scarce() -> None:
    lease = a_lease(1_000)
    lease.used = 1_000

    assert lease.due_ns(NOW_NS) == NOW_NS + REPORT_NS
    lease.is_scarce = True
    assert lease.due_ns(NOW_NS) == NOW_NS + REPORT_SCARCE_NS
    lease.claim(2, NOW_NS)
    assert lease.due_ns(NOW_NS) is not None, "nobody knows yet whether it was heard"
    lease.answered(2, Told(pool=POOL, granted=1_000, ttl_ms=600_000), NOW_NS)
    assert lease.due_ns(NOW_NS) is None


def test_scarce_money_that_nobody_needs_goes_back_at_once() -> None:
    lease = a_lease(1_000, is_scarce=True)
    lease.reserved = 999

    assert lease.due_ns(NOW_NS) == NOW_NS + GIVE_BACK_NS
    assert lease.due_ns(NOW_NS, need=1, waiting=1) is not None
    lease.reserved = 1_000
    assert lease.due_ns(NOW_NS) == NOW_NS + 150 * NS_PER_S


def test_money_of_a_window_that_ended_goes_back_at_once() -> None:
    lease = a_lease(1_000)
    lease.is_open = False
    lease.note(40, NOW_NS)

    assert lease.due_ns(NOW_NS) == NOW_NS + GIVE_BACK_NS
    assert lease.claim(2, NOW_NS).granted == 0
    assert lease.due_ns(NOW_NS) is None
    assert lease.is_clean


def test_a_waiter_is_asked_for_at_once_unless_that_is_in_vain() -> None:
    lease = a_lease(0)
    assert lease.due_ns(NOW_NS, need=5, waiting=5) == NOW_NS
    lease.claim(2, NOW_NS, need=5, waiting=5)
    lease.answered(2, Told(pool=POOL, granted=0, ttl_ms=600_000, retry_ms=70), NOW_NS)

    assert lease.due_ns(NOW_NS, need=5, waiting=5) == NOW_NS + 70 * NS_PER_MS


def test_a_wish_that_is_not_granted_beside_a_need_that_is_covered_holds_up_nobody() -> None:
    lease = a_lease(100)
    lease.claim(2, NOW_NS, need=40, waiting=40)
    lease.answered(2, Told(pool=POOL, granted=100, ttl_ms=600_000, retry_ms=500), NOW_NS)

    assert lease.due_ns(NOW_NS, need=120, waiting=160) == NOW_NS
    assert not lease.is_denied(120, since_ns=NOW_NS, now_ns=NOW_NS)


def test_who_needs_less_than_what_was_denied_is_asked_for_at_once() -> None:
    lease = a_lease(0)
    lease.claim(2, NOW_NS, need=50, waiting=50)
    lease.answered(2, Told(pool=POOL, granted=0, ttl_ms=600_000, retry_ms=70), NOW_NS)

    assert lease.due_ns(NOW_NS, need=49, waiting=49) == NOW_NS
    assert lease.due_ns(NOW_NS, need=50, waiting=50) == NOW_NS + 70 * NS_PER_MS
    lease.claim(3, NOW_NS, need=49, waiting=49)
    lease.answered(3, Told(pool=POOL, state="learning", retry_ms=500), NOW_NS)
    assert lease.due_ns(NOW_NS, need=1, waiting=1) == NOW_NS + 500 * NS_PER_MS, "that is said to all"


def test_more_is_asked_for_before_it_runs_dry_but_not_for_ever() -> None:
    lease = a_lease(1_000)
    lease.reserved = 501
    assert lease.low == 500
    lease.is_rung = True

    assert lease.due_ns(NOW_NS) == NOW_NS + ASK_AGAIN_NS
    lease.claim(2, NOW_NS)
    assert lease.due_ns(NOW_NS) != NOW_NS + ASK_AGAIN_NS


def test_money_that_is_held_is_spoken_of_before_its_time_is_over() -> None:
    lease = a_lease(1_000)
    lease.reserved = 1_000

    assert lease.due_ns(NOW_NS) == NOW_NS + 600 * NS_PER_S // 4


def test_a_part_that_is_not_enough_for_who_waits_goes_back_where_money_is_scarce() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved, lease.is_scarce = 200, 100, True
    claim = lease.claim(2, NOW_NS, need=800, waiting=900)

    # Two holders that each kept 700 of what the other waits for would wait for ever.
    assert (claim.granted, claim.need, claim.target) == (300, 1_100, 1_200)
    assert lease.left(NOW_NS) == 0


def test_a_part_that_is_enough_for_the_first_in_line_is_kept() -> None:
    lease = a_lease(1_000)
    lease.used, lease.is_scarce = 200, True

    assert lease.claim(2, NOW_NS, need=800, waiting=900).granted == 1_000


def test_what_was_said_not_to_fit_does_not_for_a_while() -> None:
    lease = a_lease(0)
    lease.claim(2, NOW_NS, need=100)
    lease.answered(2, Told(pool=POOL, state="exhausted", granted=0, ttl_ms=600_000, retry_ms=1_000), NOW_NS)

    assert lease.is_hopeless(100, NOW_NS)
    assert lease.is_hopeless(101, NOW_NS + 999 * NS_PER_MS)
    assert not lease.is_hopeless(99, NOW_NS)
    assert not lease.is_hopeless(100, NOW_NS + NS_PER_S)
    assert lease.due_ns(NOW_NS, need=99, waiting=99) == NOW_NS


def test_in_a_window_that_is_spent_nothing_fits() -> None:
    lease = a_lease(0)
    lease.claim(2, NOW_NS)
    lease.answered(2, Told(pool=POOL, state="exhausted", ttl_ms=600_000, is_over=True), NOW_NS)

    assert lease.is_hopeless(1, NOW_NS)
    assert lease.due_ns(NOW_NS, need=1, waiting=1) == NOW_NS + PAUSE_NS


def test_the_last_word_tells_what_was_spent_and_returns_the_rest() -> None:
    lease = a_lease(1_000)
    lease.used, lease.reserved = 300, 100
    claim = lease.leave(2, NOW_NS)

    assert claim == MoneyClaim(pool=POOL, used=300, granted=300, target=300)
    assert lease.left(NOW_NS) == 0


def test_more_used_than_granted_is_a_fact_that_is_told() -> None:
    lease = a_lease(1_000)
    lease.used = 1_400
    claim = lease.claim(2, NOW_NS, need=100)

    assert (claim.used, claim.granted, claim.need) == (1_400, 1_000, 1_500)
    assert claim.target >= claim.granted


def test_a_window_that_nobody_shares_is_granted_whole_and_for_ever() -> None:
    lease = local_lease("s@session:AJ_1", 700, now_ns=NOW_NS)

    assert lease.left(NOW_NS + 10**18) == 700
