"""Offered load: when one process of several asks, the same in every run. Imports nothing but the standard library."""

from collections.abc import Iterator
from random import Random

QUIET_S = (0.3, 1.0)
FLOOD_S = (0.1, 0.5)
QUIET_SHARE = 0.1
"""Of the limit is asked for between two floods: enough to open a window, too little to use it up."""


def steady(per_s: float, seconds: float, *, seed: int) -> Iterator[float]:
    """Yield moments in seconds from the start, as independent callers would come."""
    random = Random(seed)
    moment = random.expovariate(per_s)
    while moment < seconds:
        yield moment
        moment += random.expovariate(per_s)


def surges(limit_per_s: float, flood_per_s: float, seconds: float, *, seed: int, seed_of_all: int) -> Iterator[float]:
    """Yield moments of quiet and floods by turns, which `seed_of_all` sets alike for all processes."""
    phases, random = Random(seed_of_all), Random(seed)
    begin, is_flood = 0.0, False
    while begin < seconds:
        end = min(seconds, begin + phases.uniform(*(FLOOD_S if is_flood else QUIET_S)))
        per_s = flood_per_s if is_flood else QUIET_SHARE * limit_per_s
        moment = begin + random.expovariate(per_s)
        while moment < end:
            yield moment
            moment += random.expovariate(per_s)
        begin, is_flood = end, not is_flood
