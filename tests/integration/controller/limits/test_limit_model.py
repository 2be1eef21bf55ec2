"""The shipped scripts do what the specification says, whatever they are told; and a script that does not is found."""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fixtures.limit_histories import script_of
from tests.fixtures.limit_machines import RATES, SLOTS, PoolMachine, RateMachine, SlotMachine
from tests.fixtures.limit_model import MS
from tests.fixtures.services import TestServices

# The same examples in every run: a failure here is a change's, never chance's.
EXAMPLES = settings(
    derandomize=True, deadline=None, database=None, max_examples=120, stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow], print_blob=False,
    report_multiple_bugs=False,
)  # fmt: skip
ENOUGH = settings(EXAMPLES, phases=[Phase.generate], max_examples=3_000)
"""Of a broken script: the search ends with the first that shows it, and what is drawn changes with the modules that are
loaded."""


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def play(machine: type[PoolMachine[Any]], *arguments: Any, settings: settings) -> None:
    # Annotated for a class; it only calls it.
    factory = cast(type[PoolMachine[Any]], partial(machine, *arguments))
    run_state_machine_as_test(factory, settings=settings)


@pytest.mark.parametrize("machine", [RateMachine, SlotMachine])
def test_the_script_is_as_specified(machine: type[PoolMachine[Any]], server: redis.Redis) -> None:
    play(machine, server, settings=EXAMPLES)


def test_a_limit_made_smaller_than_what_is_leased_grants_nothing(server: redis.Redis) -> None:
    machine = RateMachine(server)
    machine.declared(RATES[1], is_new=True)
    spoken = {"who": 0, "spends": 0, "wants": 10, "needs": 0, "wait_ms": 0, "demand": 0, "pause_us": 0}

    machine.a_holder_speaks(**spoken, knows=0)
    leased = machine.pool.outstanding
    machine.something_happens(kind="limit", by=1)
    machine.a_holder_speaks(**spoken, knows=1)

    assert machine.pool.spec.burst < machine.pool.outstanding == leased


def test_after_a_silence_nobody_waits_for_itself(server: redis.Redis) -> None:
    machine = SlotMachine(server)
    machine.declared(SLOTS[2], is_new=True)
    spoken = {"opens": 100, "waits": 1, "knows": 0, "is_lost": False}

    machine.a_holder_speaks(who=0, pause_us=0, **spoken)
    machine.a_holder_opens_all_it_may(who=0)
    machine.a_holder_speaks(who=0, pause_us=3_000 * MS, **spoken)
    mine = machine.leases[0][0]
    machine.a_holder_speaks(who=1, pause_us=3_000 * MS, **spoken)

    assert mine == 2, "its controller was slow, and no slot is anybody else's"
    assert machine.leases[1][0] == 0, "another one may still be on its way"


RATE_MUTATIONS = {
    "the sequence is not checked": ("if seq <= S then", "if false then"),
    "leases that ended are refunded": (
        "outstanding = outstanding - (tonumber(granted) - tonumber(reported))",
        "outstanding = outstanding - (tonumber(granted) - tonumber(reported))\n"
        "    level = level + (tonumber(granted) - tonumber(reported)) * d",
    ),
    "what is leased is not counted against the burst": (
        "local room = (burst - outstanding) * d - level",
        "local room = burst * d - level",
    ),
    "another server is taken for the same": ("bucket[1] ~= boot or", "not bucket[1] or"),
    "what is spent beyond the grant is forgiven": ("level - (newly - covered) * d, math", "0, math"),
    "a need is granted in part": (
        "size = must\n        ahead, charged",
        "size = math.floor(must / 2)\n        ahead, charged",
    ),
    "a class gets more than it wants": ("if #still == #open then", "if taken == 0 then"),
    "a clock that was set back is not noticed": ("or stepped_us > STEP_US then\n", "then\n"),
}


@pytest.mark.parametrize("mutation", RATE_MUTATIONS.values(), ids=RATE_MUTATIONS)
def test_a_rate_script_that_breaks_a_rule_is_found(mutation: tuple[str, str], server: redis.Redis) -> None:
    script_of("rate", mutation)

    with pytest.raises(AssertionError):
        play(RateMachine, server, mutation, settings=ENOUGH)


SLOT_MUTATIONS = {
    "the sequence is not checked": ("if seq <= S then", "if false then"),
    "another server is taken for the same": ("pool[1] ~= boot or", "not pool[1] or"),
    "open streams of a forgotten lease are not counted": ("if open > Q then Q = open end", ""),
    "what is leased is not subtracted": ("entitlements(), slots - outstanding", "entitlements(), slots - Q"),
    "what others wait for is taken": ("math.max(math.min(left, own), left - owed)", "left"),
    "a clock that was set back is not noticed": ("or stepped_us > STEP_US then\n", "then\n"),
    "a long silence is not noticed": ("now - heard_at > SILENCE_US", "false"),
}


@pytest.mark.parametrize("mutation", SLOT_MUTATIONS.values(), ids=SLOT_MUTATIONS)
def test_a_slots_script_that_breaks_a_rule_is_found(mutation: tuple[str, str], server: redis.Redis) -> None:
    script_of("slots", mutation)

    with pytest.raises(AssertionError):
        play(SlotMachine, server, mutation, settings=ENOUGH)
