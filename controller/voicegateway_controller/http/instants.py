"""Instants and months that callers send: what a person would write, and both Python and Postgres can reckon with."""

from datetime import MAXYEAR, MINYEAR, date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_MONTH_CHARS: Final = len("2026-10")


def _not_a_number(value: Any) -> Any:
    """Refuse what pydantic would read as seconds since 1970: `since=2026` means something else to a person."""
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        raise ValueError("write an instant such as 2026-11-21T00:00:00Z")
    return value


def _within_calendar(value: datetime) -> datetime:
    """Refuse the first and the last year: in UTC, or an hour later, they may lie beyond what can be written down."""
    if not MINYEAR < value.year < MAXYEAR:
        raise ValueError("write an instant between the years 2 and 9998")
    return value


def _first_day(value: Any) -> Any:
    """Read `2026-10` as that month's first day."""
    return f"{value}-01" if isinstance(value, str) and len(value) == _MONTH_CHARS else value


def _within_books(value: date) -> date:
    """Refuse what no books are of: the month after the calendar's last, and the one before its first, are none."""
    if not 2000 <= value.year < 2100:
        raise ValueError("write a month of this century, such as 2026-10")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_not_a_number), AfterValidator(_within_calendar)]
"""An instant with its zone."""
AnyInstant = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_within_calendar)]
"""An instant that may come without a zone; the route says which it is in then."""
Month = Annotated[date, BeforeValidator(_first_day), AfterValidator(_within_books)]
"""A month of the books, as its first day."""
