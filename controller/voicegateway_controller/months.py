"""A month as people write it: `2026-10`. Months are UTC's, as the books' are. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from voicegateway_controller.errors import BadRequest

_MONTH: Final = re.compile(r"(?P<year>20[0-9]{2})-(?P<month>0[1-9]|1[0-2])", re.ASCII)


def parse_month(text: str) -> date:
    """Return the first day of a month such as `2026-10`; BadRequest when it is none."""
    match = _MONTH.fullmatch(text)
    if match is None:
        raise BadRequest(f"month {text!r} is no month; write one such as 2026-10")
    return date(int(match["year"]), int(match["month"]), 1)


def next_month(day: date) -> date:
    """Return the first day of the month after a day's."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def previous_month(month: date) -> date:
    """Return the first day of the month before."""
    return (month - timedelta(days=1)).replace(day=1)


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def days_of(month: date) -> list[date]:
    """Return the days of a month."""
    return [month + timedelta(days=each) for each in range((next_month(month) - month).days)]
