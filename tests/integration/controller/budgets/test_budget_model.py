"""The budgets' scripts do what the specification says, whatever they are told; and a script that does not is found."""

from collections.abc import Iterator
from functools import partial
from typing import cast

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fixtures.budget_machine import MoneyMachine, Mutation, budget_script
from tests.fixtures.services import TestServices

# The same examples in every run: a failure here is a change's, never chance's.
EXAMPLES = settings(
    derandomize=True, deadline=None, database=None, max_examples=100, stateful_step_count=40, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow], print_blob=False,
    report_multiple_bugs=False,
)  # fmt: skip
ENOUGH = settings(EXAMPLES, max_examples=3_000)
"""Of a broken script: the search ends with the first example that shows it."""


@pytest.fixture
def server(redis_url: str, services: TestServices) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def play(server: redis.Redis, mutation: Mutation | None, *, settings: settings) -> None:
    # Annotated for a class; it only calls it.
    factory = cast(type[MoneyMachine], partial(MoneyMachine, server, mutation))
    run_state_machine_as_test(factory, settings=settings)


def test_the_scripts_are_as_specified(server: redis.Redis) -> None:
    play(server, None, settings=EXAMPLES)


MUTATIONS: dict[str, Mutation] = {
    "the sequence is not checked": ("money", "if seq < holder.seq then", "if false then"),
    "an opening that comes late is heard": ("open", "if now < seen or now - seen > LATE_US then return 'late' end", ""),
    "what is open is opened again": ("open", "if load_pool() then return 'open' end", ""),
    "what the ledger had of a holder is counted twice": (
        "money",
        "holder = {granted = seed, used = seed,",
        "holder = {granted = 0, used = 0,",
    ),
    "who has no record is believed to have spent nothing before": (
        "money",
        "if not seed and used > 0 and",
        "if false and",
    ),
    "what is unknown is not kept": ("open", "unknown = tonumber(ARGV[4])", "unknown = 0"),
    "what is unknown is not counted": (
        "money",
        "pool.spent + pool.outstanding + pool.unknown",
        "pool.spent + pool.outstanding",
    ),
    "what is unknown is given away twice": (
        "money",
        "math.min(pool.unknown, math.max(0, granted - seed))",
        "math.min(pool.unknown, 2 * math.max(0, granted - seed))",
    ),
    "a lease that is adopted is not outstanding": (
        "money",
        "goes_by(pool, holder, math.max(kept, holder.used))",
        "holder.granted = math.max(kept, holder.used)",
    ),
    "a holder is released twice": (
        "release",
        "use(pool, holder, sum)\ngoes_by(pool, holder, holder.used)",
        "use(pool, holder, sum)\npool.outstanding = pool.outstanding - (holder.granted - holder.used)",
    ),
    "the living are released by what the ledger has so far": (
        "release",
        "if holder.kind == LIVING and not is_dead then return 0 end",
        "",
    ),
    "the ceiling is ignored": ("money", "local room = math.min(free, pool.ceiling - released)", "local room = free"),
    "another epoch's ceiling is heard": ("raise_ceiling", "pool.epoch ~= tonumber(ARGV[1])", "false"),
    "what the ledger shows is added to what is told": (
        "merge",
        "pool.ledger, pool.ledger_at = math.min(EXACT_MAX, tonumber(ARGV[1])), now",
        "charge(pool, math.max(0, tonumber(ARGV[1]) - pool.spent))",
    ),
    "what a rolling day forgot is released again": (
        "money",
        "local released = committed + pool.gone",
        "local released = committed",
    ),
    "a need is granted in part": ("money", "local grant = 0\n", "local grant = 0\n    must = math.floor(must / 2)\n"),
    "what is scarce is granted ahead": ("money", "if not is_scarce then\n", "if true then\n"),
    "another server is taken for the same": ("pool", "if values[1] ~= boot then", "if not values[1] then"),
    "a rolling day is shorter than a day": ("pool", "slice - SLICES_BACK then", "slice - SLICES_BACK + 1 then"),
    "what was spent beyond a grant is forgiven": (
        "pool",
        "charge(pool, used - holder.used)",
        "charge(pool, math.min(holder.granted, used) - holder.used)",
    ),
    "silence ends nothing": ("pool", "goes_by(pool, holder, holder.used)\n      holder.kind", "holder.kind"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_script_that_breaks_a_rule_is_found(mutation: Mutation, server: redis.Redis) -> None:
    budget_script(mutation[0] if mutation[0] != "pool" else "money", mutation)

    with pytest.raises(AssertionError):
        play(server, mutation, settings=ENOUGH)
