"""Windows of declared budgets at an instant: the open one, the next, those before. Pure; the caller has the clock."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from voicegateway_shared.budgets import BudgetSpec, Window, WindowKind, window_at
from voicegateway_shared.wire.money import BudgetPool, pool_id

KEEP_AFTER_END: Final = timedelta(days=3)
"""How long a window's keys outlive it: late spans and slow holders still settle there."""
KEEP_ENDLESS: Final = timedelta(days=90)
"""How long the keys of a window that never ends outlive their last use; the ledger opens it again."""
PAST_WINDOWS: Final = 2
"""Windows back that are still heard: a request that was admitted in one may end in the one after the next."""
WINDOWS_REMEMBERED: Final = 1_024
"""Five hundred budgets are looked at together, at the same instant, and most of them share their zone and window: one
by one they would hold up every lease for a tenth of a second whenever an hour begins."""
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWindow:
    """One window of one budget. A rolling day is one window without an end, and so is `total`."""

    spec: BudgetSpec
    window: Window
    is_past: bool = False
    """True after its end: what was used there is heard, and nothing more is granted."""

    @property
    def pool(self) -> str:
        """The pool's id."""
        return pool_id(self.spec.id, self.window.id)

    @property
    def is_rolling(self) -> bool:
        """True where the pool forgets by itself what is older than a day."""
        return self.spec.window == "rolling_24h"

    def live_ms(self, now: datetime) -> int:
        """Return how long from now on the pool's keys are kept."""
        keep = KEEP_ENDLESS if self.window.end is None else self.window.end - now + KEEP_AFTER_END
        return max(60_000, keep // timedelta(milliseconds=1))


def open_window(spec: BudgetSpec, now: datetime) -> OpenWindow:
    """Return the window that is open; a budget per session has none that anybody shares."""
    return OpenWindow(spec=spec, window=_window(spec, now))


def next_window(spec: BudgetSpec, now: datetime) -> OpenWindow | None:
    """Return the window after the open one, if that one ends."""
    end = _window(spec, now).end
    return None if end is None else OpenWindow(spec=spec, window=_window(spec, end))


def window_before(spec: BudgetSpec, now: datetime, *, within: timedelta) -> OpenWindow | None:
    """Return the window that ended before the open one began, if that was no longer ago than so much."""
    start = _window(spec, now).start
    if start is None or now - start >= within:
        return None
    return OpenWindow(spec=spec, window=_window(spec, start - _INSTANT), is_past=True)


def windows_heard(spec: BudgetSpec, now: datetime) -> list[OpenWindow]:
    """Return the windows that claims may be about: the open one, the next, and a few that are over."""
    if spec.window == "session":
        return []
    found = [open_window(spec, now)]
    if (following := next_window(spec, now)) is not None:
        # Another replica's clock may be ahead.
        found.append(following)
    start = found[0].window.start
    for _ in range(PAST_WINDOWS):
        if start is None:
            break
        past = _window(spec, start - _INSTANT)
        found.append(OpenWindow(spec=spec, window=past, is_past=True))
        start = past.start
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWindows:
    """All that is open of one revision, until the first of the windows ends."""

    revision: int
    specs: Sequence[BudgetSpec]
    tag: str
    """Changes with the revision and whenever a window ends."""
    ends_at: datetime | None
    by_pool: Mapping[str, OpenWindow]
    """Every window that claims may be about."""
    current: tuple[OpenWindow, ...]
    """The open windows, of the budgets that are shared."""
    told: Mapping[str, tuple[Window, Window | None]]
    """By budget: the open window and the next. Fleets ask for them all at once when one ends."""

    def holds_at(self, now: datetime) -> bool:
        """Say whether no window has ended since."""
        return self.ends_at is None or now < self.ends_at

    def tell(self, spec: BudgetSpec, now: datetime) -> BudgetPool:
        """Return one of the budgets as a holder hears of it."""
        if spec.id not in self.told:
            return BudgetPool(spec=spec, window_id="")
        window, following = self.told[spec.id]
        return BudgetPool(
            spec=spec,
            window_id=window.id,
            ends_in_ms=_ms(window.end, now),
            next_window_id="" if following is None else following.id,
            next_ends_in_ms=0 if following is None else _ms(following.end, now),
        )


def open_windows(specs: Sequence[BudgetSpec], now: datetime, *, revision: int) -> OpenWindows:
    """Return what is open now."""
    by_pool: dict[str, OpenWindow] = {}
    told: dict[str, tuple[Window, Window | None]] = {}
    for spec in specs:
        if spec.window == "session":
            continue
        following = next_window(spec, now)
        told[spec.id] = (open_window(spec, now).window, None if following is None else following.window)
        by_pool |= {each.pool: each for each in windows_heard(spec, now)}
    ends = [window.end for window, _ in told.values() if window.end is not None]
    ids = "|".join(f"{budget}@{window.id}" for budget, (window, _) in told.items())
    return OpenWindows(
        revision=revision,
        specs=specs,
        tag=f"{revision}-{zlib.crc32(ids.encode()):08x}",
        ends_at=min(ends, default=None),
        by_pool=by_pool,
        current=tuple(by_pool[pool_id(budget, window.id)] for budget, (window, _) in told.items()),
        told=told,
    )


def _window(spec: BudgetSpec, now: datetime) -> Window:
    return _window_of(spec.window, spec.zone, now)


@lru_cache(maxsize=WINDOWS_REMEMBERED)
def _window_of(kind: WindowKind, zone: str, now: datetime) -> Window:
    if kind == "rolling_24h":
        return Window(id="rolling_24h")
    return window_at(kind, now, zone=UTC if zone == "UTC" else ZoneInfo(zone))


def _ms(end: datetime | None, now: datetime) -> int:
    """Milliseconds until an end, at least one, for 0 says never."""
    return 0 if end is None else max(1, (end - now) // timedelta(milliseconds=1))
