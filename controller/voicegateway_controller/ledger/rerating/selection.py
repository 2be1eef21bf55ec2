"""Which requests a run is about, and by which prices: as asked, checked."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from voicegateway_controller.declared import refuse_odd_texts
from voicegateway_controller.errors import BadRequest

AHEAD: Final = timedelta(minutes=10)
"""Entries are at most five minutes ahead of us."""
REASON_CHARS_MAX: Final = 1_000
FIRST_DAY: Final = date(1, 1, 1)
LAST_DAY: Final = date(9999, 12, 31)
"""Clocks may be absurd: an entry's day is the one its worker believed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is re-rated; empty texts mean any. Bounds are instants of charging, the last one excluded."""

    provider: str = ""
    model: str = ""
    project: str = ""
    since: datetime | None = None
    until: datetime | None = None
    only_unrated: bool = False
    allow_unrated: bool = False
    """Whether a request that has a price may lose it: when a price was wrong and none replaces it."""
    allow_accepted: bool = False
    """Whether months may change whose invoice was accepted: the books are another sum than the invoice then."""
    as_of: datetime | None = None
    """By the prices as they were known then; None for now."""

    def check(self, reason: str, *, now: datetime) -> None:
        """Raise BadRequest with the reason when this cannot be meant."""
        for name in ("provider", "model", "project"):
            refuse_odd_texts(getattr(self, name), name)
        refuse_odd_texts(reason, "reason", text_chars_max=REASON_CHARS_MAX)
        if not reason.strip():
            raise BadRequest("reason: say why the past is rated anew; it stands beside every entry that is booked")
        if self.model and not self.provider:
            raise BadRequest("model: needs its provider beside it")
        for name in ("since", "until", "as_of"):
            at: datetime | None = getattr(self, name)
            if at is not None and at.tzinfo is None:
                raise BadRequest(f"{name}: write an instant with its zone, such as 2026-11-01T00:00:00Z")
        if self.since is not None and self.since >= (self.until or now + AHEAD):
            raise BadRequest("since: must be before until")
        if self.as_of is not None and self.as_of > now:
            raise BadRequest("as_of: nobody knows yet which prices will be known then")

    def bounds(self) -> tuple[date, date]:
        """Return the first and the last day that its requests ended on, clocks being right."""
        first = FIRST_DAY if self.since is None else self.since.astimezone(UTC).date()
        last = LAST_DAY if self.until is None else self.until.astimezone(UTC).date()
        return first, last


def stretches(first: date, last: date, strays: list[date]) -> list[date]:
    """Return first and last days in pairs: the bounds, and single days outside of them, in order."""
    pairs = sorted([(first, last), *((day, day) for day in strays if not first <= day <= last)])
    return [day for pair in pairs for day in pair]


def following(held: list[date], day: date) -> date | None:
    """Return where the next stretch begins after the one that holds a day; None after the last one."""
    return next((start for start in held[::2] if start > day), None)


def last_of(held: list[date], day: date) -> date:
    """Return the last day of the stretch that holds a day."""
    return next(end for start, end in zip(held[::2], held[1::2], strict=True) if start <= day <= end)
