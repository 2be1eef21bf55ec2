"""A pool's scripts, rule by rule: what is granted, what is heard twice or late, what is forgotten and found again."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from tests.fixtures.budget_scripts import KEEP_US, ScriptedPool
from tests.fixtures.services import TestServices

from voicegateway_controller.budgets.pools import Cold, Unseeded

SLICE_US = 300_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.fixture
def pool(server: redis.Redis) -> ScriptedPool:
    pool = ScriptedPool(server)
    assert pool.open() == "opened"
    return pool


def test_a_need_is_granted_whole_and_more_while_there_is_plenty(pool: ScriptedPool) -> None:
    answer = pool.lease("a", need=100, target=400)

    assert (answer.lease.state, answer.lease.granted, answer.lease.retry_ms) == ("ok", 400, 0)
    assert pool.amounts() == (0, 400, 0)


def test_many_holders_get_a_fair_part_beyond_their_need(pool: ScriptedPool) -> None:
    for number in range(10):
        pool.lease(f"h{number}")

    answer = pool.lease("h0", need=20, target=1_000)

    assert answer.lease.granted == 20 + (1_000 - 20) // 20


def test_a_need_that_does_not_fit_gets_nothing_rather_than_a_part(pool: ScriptedPool) -> None:
    pool.lease("a", need=700)
    answer = pool.lease("b", need=400)

    assert (answer.lease.state, answer.lease.granted, answer.lease.is_scarce) == ("ok", 0, True)
    assert answer.lease.retry_ms >= 50
    assert not answer.is_short
    assert pool.amounts() == (0, 700, 0)


def test_scarce_money_is_lent_for_single_requests_and_all_of_it_can_be_spent(pool: ScriptedPool) -> None:
    pool.lease("a", used=960, granted=960)

    step = pool.lease("b", need=15, target=500)
    last = pool.lease("c", need=25, target=500)

    assert (step.lease.granted, step.lease.is_scarce) == (15, True)
    assert (last.lease.granted, last.lease.is_scarce) == (25, True)
    assert sum(pool.amounts()) == 1_000


def test_somebody_short_makes_the_others_give_back(pool: ScriptedPool) -> None:
    pool.lease("a", need=10, target=500)
    pool.lease("b", need=600)

    told = pool.lease("a", granted=500)
    pool.lease("a", granted=10)
    then = pool.lease("b", need=600)

    assert told.lease.is_scarce
    assert then.lease.granted == 600


def test_exhausted_is_what_would_not_fit_if_all_came_back(pool: ScriptedPool) -> None:
    pool.lease("a", used=700, granted=700)
    pool.lease("a", used=700, granted=700, need=900)

    waits = pool.lease("b", need=300)
    never = pool.lease("c", need=301)

    assert (waits.lease.state, waits.lease.granted) == ("ok", 0)
    assert (never.lease.state, never.lease.granted) == ("exhausted", 0)


def test_open_requests_of_the_asker_itself_may_come_back_too(pool: ScriptedPool) -> None:
    pool.lease("a", need=900)

    answer = pool.lease("a", granted=900, need=1_100)

    assert (answer.lease.state, answer.lease.granted) == ("ok", 900)


def test_when_all_is_spent_everybody_hears_it_without_asking(pool: ScriptedPool) -> None:
    pool.lease("a", used=1_000, granted=1_000)

    answer = pool.lease("b")

    assert (answer.lease.state, answer.lease.is_over) == ("exhausted", True)


def test_what_is_used_beyond_the_grant_is_a_fact(pool: ScriptedPool) -> None:
    pool.lease("a", need=100)
    pool.lease("b", need=900)

    pool.lease("a", used=130, granted=100)

    assert pool.amounts() == (130, 900, 0)
    assert pool.lease("c", need=1).lease.granted == 0
    pool.lease("b", used=900, granted=900)
    assert pool.amounts() == (1_030, 0, 0)


def test_a_message_heard_twice_is_as_if_heard_once(pool: ScriptedPool) -> None:
    pool.lease("a", seq=1, need=100, target=300)
    pool.lease("a", seq=2, used=50, granted=300)
    before = pool.amounts()

    again = pool.lease("a", seq=2, used=50, granted=300)

    assert (again.lease.state, again.lease.granted) == ("ok", 300)
    assert pool.amounts() == before


def test_the_same_message_again_returns_nothing_of_what_it_was_granted(pool: ScriptedPool) -> None:
    granted = pool.lease("a", seq=1, need=100, target=300).lease.granted
    pool.lease("b", need=600)

    again = pool.lease("a", seq=1, need=100, target=300)

    assert again.lease.granted == granted == 300
    assert pool.amounts() == (0, 900, 0)


def test_an_overtaken_message_changes_nothing(pool: ScriptedPool) -> None:
    pool.lease("a", seq=1, need=500)
    pool.lease("a", seq=3, used=400, granted=450)
    before = pool.amounts()

    late = pool.lease("a", seq=2, used=100, granted=500, target=900, need=900)

    assert (late.lease.state, late.lease.granted) == ("outdated", 450)
    assert pool.amounts() == before == (400, 50, 0)


def test_after_a_lost_answer_the_holder_says_what_it_goes_by(pool: ScriptedPool) -> None:
    pool.lease("a", need=100, target=500)

    pool.lease("a", granted=0)

    assert pool.amounts() == (0, 0, 0)


def test_the_ceiling_bounds_and_says_what_it_lacks(server: redis.Redis) -> None:
    pool = ScriptedPool(server, limit=1_000_000)
    pool.open(ceiling=100)

    short = pool.lease("a", seq=1, need=300)
    raised = bool(pool.run("raise_ceiling", 1, short.needs, 1)[0])
    again = pool.lease("a", seq=1, need=300)

    assert (short.lease.granted, short.is_short, raised, again.lease.granted) == (0, True, True, 300)
    assert short.needs >= 300
    assert not again.is_short
    assert again.needs > 300, "it is raised ahead of what comes next"


def test_a_raise_of_another_epoch_or_a_lower_one_does_nothing(pool: ScriptedPool) -> None:
    assert pool.run("raise_ceiling", 2, 5_000, 1) == [0, b"0"]
    assert pool.run("raise_ceiling", 1, 500, 1) == [1, b"1000"]
    pool.server.delete(*pool.keys)
    assert pool.run("raise_ceiling", 1, 5_000, 1) == [0, b"0"]
    assert pool.state() == {}, "a raise never makes a pool"


def test_a_raise_without_postgres_is_remembered_until_it_is_backed(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    pool.open(ceiling=100)

    pool.run("raise_ceiling", 1, 300, 0)
    unbacked = pool.state()["unbacked"]
    pool.run("raise_ceiling", 1, 200, 1)
    still = pool.state()["unbacked"]
    pool.run("raise_ceiling", 1, 300, 1)

    assert (unbacked, still, pool.state()["unbacked"], pool.state()["ceiling"]) == (1, 1, 0, 300)


def test_a_pool_that_was_never_open_is_cold(server: redis.Redis) -> None:
    pool = ScriptedPool(server)

    assert pool.ask("a", need=1) == Cold(seen_us=pool.now_us)
    assert pool.merge(5) is None
    assert not pool.release("a", 5)
    assert pool.state() == {}


def test_another_server_has_lost_its_memory(pool: ScriptedPool) -> None:
    pool.lease("a", need=100)
    pool.boot += 1

    assert pool.ask("a", need=1) == Cold(seen_us=pool.now_us)


def test_a_late_open_brings_nothing_back_to_life(pool: ScriptedPool) -> None:
    seen_us = pool.now_us
    assert pool.open() == "open"
    pool.server.delete(*pool.keys)
    pool.now_us += 1_000_001

    assert pool.open(seen_us=seen_us) == "late"
    assert pool.open(seen_us=pool.now_us + 1) == "late", "a clock that was set back says nothing of when"
    assert pool.state() == {}
    assert pool.open(seen_us=pool.now_us - 1_000_000) == "opened"


def test_after_a_loss_nothing_is_granted_twice_and_live_holders_go_on(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    # 600 were released: 200 are in the ledger, a holds 150 more, the dead d held 100, the rest was on its way.
    pool.open(epoch=2, ceiling=600, spent=200, unknown=400, seeds={"a": 80, "d": 120})

    back = pool.lease("a", used=100, granted=250)

    assert back.lease.granted == 250
    assert pool.amounts() == (220, 150, 400 - 170)
    assert pool.lease("new", need=400).is_short, "only what was never released can be granted"
    pool.run("raise_ceiling", 2, 1_000, 1)
    assert pool.lease("new", need=400).lease.granted == 400
    assert pool.lease("other", need=1).lease.granted == 0
    assert sum(pool.amounts()) == 1_000


def test_a_holder_that_told_less_than_the_ledger_has_used_what_the_ledger_has(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    pool.open(epoch=2, ceiling=500, spent=200, unknown=300, seeds={"a": 120})

    pool.lease("a", used=100, granted=150)

    assert pool.amounts() == (200, 30, 270)


def test_who_is_not_among_the_seeds_is_looked_up_in_the_ledger(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    pool.open(epoch=2, ceiling=500, spent=200, unknown=300)

    asked = pool.ask("idle", used=60, granted=90)
    pool.lease("idle", seq=1, used=60, granted=90, seed=60)
    pool.lease("new", need=10)

    assert isinstance(asked, Unseeded)
    assert asked.until_us < pool.now_us
    assert pool.amounts()[:2] == (200, 30)


def test_a_first_opening_asks_nobody_for_what_was_before(pool: ScriptedPool) -> None:
    pool.lease("a", used=60, granted=60)

    assert pool.amounts() == (60, 0, 0)


def test_the_unknown_ends_with_the_leases_and_not_before(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    pool.open(epoch=2, ceiling=500, spent=200, unknown=300)

    pool.merge(250)
    pool.now_us += KEEP_US - 1
    pool.merge(250)
    before = pool.amounts()
    pool.now_us += 1
    pool.merge(250)

    assert before == (250, 0, 300), "whose money the ledger shows is not known"
    assert pool.amounts() == (250, 0, 0)


def test_the_ledger_raises_what_is_spent_and_never_lowers_it(pool: ScriptedPool) -> None:
    pool.lease("a", used=100, granted=100)

    pool.merge(140)
    higher = pool.amounts()
    pool.merge(90)

    assert higher == (140, 0, 0)
    assert pool.amounts() == (100, 0, 0), "what a holder told"


def test_what_the_ledger_shows_before_its_holder_tells_is_not_counted_twice(pool: ScriptedPool) -> None:
    pool.lease("a", need=300)

    pool.merge(120)
    shown = pool.amounts()
    pool.lease("a", used=120, granted=300)
    pool.merge(120)

    assert shown == (120, 300, 0), "for a moment, on the safe side"
    assert pool.amounts() == (120, 180, 0)


def test_a_silent_holder_loses_its_lease_and_keeps_its_counter(pool: ScriptedPool) -> None:
    pool.lease("a", used=0, need=500)
    pool.lease("a", used=100, granted=500)
    pool.now_us += KEEP_US - 1
    pool.lease("b", need=1)
    kept = pool.amounts()
    pool.now_us += 1

    merged = pool.merge(0)
    back = pool.lease("a", used=100, granted=100)

    assert kept == (100, 401, 0)
    assert merged is not None
    assert merged.silent == ("a",)
    assert pool.amounts() == (100, 1, 0)
    assert back.lease.granted == 100
    assert pool.state()["holders"] == 2


def test_a_silent_holder_that_comes_back_after_more_than_a_week_is_looked_up(pool: ScriptedPool) -> None:
    pool.lease("a", used=100, granted=100)
    for _ in range(2):
        pool.now_us += 8 * DAY_US
        pool.merge(0)

    asked = pool.ask("a", used=100, granted=100)
    pool.lease("a", used=120, granted=120, seed=100)

    assert isinstance(asked, Unseeded)
    assert pool.amounts() == (120, 0, 0)


def test_a_silent_holders_counter_is_settled_by_the_ledger(pool: ScriptedPool) -> None:
    pool.lease("a", used=100, granted=100, need=300)
    pool.now_us += KEEP_US
    pool.merge(0)

    settled = pool.release("a", 180, is_dead=False)
    pool.lease("a", used=150, granted=150)

    assert settled
    assert pool.amounts() == (180, 0, 0)


def test_the_recovered_dead_give_back_at_once_and_their_late_messages_change_nothing(pool: ScriptedPool) -> None:
    pool.lease("d", seq=1, need=500)
    pool.lease("d", seq=2, used=100, granted=500)

    pool.release("d", 160)
    pool.lease("d", seq=1, need=500)
    pool.release("d", 160)

    assert pool.amounts() == (160, 0, 0)
    assert pool.state()["holders"] == 0


def test_a_dead_holder_that_never_told_after_a_loss_is_taken_out_of_the_unknown(server: redis.Redis) -> None:
    pool = ScriptedPool(server)
    pool.open(epoch=2, ceiling=500, spent=200, unknown=300, seeds={"d": 120})

    assert pool.release("d", 170)
    assert not pool.release("d", 170)
    assert pool.release("e", 40, before=30)

    assert pool.amounts() == (260, 0, 240)


def test_of_whom_there_is_no_record_the_ledger_says_nothing_new(pool: ScriptedPool) -> None:
    assert not pool.release("gone", 100)
    assert pool.amounts() == (0, 0, 0)


def test_who_leaves_gives_back_everything_and_is_forgotten_later(pool: ScriptedPool) -> None:
    pool.lease("a", seq=1, need=500)
    pool.lease("a", seq=2, used=200, granted=200, leaves=True)
    again = pool.lease("a", seq=2, used=200, granted=200, leaves=True)
    late = pool.lease("a", seq=1, need=500)

    assert pool.amounts() == (200, 0, 0)
    assert (again.lease.granted, late.lease.state) == (200, "outdated")
    pool.now_us += KEEP_US
    pool.merge(0)
    assert pool.server.hlen(pool.keys[1]) == 0
    assert pool.amounts() == (200, 0, 0)


def test_a_silent_holder_that_leaves_is_gone(pool: ScriptedPool) -> None:
    pool.lease("a", used=10, granted=10)
    pool.now_us += KEEP_US
    pool.merge(0)

    pool.lease("a", used=20, granted=20, leaves=True)

    assert pool.merge(0) is not None
    assert pool.state()["holders"] == 0
    assert pool.server.scard(pool.keys[5]) == 0
    assert pool.amounts() == (20, 0, 0)


def test_a_lowered_budget_blocks_at_once_and_a_raised_one_goes_on(pool: ScriptedPool) -> None:
    pool.lease("a", used=500, granted=500)
    lower, higher = replace(pool.terms, limit=400, revision=2), replace(pool.terms, limit=900, revision=3)

    blocked = pool.lease("b", need=1, terms=lower)
    old_replica = pool.lease("b", need=1)
    goes_on = pool.lease("b", need=1, terms=higher)

    assert (blocked.lease.state, blocked.lease.is_over) == ("exhausted", True)
    assert old_replica.lease.state == "exhausted"
    assert (goes_on.lease.state, goes_on.lease.granted, goes_on.lease.is_over) == ("ok", 1, False)


def test_a_window_that_is_over_grants_nothing_and_hears_everything(pool: ScriptedPool) -> None:
    pool.lease("a", need=300)

    answer = pool.lease("a", used=250, granted=300, target=800, need=800, terms=replace(pool.terms, grows=False))

    assert (answer.lease.granted, answer.lease.state) == (300, "ok")
    assert pool.amounts() == (250, 50, 0)


def test_a_budget_that_does_not_stop_counts_and_refuses_nothing(server: redis.Redis) -> None:
    pool = ScriptedPool(server, stops=False)
    pool.open(ceiling=0)

    below = pool.lease("a", used=999, need=50_000)
    over = pool.lease("b", used=400)

    assert (below.lease.state, below.lease.is_over) == ("ok", False)
    assert (over.lease.state, over.lease.is_over, over.needs) == ("ok", True, 0)
    assert pool.amounts() == (1_399, 0, 0)


def test_a_rolling_day_forgets_slice_by_slice(server: redis.Redis) -> None:
    pool = ScriptedPool(server, is_rolling=True)
    pool.now_us -= pool.now_us % SLICE_US
    pool.open(ceiling=5_000)
    pool.lease("a", used=600, granted=600)
    pool.now_us += 2 * SLICE_US
    pool.lease("a", used=900, granted=900)

    pool.now_us += DAY_US - 2 * SLICE_US + SLICE_US - 1
    pool.merge(0)
    last = pool.amounts()
    pool.now_us += 1
    pool.merge(0)
    first_gone = pool.amounts()
    free = pool.lease("b", need=700)

    assert last == (900, 0, 0)
    assert first_gone == (300, 0, 0)
    assert free.lease.granted == 700


def test_a_rolling_day_is_opened_with_the_ledgers_slices(server: redis.Redis) -> None:
    pool = ScriptedPool(server, is_rolling=True)
    now = pool.now_us // SLICE_US
    pool.open(epoch=2, spent=500, unknown=0, slices={now - 288: 200, now: 300})

    pool.now_us += SLICE_US
    pool.merge(0)

    assert pool.amounts() == (300, 0, 0)


def test_a_rolling_days_ceiling_counts_what_is_forgotten(server: redis.Redis) -> None:
    pool = ScriptedPool(server, is_rolling=True)
    pool.open(epoch=2, ceiling=4_800, spent=500, gone=4_000, unknown=300, slices={pool.now_us // SLICE_US: 500})

    back = pool.lease("a", granted=300)
    short = pool.lease("b", seq=1, need=100)
    pool.run("raise_ceiling", 2, short.needs, 1)
    granted = pool.lease("b", seq=1, need=100)

    assert (back.lease.granted, short.lease.granted, short.is_short, short.needs) == (300, 0, True, 4_900)
    assert granted.lease.granted == 100
    assert pool.amounts() == (500, 400, 0)


def test_the_ledgers_sum_of_a_rolling_day_is_believed_for_a_while(server: redis.Redis) -> None:
    pool = ScriptedPool(server, is_rolling=True)
    pool.open()

    pool.merge(400)
    pool.now_us += 600_000_000
    pool.lease("a")
    believed = pool.amounts()
    pool.now_us += 1
    pool.lease("a")

    assert (believed[0], pool.amounts()[0]) == (400, 0)


def test_amounts_are_exact_up_to_the_largest_budget(server: redis.Redis) -> None:
    limit = 2**52
    pool = ScriptedPool(server, limit=limit)
    pool.open()

    pool.lease("a", used=1, granted=limit - 1, need=limit - 1)
    pool.lease("a", used=1, need=limit - 1, granted=limit - 1)
    pool.lease("b", need=1)

    assert pool.amounts() == (1, limit - 1, 0)
    assert pool.lease("b", granted=1, need=2).lease.granted == 1
    pool.lease("x", used=2**53 - 1, granted=2**53 - 1)
    assert pool.state()["spent"] == 2**53 - 1
