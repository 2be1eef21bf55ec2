"""What each allowance has given: computed from the ledger as it is now, so late usage needs no special care."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from voicegateway_controller.allowances import store
from voicegateway_controller.allowances.declaration import Allowance, drawn_in_order, parse_allowances
from voicegateway_controller.allowances.rules import (
    Hour,
    cover_amounts,
    cover_hours,
    cover_lines,
    without,
    without_days,
)
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.months import next_month


@dataclass(frozen=True, slots=True)
class Drawn:
    """One allowance: the usage that it is about, and its credit, hour by hour."""

    allowance: Allowance
    hours: Sequence[Hour]
    credits: dict[datetime, int]

    def by_day(self) -> dict[date, int]:
        """Return the credit of each day (UTC)."""
        found: dict[date, int] = {}
        for at, pico_usd in self.credits.items():
            found[at.date()] = found.get(at.date(), 0) + pico_usd
        return found

    def of_month(self, month: date) -> list[Hour]:
        """Return the usage of one month."""
        return [hour for hour in self.hours if hour.at.date().replace(day=1) == month]

    def credit_of(self, month: date) -> int:
        """Return the credit of one month."""
        return sum(pico_usd for at, pico_usd in self.credits.items() if at.date().replace(day=1) == month)


async def draw(connection: Connection, allowances: Sequence[Allowance], *, first: date, last: date) -> dict[str, Drawn]:
    """Return what the allowances give, by name, at least from one month to another.

    Packs are followed from the day on which the oldest was bought: what is left of them depends on it.
    """
    drawn: dict[str, Drawn] = {}
    since = min([first, *(each.first for each in allowances if each.kind == "prepaid")])
    until = next_month(last)
    gone = await _gone(connection, allowances, since, until)
    for allowance in drawn_in_order(allowances):
        hours = await store.hours(connection, allowance, since, until)
        given = [each.credits for each in drawn.values() if allowance.overlaps(each.allowance)]
        open_hours = without((hour for hour in hours if _is_open(allowance, hour)), given)
        for earlier, days in gone:
            if allowance.overlaps(earlier):
                open_hours = without_days(open_hours, days)
        if allowance.kind == "prepaid":
            found = cover_amounts(open_hours, allowance.pico_usd)
        else:
            found = {}
            for month in months(since, last):
                of_month = [hour for hour in open_hours if hour.at.date().replace(day=1) == month]
                found |= await _month(connection, allowance, of_month)
        drawn[allowance.name] = Drawn(allowance, hours, found)
    return drawn


async def _gone(
    connection: Connection, allowances: Sequence[Allowance], since: date, until: date
) -> list[tuple[Allowance, dict[date, int]]]:
    """Return what was given by declarations that were taken away: it stays booked, so it covers what it covered."""
    given = await store.gone(connection, [each.name for each in allowances], since, until)
    if not given:
        return []
    declared = await store.earlier(connection, list(given))
    earlier = [parse_allowances([each], providers={each["provider"]})[0] for each in declared]
    return [(each, given[each.name]) for each in earlier]


async def _month(connection: Connection, allowance: Allowance, hours: Sequence[Hour]) -> dict[datetime, int]:
    if allowance.quantity is None:
        return cover_amounts(hours, allowance.pico_usd)
    covered = cover_hours(hours, allowance.quantity.in_base)
    if covered.edge is not None:
        at = covered.edge.at
        lines = await store.lines(connection, allowance, at, at + timedelta(hours=1))
        covered.credits[at] = min(cover_lines(lines, covered.left), covered.edge.pico_usd)
    return covered.credits


def months(first: date, last: date) -> Iterator[date]:
    """Yield the months from one to another, both included."""
    month = first
    while month <= last:
        yield month
        month = next_month(month)


def month_of(at: datetime) -> date:
    """Return the month of an instant (UTC)."""
    return at.astimezone(UTC).date().replace(day=1)


def _is_open(allowance: Allowance, hour: Hour) -> bool:
    day = hour.at.date()
    if allowance.bought_on is not None:
        return allowance.bought_on <= day and (allowance.expires_on is None or day < allowance.expires_on)
    return allowance.is_in(day.replace(day=1))
