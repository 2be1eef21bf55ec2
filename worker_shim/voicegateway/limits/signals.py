"""Signals: what vendors said of their limits, waiting to be told to the fleet. Bounded, and not repeated."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from voicegateway.limits.vendor_headers import VendorLimit
from voicegateway_shared.limits import Target
from voicegateway_shared.wire.sync import SIGNALS_MAX, VendorSignal

REPEAT_S: Final = 30.0
"""A limit that is what it was is told again after this time, so that the fleet knows that it still holds."""
REMEMBERED_MAX: Final = 256
"""Targets × meters of a process; a job process has a handful."""


class Signals:
    """Filled on event loops, emptied by the syncer's thread. Lives as long as its runtime."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._waiting: deque[VendorSignal] = deque(maxlen=SIGNALS_MAX)
        self._seen: dict[Target, tuple[Hashable, float]] = {}
        self._told: dict[tuple[Target, str], tuple[int, float]] = {}
        self.on_urgent: Callable[[], None] = lambda: None
        """Rung when something should be told at once."""
        self.is_urgent = False

    def is_news(self, target: Target, told: Hashable) -> bool:
        """Whether it is worth reading what an answer told of limits: not if it is what the last one told, for a while.

        Reading costs ten times as much as asking, on the loop, for each answer of a vendor.
        """
        now_s = self._now_s()
        seen = self._seen.get(target)
        if seen is not None and seen[0] == told and now_s - seen[1] < REPEAT_S:
            return False
        if len(self._seen) >= REMEMBERED_MAX:
            self._seen.clear()
        self._seen[target] = (told, now_s)
        return True

    def limit(self, target: Target, seen: VendorLimit) -> None:
        """Note a limit, unless the same was noted within `REPEAT_S`."""
        key, now_s = (target, seen.meter), self._now_s()
        with self._lock:
            limit, at_s = self._told.get(key, (0, 0.0))
            if limit == seen.limit and now_s - at_s < REPEAT_S:
                return
            if len(self._told) >= REMEMBERED_MAX:
                self._told.clear()
            self._told[key] = (seen.limit, now_s)
            self._waiting.append(
                VendorSignal(
                    target=target,
                    kind="limit",
                    meter=seen.meter,
                    limit=seen.limit,
                    period_ms=seen.period_ms,
                    remaining=seen.remaining,
                    reset_ms=seen.reset_ms,
                    header=seen.header,
                )
            )

    def refused(self, target: Target, *, retry_after_ms: int, header: str = "") -> None:
        """Note that the vendor answered 429; told at once, because the whole fleet should stop."""
        signal = VendorSignal(target=target, kind="refused", retry_after_ms=retry_after_ms, header=header)
        with self._lock:
            self._waiting.append(signal)
            self.is_urgent = True
        self.on_urgent()

    def take(self) -> tuple[VendorSignal, ...]:
        """Return what waits, oldest first, and forget it."""
        with self._lock:
            taken = tuple(self._waiting)
            self._waiting.clear()
            self.is_urgent = False
            return taken

    def put_back(self, signals: Sequence[VendorSignal]) -> None:
        """Keep what could not be told; where room is short the newer ones win."""
        with self._lock:
            room = SIGNALS_MAX - len(self._waiting)
            kept = signals[len(signals) - room :] if room < len(signals) else signals
            self._waiting.extendleft(reversed(kept))
            self.is_urgent = any(signal.kind == "refused" for signal in self._waiting)
