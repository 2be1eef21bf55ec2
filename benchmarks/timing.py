"""Time of one call of something short: many calls in each of several rounds, with everything warm."""

import statistics
import time
from collections.abc import Callable


def us_per_call(call: Callable[[], object], *, rounds: int, calls: int) -> tuple[float, float]:
    """Return the median and the least of the rounds, in µs of one call."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        taken.append((time.perf_counter() - started) / calls * 1e6)
    return statistics.median(taken), min(taken)
