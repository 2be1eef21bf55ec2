"""The bound of every limit holds in every history; and each rule that keeps it, taken away, is missed."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.fixtures.limit_histories import RateHistory, RatePlots, SlotPlots, SlowAnswers, play_rates, play_slots
from tests.fixtures.services import TestServices

from voicegateway.limits.lease import RateLease, SlotLease
from voicegateway_shared.wire import Claim, Lease

PLOTS = range(300)
"""Each mutation is missed within the first fifty."""


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


class KeepsWhatItReturns(RateLease):
    """Tells a smaller promise without keeping it."""

    __slots__ = ()

    def claim(self, *arguments: Any, **named: Any) -> Claim:
        granted = self.granted
        claim = super().claim(*arguments, **named)
        self.granted = granted
        return claim


class HearsOldAnswers(RateLease):
    """Takes any answer for the newest."""

    __slots__ = ()

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        super().answered(self.seq, lease, now_ns)


class SpendsEarly(RateLease):
    """Spends at once what only accrues."""

    __slots__ = ()

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        super().answered(seq, lease, now_ns)
        self.ready_ns = 0


class CountsFromTheAnswer(RateLease):
    """Believes that its time begins when it hears."""

    __slots__ = ()

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        if seq == self.seq:
            self.sent_ns = now_ns
        super().answered(seq, lease, now_ns)


class KeepsReturnedSlots(SlotLease):
    """Tells that it wants fewer, and uses them on."""

    __slots__ = ()

    def claim(self, *arguments: Any, **named: Any) -> Claim:
        quota = self.quota
        claim = super().claim(*arguments, **named)
        self.quota = quota
        return claim


class HearsOldSlotAnswers(SlotLease):
    """Takes any answer for the newest."""

    __slots__ = ()

    def answered(self, seq: int, lease: Lease, now_ns: int) -> None:
        super().answered(self.seq, lease, now_ns)


def test_no_interval_of_any_history_has_more_than_burst_and_rate(server: redis.Redis) -> None:
    found = play_rates(server, range(120))

    assert found["over"] == 0
    assert found["near"] > 2, "histories that stay far from the bound prove nothing"


@pytest.mark.parametrize("kind", [RatePlots, SlowAnswers])
def test_no_plot_gets_more_than_burst_and_rate(kind: type[RateHistory], server: redis.Redis) -> None:
    found = play_rates(server, range(150), kind=kind)

    assert found["over"] == 0
    assert found["near"] > 50, "histories that stay far from the bound prove nothing"


def test_no_plot_opens_more_than_slots(server: redis.Redis) -> None:
    found = play_slots(server, range(150), kind=SlotPlots)

    assert found["over"] == 0
    assert found["full"] > 30, "histories that never use all slots prove nothing"


def test_never_more_open_than_slots_in_any_history(server: redis.Redis) -> None:
    found = play_slots(server, range(120))

    assert found["over"] == 0
    assert found["full"] > 15, "histories that never use all slots prove nothing"


RATE_MUTATIONS = {
    "another server is taken for the same": ("bucket[1] ~= boot or", "not bucket[1] or"),
    "the sequence is not checked": ("if seq <= S then", "if false then"),
    "what is leased is not counted against the burst": (
        "local room = (burst - outstanding) * d - level",
        "local room = burst * d - level",
    ),
    "leases that ended are refunded": (
        "outstanding = outstanding - (tonumber(granted) - tonumber(reported))",
        "outstanding = outstanding - (tonumber(granted) - tonumber(reported))\n"
        "    level = level + (tonumber(granted) - tonumber(reported)) * d",
    ),
    "a pool without memory begins full": (
        "level, at, outstanding, learn_until, spent, shares_at = 0, now, 0, now + lease_us, 0, 0",
        "level, at, outstanding, learn_until, spent, shares_at = burst * d, now, 0, 0, 0, 0",
    ),
}


@pytest.mark.parametrize("mutation", RATE_MUTATIONS.values(), ids=RATE_MUTATIONS)
def test_a_rule_of_the_rate_script_is_missed(mutation: tuple[str, str], server: redis.Redis) -> None:
    assert play_rates(server, PLOTS, mutation=mutation, kind=RatePlots, is_first_enough=True)["over"] > 0


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (KeepsWhatItReturns, RatePlots),
        (HearsOldAnswers, RatePlots),
        (SpendsEarly, RatePlots),
        (CountsFromTheAnswer, SlowAnswers),
    ],
)
def test_a_rule_of_the_rate_lease_is_missed(
    broken: type[RateLease], kind: type[RateHistory], server: redis.Redis
) -> None:
    assert play_rates(server, PLOTS, make=broken, kind=kind, is_first_enough=True)["over"] > 0


SLOT_MUTATIONS = {
    "another server is taken for the same": ("pool[1] ~= boot or", "not pool[1] or"),
    "the sequence is not checked": ("if seq <= S then", "if false then"),
    "nothing is learned after a loss": (
        "known, learn_until, heard_at = 0, tonumber(ARGV[9]), revision, now + lease_us, now",
        "known, learn_until, heard_at = 0, tonumber(ARGV[9]), revision, 0, now",
    ),
    "open streams of a forgotten lease are not counted": ("if open > Q then Q = open end", ""),
    "what is leased is not subtracted": (
        "local fair, left = entitlements(), slots - outstanding",
        "local fair, left = entitlements(), slots - Q",
    ),
}


@pytest.mark.parametrize("mutation", SLOT_MUTATIONS.values(), ids=SLOT_MUTATIONS)
def test_a_rule_of_the_slots_script_is_missed(mutation: tuple[str, str], server: redis.Redis) -> None:
    assert play_slots(server, PLOTS, mutation=mutation, kind=SlotPlots, is_first_enough=True)["over"] > 0


@pytest.mark.parametrize("broken", [KeepsReturnedSlots, HearsOldSlotAnswers])
def test_a_rule_of_the_slot_lease_is_missed(broken: type[SlotLease], server: redis.Redis) -> None:
    assert play_slots(server, PLOTS, make=broken, kind=SlotPlots, is_first_enough=True)["over"] > 0
