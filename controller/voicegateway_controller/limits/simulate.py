"""Would a limit have held? Recorded requests replayed against one pool. Pure: no clock, no I/O.

The model is one bucket (or one set of slots) for the whole fleet with nothing lost to leases: what no real
arrangement can beat. A request is admitted at once, or in its turn after waiting at most `admit_wait_ms`, or refused.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from voicegateway_shared.limits import LimitMeter, PoolSpec, Target
from voicegateway_shared.limits.declaration import SLOTS_MAX, UNITS_MAX

MINUTE_MS: Final = 60_000
STREAM_STEPS_MAX: Final = 32
"""A stream's audio is spent in this many equal parts at most while it lasts."""
STREAM_STEP_MS: Final = 1_000
DIGITS: Final = 3
"""Leading digits of the smallest limit that are exact: beyond that the past says nothing about tomorrow."""


class Recorded(msgspec.Struct, frozen=True):
    """One request that happened."""

    target: Target
    start_ms: int
    """Since the Unix epoch."""
    duration_ms: int
    amounts: dict[LimitMeter, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What one pool would have made of the recorded requests."""

    matched: int
    at_once: int
    delayed: int
    refused: int
    delay_p50_ms: int
    delay_p95_ms: int
    """Of the delayed ones."""
    peak_per_min: int
    """Most units asked for in one calendar minute (UTC)."""
    peak_open: int
    """Most requests open at the same time."""
    first_refused_ms: int | None
    worst_minute_ms: int | None
    """The minute with most refusals, or where there are none the one with most demand."""
    worst_minute_refused: int
    smallest: int | None
    """Units per period, or slots, that would have refused nothing, with the burst as declared; 0 when nothing matched.
    None: too many came in the same instant for this burst, whatever the rate."""


@dataclass(frozen=True, slots=True)
class _Spend:
    """Units a request spends at one instant; only the first of them waits to be admitted."""

    at_ms: int
    units: int


def simulate(spec: PoolSpec, requests: Sequence[Recorded], *, admit_wait_ms: int) -> Simulated:
    """Replay requests, in the order of their starts, against a pool."""
    matched = [request for request in requests if spec.selector.matches(request.target)]
    matched = [request for request in matched if _units(spec, request) > 0]
    if not matched:
        return _nothing()
    delays = _replay(spec, matched, limit=spec.units or spec.slots, admit_wait_ms=admit_wait_ms)
    waited = sorted(delay for delay in delays if delay is not None and delay > 0)
    refused = [request.start_ms for request, delay in zip(matched, delays, strict=True) if delay is None]
    minutes = _demand_by_minute(spec, matched)
    refused_by_minute: dict[int, int] = {}
    for at_ms in refused:
        minute = at_ms // MINUTE_MS
        refused_by_minute[minute] = refused_by_minute.get(minute, 0) + 1
    worst = max(minutes, key=lambda minute: (refused_by_minute.get(minute, 0), minutes[minute], -minute))
    return Simulated(
        matched=len(matched),
        at_once=len(matched) - len(waited) - len(refused),
        delayed=len(waited),
        refused=len(refused),
        delay_p50_ms=_percentile(waited, 50),
        delay_p95_ms=_percentile(waited, 95),
        peak_per_min=max(minutes.values()),
        peak_open=_peak_open(matched),
        first_refused_ms=min(refused, default=None),
        worst_minute_ms=worst * MINUTE_MS,
        worst_minute_refused=refused_by_minute.get(worst, 0),
        smallest=_smallest(spec, matched, admit_wait_ms=admit_wait_ms),
    )


def _replay(
    spec: PoolSpec,
    requests: Sequence[Recorded],
    *,
    limit: int,
    admit_wait_ms: int,
    is_first_refusal_enough: bool = False,
) -> list[int | None]:
    """Return how long each request waited, None for a refused one; perhaps only up to the first refusal."""
    if spec.is_rate:
        return _through_bucket(
            spec, requests, units=limit, admit_wait_ms=admit_wait_ms, is_first_refusal_enough=is_first_refusal_enough
        )
    return _through_slots(
        requests, slots=limit, admit_wait_ms=admit_wait_ms, is_first_refusal_enough=is_first_refusal_enough
    )


def _through_bucket(
    spec: PoolSpec, requests: Sequence[Recorded], *, units: int, admit_wait_ms: int, is_first_refusal_enough: bool
) -> list[int | None]:
    """Whole numbers throughout: levels are counted in units × period_ms, of which `units` accrue per ms."""
    one, full = spec.period_ms, spec.burst * spec.period_ms
    level, at_ms = full, requests[0].start_ms
    delays: list[int | None] = []
    later: list[tuple[int, int]] = []  # What streams in progress spend: it is not asked for, and may become debt.
    for request in requests:
        while later and later[0][0] <= request.start_ms:
            spent_ms, spent = heapq.heappop(later)
            if spent_ms > at_ms:
                level, at_ms = min(full, level + units * (spent_ms - at_ms)), spent_ms
            level -= spent * one
        first, rest = _spends(spec, request)
        # The bucket's own time is ahead of the request's while others wait: first come, first served.
        if request.start_ms > at_ms:
            level, at_ms = min(full, level + units * (request.start_ms - at_ms)), request.start_ms
        needed = min(first.units, spec.burst) * one
        ready_ms = at_ms if level >= needed else at_ms - (level - needed) // units
        delay_ms = ready_ms - request.start_ms
        if delay_ms > admit_wait_ms:
            delays.append(None)
            if is_first_refusal_enough:
                return delays
            continue
        if ready_ms > at_ms:
            level, at_ms = min(full, level + units * (ready_ms - at_ms)), ready_ms
        level -= first.units * one
        delays.append(delay_ms)
        for spend in rest:
            heapq.heappush(later, (spend.at_ms + delay_ms, spend.units))
    return delays


def _through_slots(
    requests: Sequence[Recorded], *, slots: int, admit_wait_ms: int, is_first_refusal_enough: bool
) -> list[int | None]:
    delays: list[int | None] = []
    free: list[int] = []  # When each slot in use is free again; those that wait have theirs already: first come.
    for request in requests:
        is_spare = len(free) < slots
        ready_ms = request.start_ms if is_spare else max(request.start_ms, free[0])
        delay_ms = ready_ms - request.start_ms
        if delay_ms > admit_wait_ms:
            delays.append(None)
            if is_first_refusal_enough:
                return delays
            continue
        delays.append(delay_ms)
        if is_spare:
            heapq.heappush(free, ready_ms + max(1, request.duration_ms))
        else:
            heapq.heapreplace(free, ready_ms + max(1, request.duration_ms))
    return delays


def _smallest(spec: PoolSpec, requests: Sequence[Recorded], *, admit_wait_ms: int) -> int | None:
    """Search the least limit without a refusal: where one limit refuses nothing, no greater one does."""
    most = UNITS_MAX if spec.is_rate else SLOTS_MAX

    def holds(limit: int) -> bool:
        delays = _replay(spec, requests, limit=limit, admit_wait_ms=admit_wait_ms, is_first_refusal_enough=True)
        return delays[-1] is not None

    low, high = 0, 1
    while not holds(high):
        if high == most:
            return None
        low, high = high, min(high * 2, most)
    while high - low > max(1, high // 10**DIGITS):
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def _units(spec: PoolSpec, request: Recorded) -> int:
    return 1 if spec.meter == "slots" else request.amounts.get(spec.meter, 0)


def _spends(spec: PoolSpec, request: Recorded) -> tuple[_Spend, list[_Spend]]:
    """Return what is asked for at the start, and what a stream spends as it goes on, which nobody stops."""
    units = _units(spec, request)
    steps = min(STREAM_STEPS_MAX, request.duration_ms // STREAM_STEP_MS)
    if spec.meter != "audio_ms" or steps < 2:
        return _Spend(request.start_ms, units), []
    part, over = divmod(units, steps)
    step_ms = request.duration_ms // steps
    rest = [_Spend(request.start_ms + index * step_ms, part) for index in range(1, steps) if part]
    return _Spend(request.start_ms, part + over), rest


def _demand_by_minute(spec: PoolSpec, requests: Iterable[Recorded]) -> dict[int, int]:
    minutes: dict[int, int] = {}
    for request in requests:
        first, rest = _spends(spec, request)
        for spend in (first, *rest):
            minute = spend.at_ms // MINUTE_MS
            minutes[minute] = minutes.get(minute, 0) + spend.units
    return minutes


def _peak_open(requests: Iterable[Recorded]) -> int:
    peak = 0
    ends: list[int] = []
    for request in requests:
        while ends and ends[0] <= request.start_ms:
            heapq.heappop(ends)
        heapq.heappush(ends, request.start_ms + max(1, request.duration_ms))
        peak = max(peak, len(ends))
    return peak


def _percentile(values: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of sorted values, 0 of none."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else 0


def _nothing() -> Simulated:
    return Simulated(
        matched=0,
        at_once=0,
        delayed=0,
        refused=0,
        delay_p50_ms=0,
        delay_p95_ms=0,
        peak_per_min=0,
        peak_open=0,
        first_refused_ms=None,
        worst_minute_ms=None,
        worst_minute_refused=0,
        smallest=0,
    )
