"""A dollar with `block`, real processes and plugins: never overrun, and spent to its end; three books say the same.

What is spent is what the simulated vendor bills. A request costs a tenth of a cent to the nano-dollar: 188 tokens in at
5 dollars a million, 2 out at 30.
"""

import signal
import sys

import msgspec
from redis.asyncio import Redis
from tests.acceptance.budgets.conftest import MakeFleet
from tests.fixtures.budget_fleet import Books, BudgetFleet
from tests.fixtures.budget_fleet_worker import Calls

from voicegateway.testing.vendors import OpenAIOptions
from voicegateway_controller.embedded import EmbeddedValkey

PROCESSES = 8
CALLERS = 200
CENT = 10_000_000
OUTPUT_TOKEN = 30_000
TENTH_OF_A_CENT = Calls(callers=CALLERS, model="gpt-5.5", words=181, output_tokens_max=2)
END_S = 100.0
"""Only ends a broken run: workers stop when no more can be spent."""


async def spend(fleet: BudgetFleet, *calls: Calls, processes: int = PROCESSES) -> None:
    fleet.begin(in_s=1.5)
    for number in range(processes):
        await fleet.spend(f"w{number}", calls, end_s=END_S)


async def judged(fleet: BudgetFleet, *, is_killed: bool = False) -> Books:
    """Wait until nothing more can be spent and all is rated; print and return what the three books say."""
    await fleet.settled()
    run = await fleet.spent()
    books = await fleet.books(is_whole=_books_agree if is_killed else None)
    sys.stdout.write(f"\n  {run}\n  {books}\n")
    assert run.complaints == []
    if not is_killed:
        assert books.pool is not None
        assert (books.ledger, books.pool.spent, books.pool.outstanding) == (books.billed, books.billed, 0)
    return books


async def test_a_dollar_is_spent_by_eight_processes_and_not_a_nano_dollar_more(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.declare_budget()
        await spend(fleet, TENTH_OF_A_CENT)
        books = await judged(fleet)

    assert 99.5 * CENT <= books.billed <= 100 * CENT


async def test_of_a_dollar_one_request_of_64_cents_is_paid_and_small_ones_use_the_rest(make_fleet: MakeFleet) -> None:
    # 127,988 tokens in, 2 out.
    large = Calls(callers=4, model="gpt-5.5", words=127_981, output_tokens_max=2, requests_max=2, pause_s=0.2)
    async with make_fleet() as fleet:
        await fleet.declare_budget()
        await spend(fleet, large)
        await fleet.spent()
        of_large = fleet.billed()
        for number in range(PROCESSES // 2):
            await fleet.spend(f"small{number}", [TENTH_OF_A_CENT], end_s=END_S)
        books = await judged(fleet)

    assert of_large == 64 * CENT
    assert 99.5 * CENT <= books.billed <= 100 * CENT


async def test_answers_of_unknown_length_are_held_as_they_grow(make_fleet: MakeFleet) -> None:
    callers, longest = 6, 300
    long = OpenAIOptions(
        replies=tuple(" ".join(["word"] * length) for length in (20, 100, longest)), ttft_ms=100, token_ms=2
    )
    async with make_fleet(vendor=long) as fleet:
        await fleet.declare_budget(amount="0.40")
        await spend(fleet, Calls(callers=callers, model="gpt-5.5", words=10), processes=4)
        books = await judged(fleet)

    # A language model's answer that has begun is finished: what it grew beyond what was held is the stated epsilon.
    assert books.billed <= books.amount + 4 * callers * longest * OUTPUT_TOKEN
    assert books.used >= 0.9


async def test_flushed_killed_and_restarted_a_dollar_is_still_a_dollar(
    make_fleet: MakeFleet, valkey: EmbeddedValkey
) -> None:
    calls = msgspec.structs.replace(TENTH_OF_A_CENT, callers=CALLERS // 10)
    async with make_fleet() as fleet, Redis.from_url(valkey.url) as redis:
        await fleet.declare_budget()
        await spend(fleet, calls)
        await fleet.has_billed(20 * CENT)
        await redis.flushall()
        await fleet.workers["w0"].kill()
        # The slower the ledger, the more a Redis without memory keeps for the unheard.
        await fleet.has_billed_what_it_can(40 * CENT)
        for controller in fleet.controllers:
            await controller.restart(signal.SIGKILL)
        await fleet.spend("late", [calls], end_s=END_S)
        await fleet.has_billed_what_it_can(60 * CENT)
        await fleet.workers["w1"].kill()
        await redis.flushall()
        await fleet.has_billed_what_it_can(70 * CENT)
        await redis.flushall()
        books = await judged(fleet, is_killed=True)

    # Of requests whose process was killed only an estimate is known; the vendor may bill all that was held for them.
    assert books.billed <= 100 * CENT + 2 * calls.callers * CENT // 10
    assert books.pool is not None
    assert books.pool.spent == books.ledger
    # What is not spent is kept for ten minutes for holders that a Redis without memory might not have heard of yet.
    assert books.pool.spent + books.pool.unknown >= 99 * CENT


def _books_agree(books: Books) -> bool:
    """What the vendor billed the killed is in nobody's book."""
    return books.pool is not None and books.ledger == books.pool.spent
