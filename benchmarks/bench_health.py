"""What vendors' health costs: asking and telling the book, one sync with a report, one report's script.

`python -m benchmarks.bench_health` starts a Valkey of its own. Ratios are against a look-up in a dictionary, and a sync
message that says nothing of routing.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

from voicegateway.health.book import HealthBook
from voicegateway_controller.embedded import EmbeddedValkey
from voicegateway_controller.health.answering import RoutingAnswering
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.health.store import HealthStore
from voicegateway_controller.redis_client import open_redis
from voicegateway_shared.wire import HealthTarget, ModelHealth, Observation, RoutingAnswer, RoutingReport

TARGETS: Final = [HealthTarget(provider="openai", model=f"m{n}", modality="llm", account="k1") for n in range(24)]
ROUNDS: Final = 15
CALLS: Final = 20_000
MESSAGES: Final = 400


def each_us(call: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds of this thread's CPU per call, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(calls):
            call()
        rounds.append((time.thread_time() - began) / calls * 1e6)
    return median(rounds)


async def each_ms(call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds per call, one after the other, the median of some rounds."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(MESSAGES):
            await call()
        rounds.append((time.perf_counter() - began) / MESSAGES * 1e3)
    return median(rounds)


def of_the_book() -> None:
    """Print what a request pays in its worker."""
    book, target = HealthBook(), TARGETS[0]
    book.told_to(lambda: None)
    times = tuple(ModelHealth(target=each, ttfb_p50_ms=251, ttfb_p95_ms=501, samples=40) for each in TARGETS)
    book.answered(RoutingAnswer(health_version=1, health=times), sent_ns=time.monotonic_ns())
    known = {target: 1}
    lookup = each_us(lambda: known.get(target))
    well = each_us(lambda: book.state(target))
    told = each_us(lambda: book.observe(target, outcome="ok", ttfb_ns=300_000_000))
    print(f"a look-up in a dictionary  {lookup:6.2f} µs")
    print(f"state(), all is well       {well:6.2f} µs   {well / lookup:4.1f} x")
    print(f"observe() of a success     {told:6.2f} µs   {told / lookup:4.1f} x")
    book.observe(TARGETS[1], outcome="limited")
    ill = each_us(lambda: book.state(target), CALLS // 10)
    print(f"state(), another is open   {ill:6.2f} µs   {ill / lookup:4.1f} x")


class _Nothing:
    """Nothing is switched off, and nobody is asked."""

    async def read(self) -> Any:
        raise NotImplementedError


async def of_the_controller() -> None:
    """Print what a message pays at the controller."""
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedValkey(Path(home) / "valkey", durable=False)
        await server.start()
        redis = open_redis(server.url)
        store = HealthStore(redis)
        switching: Any = _Nothing()
        board = HealthBoard(store, switching)
        answering, numbers = RoutingAnswering(board), iter(range(1, 1_000_000))
        all_of_them = tuple(Observation(target=each, ok=20, ttfb_counts=((20, 20),)) for each in TARGETS)
        await answering.answer("w0", RoutingReport(number=1, observations=all_of_them), allows=lambda _: True)
        version, _ = board.told("w1", -1)

        async def says(number: int, observations: tuple[Observation, ...], known: int) -> None:
            report = RoutingReport(health_version=known, number=number, observations=observations)
            await answering.answer("w1", report, allows=lambda _: True)

        ping = await each_ms(redis.ping)
        quiet = await each_ms(lambda: says(0, (), version))
        news = await each_ms(lambda: says(0, (), -1))
        one = await each_ms(lambda: says(next(numbers), all_of_them[:1], version))
        ten = await each_ms(lambda: says(next(numbers), all_of_them[:10], version))
        print(f"a PING of Redis                            {ping:6.3f} ms")
        print(f"a message without news, nothing to report  {quiet:6.3f} ms   {quiet / ping:5.2f} x")
        print(f"{len(TARGETS)} targets told anew                       {news:6.3f} ms   {news / ping:5.2f} x")
        print(f"a report of 1 target                       {one:6.3f} ms   {one / ping:5.2f} x")
        print(f"a report of 10 targets                     {ten:6.3f} ms   {ten / ping:5.2f} x")
        await redis.aclose()
        await server.stop()


if __name__ == "__main__":
    of_the_book()
    asyncio.run(of_the_controller())
