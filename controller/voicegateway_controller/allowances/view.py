"""How allowances are: used, left, what that is worth, and where the month will end."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.allowances.declaration import Allowance
from voicegateway_controller.allowances.drawing import Drawn, draw, month_of
from voicegateway_controller.allowances.due import due
from voicegateway_controller.allowances.store import booked
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.months import next_month

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One allowance in one month; of a pack, `used` and `left` are of all its life until then.

    In base units of its meters where it is a quantity, in pico-USD else.
    """

    allowance: Allowance
    given: int
    used: int
    left: int
    over: int
    projected: int | None
    credit_pico_usd: int
    booked_pico_usd: int
    """What the books hold for this month because of it: credits negative, fees and prices positive."""


async def standings(
    engine: AsyncEngine, allowances: tuple[Allowance, ...], *, month: date, now: datetime
) -> list[Standing]:
    """Return how each allowance is that holds in a month. Raises DatabaseUnavailable."""
    async with raw_connection(engine) as connection:
        drawn = await draw(connection, allowances, first=month, last=month)
        groups = due(allowances, drawn, first=month, last=month, today=now.astimezone(UTC).date())
        held: dict[str, int] = {}
        for (name, _, _, of_month), wanted in groups.items():
            if of_month == month:
                found = await booked(connection, [(each.day, each.request_id) for each in wanted])
                held[name] = held.get(name, 0) + sum(pico_usd for pico_usd, _ in found.values())
    return [
        _standing(each, drawn.get(each.name), month, now, held.get(each.name, 0))
        for each in allowances
        if each.is_in(month)
    ]


def _standing(allowance: Allowance, drawn: Drawn | None, month: date, now: datetime, held: int) -> Standing:
    given = allowance.quantity.in_base if allowance.quantity is not None else allowance.pico_usd
    if drawn is None:
        used = credit = 0
    else:
        credit = drawn.credit_of(month)
        used = _used(allowance, drawn, month)
    projected = None
    if drawn is not None and month == month_of(now) and allowance.kind != "prepaid":
        start = datetime.combine(month, time(), UTC)
        length = datetime.combine(next_month(month), time(), UTC) - start
        elapsed = max(now - start, timedelta(hours=1))
        projected = used * (length // _MICROSECOND) // (elapsed // _MICROSECOND)
    return Standing(
        allowance=allowance,
        given=given,
        used=used,
        left=max(0, given - used),
        over=max(0, used - given),
        projected=projected,
        credit_pico_usd=credit,
        booked_pico_usd=held,
    )


def _used(allowance: Allowance, drawn: Drawn, month: date) -> int:
    if allowance.kind == "prepaid":
        return sum(drawn.credits.values())
    hours = drawn.of_month(month)
    return sum(hour.billed if allowance.quantity is not None else hour.pico_usd for hour in hours)
