"""Tally: what happened at vendors since the controller last acknowledged a report, counted until it does."""

from collections.abc import Callable, Iterable
from typing import Final

from voicegateway.health.breaker import NS_PER_MS, Observed
from voicegateway_shared.health import RETRY_AFTER_MS_MAX, TTFB_BUCKETS, ttfb_bucket
from voicegateway_shared.wire import HealthTarget, Observation
from voicegateway_shared.wire.routing import OBSERVED_MAX

URGENT_GAP_MS: Final = 100
"""Between two reports that cannot wait, however much fails; one that is not taken is said again later and later."""
CALM_GAP_MS: Final = 2_000
"""What went well is told as often as presence is, in the same message; what is not taken is repeated no less often."""
OFFER_GAP_MS: Final = 1_000
"""Between two offers to probe."""
REPEATS_MAX: Final = 5
OLD_MS: Final = 10_000
"""What could not be told for so long is no news: the fleet would take yesterday's outage for today's."""


class _Counts:
    """Of one target, since the last report."""

    __slots__ = ("failed", "is_probe", "limited", "ok", "retry_after_ms", "timed_out", "ttfb", "unauthorized")

    def __init__(self) -> None:
        self.ok = self.failed = self.timed_out = self.limited = self.unauthorized = self.retry_after_ms = 0
        self.is_probe = False
        self.ttfb: list[int] | None = None

    def observation(self, target: HealthTarget) -> Observation:
        return Observation(
            target=target,
            ok=self.ok,
            failed=self.failed,
            timed_out=self.timed_out,
            limited=self.limited,
            unauthorized=self.unauthorized,
            retry_after_ms=self.retry_after_ms,
            ttfb_counts=tuple((index, count) for index, count in enumerate(self.ttfb or ()) if count),
            is_probe=self.is_probe,
        )


class Tally:
    """Guarded by its book's lock. Lives as long as the book."""

    def __init__(self, on_due: Callable[[], None], *, now_ns: Callable[[], int]) -> None:
        self._on_due, self._now_ns = on_due, now_ns
        self._counts: dict[HealthTarget, _Counts] = {}
        self._since_ns = 0
        self._is_urgent = False
        self._spoke_ns = 0
        self._offered_ns = 0
        self._number = 0
        self._sent: tuple[Observation, ...] = ()
        self._sent_ns = 0
        self._is_failed = False
        self._repeats = 0
        """Since a report was taken."""

    def count(
        self,
        target: HealthTarget,
        outcome: Observed | None,
        *,
        ttfb_ns: int = -1,
        retry_after_ms: int = 0,
        is_probe: bool = False,
    ) -> None:
        """Count one attempt, or none but that it was a probe; targets beyond the bound are not told."""
        counts = self._counts.get(target)
        if counts is None:
            if len(self._counts) >= OBSERVED_MAX or is_of_this_host(target):
                return
            if not self._counts:
                self._since_ns = self._now_ns()
            counts = self._counts[target] = _Counts()
        counts.is_probe |= is_probe
        if outcome == "ok":
            counts.ok += 1
            if ttfb_ns >= 0:
                if counts.ttfb is None:
                    counts.ttfb = [0] * TTFB_BUCKETS
                counts.ttfb[ttfb_bucket(ttfb_ns // NS_PER_MS)] += 1
        elif outcome is not None:
            setattr(counts, outcome, getattr(counts, outcome) + 1)
            counts.retry_after_ms = max(counts.retry_after_ms, min(retry_after_ms, RETRY_AFTER_MS_MAX))

    def urge(self) -> None:
        """Tell the fleet as soon as may be. Called without the lock: it wakes the syncer."""
        self._is_urgent = True
        self._on_due()

    def holds(self, target: HealthTarget) -> bool:
        """Whether the fleet may not have heard all that was counted of a target."""
        return target in self._counts or any(each.target == target for each in self._sent)

    def due_ns(self, offers_ns: int | None) -> int | None:
        """When the next report should leave."""
        due: list[int] = []
        if self._sent and self._is_failed:
            gap_ms = min(URGENT_GAP_MS * 2**self._repeats, CALM_GAP_MS)
            due.append(self._spoke_ns + gap_ms * NS_PER_MS)
        elif self._is_urgent:
            due.append(self._spoke_ns + URGENT_GAP_MS * NS_PER_MS)
        elif self._counts:
            due.append(self._since_ns + CALM_GAP_MS * NS_PER_MS)
        if offers_ns is not None:
            due.append(max(offers_ns, self._offered_ns + OFFER_GAP_MS * NS_PER_MS))
        return min(due, default=None)

    def report(self, offered: Iterable[HealthTarget]) -> tuple[int, tuple[Observation, ...]]:
        """Return what to tell now: again what was not acknowledged, else what was counted, and offers to probe."""
        now_ns = self._now_ns()
        self._spoke_ns = self._offered_ns = now_ns
        self._is_failed = False
        if self._sent and now_ns - self._sent_ns <= OLD_MS * NS_PER_MS:
            self._repeats = min(self._repeats + 1, REPEATS_MAX)
            return self._number, self._sent
        self._is_urgent = False
        if self._counts and now_ns - self._since_ns > OLD_MS * NS_PER_MS:
            self._counts.clear()
        told = [counts.observation(target) for target, counts in self._counts.items()]
        told += [Observation(target=target) for target in offered if target not in self._counts]
        self._counts = {}
        self._sent, self._sent_ns = tuple(told[:OBSERVED_MAX]), now_ns
        if not self._sent:
            return 0, ()
        self._number += 1
        return self._number, self._sent

    def acknowledged(self, number: int) -> None:
        """The controller has taken a report; one that it has not is said again."""
        if number and number == self._number:
            self._sent, self._repeats = (), 0
        else:
            self._is_failed = bool(self._sent)

    def failed(self) -> None:
        """Nobody answered."""
        self._is_failed = True


def is_of_this_host(target: HealthTarget) -> bool:
    """Whether it is an engine beside us: how it is here says nothing of how it is at other hosts."""
    return target.region.partition(":")[0] == "localhost"
