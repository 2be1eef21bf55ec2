"""Health book: whom this process had better not ask just now, by what it saw itself and what the fleet says.

Of the two words the worse counts, but for this: when the fleet calls closed what we found broken, and has heard of it,
it is right after `HOLD_MS`. While the fleet is heard, one process in all of it probes a vendor that is to be tried
again; without it each process does so for itself, one request at a time.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from voicegateway.health.breaker import HOLD_MS, NS_PER_MS, PROBE_MS, Breaker, Observed
from voicegateway.health.state import WELL, Health
from voicegateway.health.tally import Tally
from voicegateway.limits.lease import boot_ns
from voicegateway_shared.health import account_of
from voicegateway_shared.wire import HealthTarget, ModelHealth, Observation, RoutingAnswer
from voicegateway_shared.wire.routing import HEALTH_MAX, BreakerCause, BreakerState

BREAKERS_MAX: Final = 256
"""Targets in trouble at one process; a job process has a handful of targets in all."""
WANTED_MAX: Final = 64
STALE_MS: Final = 10_000
"""After so long a silence of the fleet a process probes for itself."""
WANTED_MS: Final = 30_000
"""For so long after it was last wanted a process offers to probe a vendor."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What the fleet said of one target, and from when its times count."""

    told: ModelHealth
    sent_ns: int

    @property
    def until_ns(self) -> int:
        return self.sent_ns + self.told.retry_ms * NS_PER_MS

    def is_lifted(self, now_ns: int) -> bool:
        """Whether it was disabled for a time that is over."""
        return self.told.cause == "disabled" and self.told.retry_ms > 0 and now_ns >= self.until_ns


_Verdict = tuple[int, BreakerState, BreakerCause, int]
"""How bad, what, why, and until when (0: not known)."""
_CLOSED: Final[_Verdict] = (0, "closed", "", 0)


class HealthBook:
    """Asked and told on event loops; told and emptied by the syncer's thread. Lives as long as its runtime."""

    def __init__(self, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._breakers: dict[HealthTarget, Breaker] = {}
        self._words: dict[HealthTarget, _Word] = {}
        self._times: dict[HealthTarget, Health] = {}
        self._wanted: dict[HealthTarget, int] = {}
        self._heard_ns = 0
        self._tally: Tally | None = None
        self.version = -1
        """Of the fleet's word; -1 before the first."""
        self.is_all_well = True
        """Nothing is open, disabled or slower than it was: nothing need be asked before a request."""

    def told_to(self, on_due: Callable[[], None]) -> None:
        """From now on keep what is to be told to a controller, and ring when it should be soon."""
        self._tally = Tally(on_due, now_ns=self._now_ns)

    def state(self, target: HealthTarget) -> Health:
        """Return what is known of a target, its account and its vendor. One look-up when all is well."""
        if self.is_all_well:
            return self._times.get(target, WELL)
        with self._lock:
            return self._state(target, self._now_ns())

    def began(self, target: HealthTarget) -> None:
        """An attempt begins; where it is a probe, no other goes until it has ended, or for `PROBE_MS`."""
        if self.is_all_well:
            return
        with self._lock:
            now_ns = self._now_ns()
            for each in (target, account_of(target)):
                if self._verdict(each, now_ns)[1] == "half_open":
                    self._breaker(each, now_ns).probing_ns = now_ns + PROBE_MS * NS_PER_MS

    def observe(self, target: HealthTarget, *, outcome: Observed, ttfb_ns: int = -1, retry_after_ms: int = 0) -> None:
        """Note how an attempt went. `unauthorized` is about the target's whole account."""
        with self._lock:
            if outcome == "ok":
                is_urgent = self._went_well(target, ttfb_ns)
            else:
                target = account_of(target) if outcome == "unauthorized" else target
                now_ns = self._now_ns()
                self._breaker(target, now_ns).trouble(outcome, now_ns, retry_after_ms=retry_after_ms)
                self._look_again()
                is_urgent = self._tally is not None
                if self._tally is not None:
                    self._tally.count(target, outcome, retry_after_ms=retry_after_ms)
        if is_urgent and self._tally is not None:
            self._tally.urge()

    def due_ns(self) -> int | None:
        """When something should be told: failures at once, offers to probe when a probe is due, the rest in a while."""
        with self._lock:
            if self._tally is None:
                return None
            return self._tally.due_ns(self._offers_ns(self._now_ns()))

    def report(self) -> tuple[int, tuple[Observation, ...]]:
        """Return the number and the observations of the report to send now; (0, ()) when there is nothing to tell."""
        with self._lock:
            if self._tally is None:
                return 0, ()
            now_ns = self._now_ns()
            due = [each for each, at_ns in self._offered(now_ns) if at_ns <= now_ns]
            return self._tally.report(due)

    def failed(self) -> None:
        """The report did not arrive, as far as we know: it is said again."""
        with self._lock:
            if self._tally is not None:
                self._tally.failed()

    def answered(self, answer: RoutingAnswer, *, sent_ns: int) -> None:
        """Take the fleet's word; its times count from `sent_ns`."""
        with self._lock:
            self._heard_ns = max(self._heard_ns, sent_ns)
            if self._tally is not None:
                self._tally.acknowledged(answer.number)
            if answer.health is not None:
                self.version = answer.health_version
                self._take(answer.health, sent_ns)
            self._close_what_the_fleet_closed(sent_ns)
            self._look_again()

    def tick(self) -> None:
        """Forget what is over: what was disabled for a while, troubles of long ago."""
        if self.is_all_well and not self._breakers:
            return
        with self._lock:
            self._look_again()

    def _went_well(self, target: HealthTarget, ttfb_ns: int) -> bool:
        """Note a success; say whether the fleet should hear of it at once, because it is news."""
        tally = self._tally
        if tally is not None:
            tally.count(target, "ok", ttfb_ns=ttfb_ns)
        if self.is_all_well and not self._breakers:
            return False
        now_ns, is_news = self._now_ns(), False
        for each in (target, account_of(target)):
            breaker = self._breakers.get(each)
            if breaker is not None:
                breaker.ok(now_ns)
                breaker.probing_ns = 0
            word = self._words.get(each)
            if word is not None and word.told.state != "closed":
                is_news = is_news or word.told.is_prober
                if tally is not None and (each is not target or word.told.is_prober):
                    tally.count(each, None if each is target else "ok", is_probe=word.told.is_prober)
        self._look_again()
        return is_news

    def _state(self, target: HealthTarget, now_ns: int) -> Health:
        whole = HealthTarget(provider=target.provider)
        verdicts = (
            self._verdict(target, now_ns),
            self._verdict(account_of(target), now_ns),
            self._disabled(HealthTarget(provider=target.provider, model=target.model), now_ns),
            self._disabled(whole, now_ns),
        )
        severity, state, cause, until_ns = max(verdicts)
        if severity and cause != "disabled":
            self._want(target, now_ns)
        word = self._words.get(target)
        times = self._times.get(target, WELL)
        return Health(
            state=state,
            cause=cause,
            retry_ms=max(0, -(-(until_ns - now_ns) // NS_PER_MS)),
            is_degraded=word is not None and word.told.is_degraded,
            ttfb_p50_ms=times.ttfb_p50_ms,
            ttfb_p95_ms=times.ttfb_p95_ms,
        )

    def _verdict(self, target: HealthTarget, now_ns: int) -> _Verdict:
        """The worse of what we saw and what the fleet says."""
        own, word = self._breakers.get(target), self._words.get(target)
        fleets = _CLOSED if word is None else self._fleets(word, own, now_ns)
        if own is None or own.is_closed:
            return fleets
        if word is not None and word.told.is_prober and word.sent_ns > own.trouble_ns:
            return fleets
        state = own.state(now_ns)
        return max(fleets, (2 if state == "open" else 1, state, own.cause, max(own.until_ns, own.probing_ns)))

    def _fleets(self, word: _Word, own: Breaker | None, now_ns: int) -> _Verdict:
        told = word.told
        if told.state == "closed" or word.is_lifted(now_ns):
            return _CLOSED
        if told.cause == "disabled":
            return 3, "open", "disabled", word.until_ns if told.retry_ms else 0
        if told.state == "open" and now_ns < word.until_ns:
            return 2, "open", told.cause, word.until_ns
        is_ours = (told.is_prober and now_ns < word.until_ns) or self._is_stale(now_ns)
        probing_ns = 0 if own is None else own.probing_ns
        if is_ours and now_ns >= probing_ns:
            return 1, "half_open", told.cause, 0
        return 2, "open", told.cause, probing_ns

    def _disabled(self, target: HealthTarget, now_ns: int) -> _Verdict:
        word = self._words.get(target)
        return _CLOSED if word is None or word.told.cause != "disabled" else self._fleets(word, None, now_ns)

    def _is_stale(self, now_ns: int) -> bool:
        return now_ns - self._heard_ns > STALE_MS * NS_PER_MS

    def _want(self, target: HealthTarget, now_ns: int) -> None:
        """Somebody would have asked it: the fleet hears that we would probe it."""
        for each in (target, account_of(target)):
            word = self._words.get(each)
            is_ill = word is not None and word.told.state != "closed" and word.told.cause != "disabled"
            if is_ill and (len(self._wanted) < WANTED_MAX or each in self._wanted):
                self._wanted[each] = now_ns

    def _offered(self, now_ns: int) -> Iterable[tuple[HealthTarget, int]]:
        """What we would probe, and from when on the fleet may let us."""
        for target, wanted_ns in self._wanted.items():
            word = self._words.get(target)
            is_wanted = now_ns - wanted_ns <= WANTED_MS * NS_PER_MS
            if not is_wanted or word is None or word.told.state == "closed":
                continue
            # Who let its turn pass leaves the next one to others, until it would use it again.
            if not word.told.is_prober or wanted_ns >= word.until_ns:
                yield target, word.until_ns

    def _offers_ns(self, now_ns: int) -> int | None:
        return min((at_ns for _, at_ns in self._offered(now_ns)), default=None)

    def _take(self, told: Sequence[ModelHealth], sent_ns: int) -> None:
        words = {each.target: _Word(each, sent_ns) for each in told[:HEALTH_MAX]}
        for target, word in words.items():
            own, before = self._breakers.get(target), self._words.get(target)
            if own is not None and word.told.is_prober and (before is None or not before.told.is_prober):
                # A turn of its own: it does not wait for what we sent before.
                own.probing_ns = 0
        self._words = words
        self._times = {
            target: Health(ttfb_p50_ms=word.told.ttfb_p50_ms, ttfb_p95_ms=word.told.ttfb_p95_ms)
            for target, word in words.items()
            if word.told.samples
        }
        self._wanted = {each: at_ns for each, at_ns in self._wanted.items() if each in words}

    def _close_what_the_fleet_closed(self, sent_ns: int) -> None:
        for target, own in self._breakers.items():
            word = self._words.get(target)
            is_closed_there = word is None or word.told.state == "closed"
            is_heard = self._tally is None or not self._tally.holds(target)
            is_later = sent_ns > own.trouble_ns + HOLD_MS * NS_PER_MS
            if not own.is_closed and is_closed_there and is_heard and is_later:
                own.close()

    def _look_again(self) -> None:
        now_ns = self._now_ns()
        self._breakers = {each: own for each, own in self._breakers.items() if not own.is_forgotten(now_ns)}
        self.is_all_well = all(own.is_closed for own in self._breakers.values()) and all(
            (word.told.state == "closed" or word.is_lifted(now_ns)) and not word.told.is_degraded
            for word in self._words.values()
        )

    def _breaker(self, target: HealthTarget, now_ns: int) -> Breaker:
        found = self._breakers.get(target)
        if found is None:
            if len(self._breakers) >= BREAKERS_MAX:
                del self._breakers[min(self._breakers, key=lambda each: self._breakers[each].trouble_ns)]
            # It has never failed: its first failure begins a row.
            found = self._breakers[target] = Breaker(trouble_ns=now_ns)
        return found
