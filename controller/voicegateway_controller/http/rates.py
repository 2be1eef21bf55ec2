"""How often somebody may ask: a bucket for each, in this process's memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

BURST_S: Final = 10.0
"""A page of the dashboard asks a dozen things at once and is then quiet."""
CALLERS_MAX: Final = 20_000
"""Buckets kept, some 2 MiB; the one that asked longest ago is forgotten, which costs it nothing but its past."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bucket says of one request."""

    is_allowed: bool
    limit: int
    """Requests that fit into a full bucket."""
    remaining: int
    reset_s: int
    """Until the bucket is full again; when refused, until one more fits."""


class Rates:
    """Buckets that fill at one rate, one for each caller; lives as long as the process. One event loop only."""

    def __init__(self, per_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`per_s` above 0."""
        self._interval_s = 1.0 / per_s
        self._limit = max(1, math.floor(per_s * BURST_S))
        self._depth_s = self._limit * self._interval_s
        self._monotonic = monotonic
        # For each caller when its bucket will be full again: all there is to know (the generic cell rate algorithm).
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, caller: Hashable) -> Verdict:
        """Take one request out of a caller's bucket, if it is there."""
        now = self._monotonic()
        full_at = max(now, self._full_at.get(caller, now)) + self._interval_s
        over_s = full_at - now - self._depth_s
        if over_s > 1e-9:
            return Verdict(False, self._limit, 0, max(1, math.ceil(over_s)))
        self._full_at[caller] = full_at
        self._full_at.move_to_end(caller)
        if len(self._full_at) > CALLERS_MAX:
            self._full_at.popitem(last=False)
        remaining = math.floor((self._depth_s - (full_at - now)) / self._interval_s + 1e-9)
        return Verdict(True, self._limit, remaining, math.ceil(full_at - now))
