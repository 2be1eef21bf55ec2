"""How soon the next model serves when the first one is refused: VoiceGateway's routes against stock LiveKit.

    python -m benchmarks.bench_failover [--runs 10] [--part llm ...]

Real agent sessions and the real plugins against simulated vendors, whose first token, sound or transcript comes after
a known time; the cases of a part take turns, so that all see the same machine.
"""

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks.failover import llm, stt, tts
from livekit.agents import utils

Measure = Callable[[int], Awaitable[list[tuple[str, list[float]]]]]
PARTS: Final[dict[str, Measure]] = {"llm": llm.measure, "tts": tts.measure, "stt": stt.measure}


async def main(parts: list[str], runs: int) -> None:
    """Print one table for each part."""
    async with utils.http_context.open():
        for part in parts:
            print(f"\n{part + ', ms':<56} {'median':>8} {'worst':>8} {'silent':>7}")
            for label, seconds in await PARTS[part](runs):
                came = [each * 1_000 for each in seconds if each != float("inf")]
                numbers = f"{statistics.median(came):>8.0f} {max(came):>8.0f}" if came else f"{'-':>8} {'-':>8}"
                print(f"{label:<56} {numbers} {len(seconds) - len(came):>3}/{len(seconds)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--part", choices=list(PARTS), nargs="*", default=list(PARTS))
    given = parser.parse_args()
    asyncio.run(main(given.part, given.runs))
