"""Health of vendors: what workers and controllers must agree about. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from voicegateway_shared.wire.routing import TTFB_BOUNDS_MS, BreakerCause, HealthTarget

RETRY_AFTER_MS_MAX: Final = 300_000
"""A vendor that asks for more, or a worker that lies, keeps nobody away for longer than this."""
OPEN_FIRST_MS: Final = 1_000
OPEN_MS_MAX: Final = 60_000
"""A vendor that is back is asked within a minute, whatever it did before."""
KEY_OPEN_FIRST_MS: Final = 10_000
KEY_OPEN_MS_MAX: Final = 300_000
"""A refused key is mended by a person."""
_DOUBLINGS_MAX: Final = 16

TTFB_BEYOND_MS: Final = 39_811
"""Stands for every time that is above the last bound."""
TTFB_BUCKETS: Final = len(TTFB_BOUNDS_MS) + 1


def account_of(target: HealthTarget) -> HealthTarget:
    """The account that a model is reached with."""
    return HealthTarget(provider=target.provider, account=target.account, region=target.region)


def open_ms(cause: BreakerCause, openings: int, retry_after_ms: int = 0) -> int:
    """How long a breaker stays open the `openings`-th time in a row: as its vendor said, else doubled each time."""
    if retry_after_ms > 0:
        return min(retry_after_ms, RETRY_AFTER_MS_MAX)
    is_key = cause == "unauthorized"
    first, most = (KEY_OPEN_FIRST_MS, KEY_OPEN_MS_MAX) if is_key else (OPEN_FIRST_MS, OPEN_MS_MAX)
    doublings: int = min(max(openings, 1) - 1, _DOUBLINGS_MAX)
    return min(most, first << doublings)


def ttfb_bucket(ms: int) -> int:
    """Where a time to first byte is counted."""
    return bisect_left(TTFB_BOUNDS_MS, ms)


def percentile_ms(counts: Sequence[int], permille: int) -> int:
    """The nearest-rank percentile, as the upper bound of its bucket; 0 of nothing."""
    total = sum(counts)
    if not total:
        return 0
    rank = max(1, -(-total * permille // 1_000))
    for index, count in enumerate(counts):
        rank -= count
        if rank <= 0:
            return TTFB_BOUNDS_MS[index] if index < len(TTFB_BOUNDS_MS) else TTFB_BEYOND_MS
    return TTFB_BEYOND_MS
