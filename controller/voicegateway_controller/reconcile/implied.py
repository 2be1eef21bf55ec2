"""Which price a vendor's amount implies: another of the catalogue's, a changed one, or ours is old. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from voicegateway_controller.reconcile.amounts import in_pico, our_rate, price_of
from voicegateway_controller.reconcile.cells import Category, Cell, Confidence
from voicegateway_controller.reconcile.names import Names, list_rate_of, rate_of
from voicegateway_controller.reconcile.resolution import Resolution
from voicegateway_shared.pricing import Price

STALE_DAYS: Final = 60
"""A price that nobody has read for so long may have changed."""
ALIKE_PER_MILLE: Final = 5
"""Prices of days that differ by no more than this are one price: quantities and amounts are rounded apart."""
DAYS_WITHOUT_UNITS_MIN: Final = 3
"""So many days of one other price in a row are no chance, even where the vendor says no units."""


@dataclass(frozen=True, slots=True)
class Implied:
    """Why a cell's money differs where its units do not, or beside them."""

    category: Category
    confidence: Confidence
    reason: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """One cell with both units and money on both sides."""

    cell: Cell
    rate: Fraction
    """Ours."""
    theirs: Fraction
    is_ours: bool
    price: Price | None
    has_units: bool = True
    """Without the vendor's units a lower amount may as well be less use."""


def implied_prices(series: Sequence[Cell], names: Names, resolution: Resolution) -> dict[int, Implied]:
    """Return, by the id of the cell, why the vendor's price is not ours, for all cells of one series whose is not."""
    seen = [each for cell in series if (each := _see(cell, names, resolution)) is not None]
    others = [each for each in seen if not each.is_ours]
    if not others:
        return {}
    changed_on = _changed_on(seen, others)
    is_one = all(_is_alike(each.theirs, others[0].theirs) for each in others)
    free_until = _free_until(seen)
    found: dict[int, Implied] = {}
    for each in others:
        known = _in_catalogue(each, names, resolution)
        if free_until is not None and (each.cell.key.day is None or each.cell.key.day <= free_until):
            found[id(each.cell)] = Implied("credits", "likely", "the vendor counts it and charges less: a free tier")
        elif known is not None:
            found[id(each.cell)] = known
        elif changed_on is not None:
            found[id(each.cell)] = Implied(
                "price_change", "likely", f"the vendor's price is {_ratio(each)} of ours since {changed_on}"
            )
        elif is_one and len(others) == len(seen) and each.has_units:
            found[id(each.cell)] = _throughout(each)
    return found


def _see(cell: Cell, names: Names, resolution: Resolution) -> _Seen | None:
    if not cell.lines or not cell.rows or not cell.vendor_quantity or cell.vendor_quantity < 0 or cell.is_derived:
        return _without_units(cell, names, resolution)
    rate = our_rate(cell, names)
    if rate is None or rate <= 0:
        return None
    tolerance = resolution.tolerance(cell)
    is_ours = abs(cell.vendor_pico_usd - in_pico(cell.vendor_quantity * rate)) <= tolerance
    return _Seen(cell, rate, Fraction(cell.vendor_pico_usd, cell.vendor_quantity), is_ours, price_of(cell, names))


def _without_units(cell: Cell, names: Names, resolution: Resolution) -> _Seen | None:
    """A bill without units: what the price would be if the vendor's units were ours."""
    if not cell.lines or not cell.rows or cell.vendor_quantity is not None or cell.is_derived or not cell.our_quantity:
        return None
    rate = our_rate(cell, names)
    if rate is None or rate <= 0 or not cell.key.meter:
        return None
    theirs = Fraction(cell.vendor_pico_usd, cell.our_quantity)
    is_ours = abs(cell.difference_pico_usd) <= resolution.tolerance(cell)
    return _Seen(cell, rate, theirs, is_ours, price_of(cell, names), has_units=False)


def _in_catalogue(seen: _Seen, names: Names, resolution: Resolution) -> Implied | None:
    """Another row of the price list that gives exactly the vendor's amount."""
    cell, mine = seen.cell, seen.price
    quantity = cell.vendor_quantity if cell.vendor_quantity is not None else cell.our_quantity
    tolerance = resolution.tolerance(cell)
    for price in names.prices(cell.key.model, cell.key.meter):
        for rate, what in ((rate_of(price), ""), (list_rate_of(price), "'s regular price")):
            if rate is None or rate == seen.rate or abs(in_pico(quantity * rate) - cell.vendor_pico_usd) > tolerance:
                continue
            if mine is None or price.when == mine.when:
                return Implied("price_change", "certain", f"the vendor charges {price.price_id}{what}")
            words = ", ".join(f"{key} {value}" for key, value in price.when)
            return Implied("other_context", "likely", f"the vendor charges the price of {words} ({price.price_id})")
    return None


def _throughout(seen: _Seen) -> Implied:
    """Another price on every day: ours is old, or never was theirs."""
    read_on = None if seen.price is None else seen.price.source.read_on
    day = seen.cell.key.day
    if read_on is not None and day is not None and day - read_on > timedelta(days=STALE_DAYS):
        return Implied("stale_price", "likely", f"the vendor's price is {_ratio(seen)} of ours, which was last read on "
                       f"{read_on}")  # fmt: skip
    if read_on is not None and day is None:
        return Implied("stale_price", "estimated", f"the vendor's price is {_ratio(seen)} of ours of {read_on}")
    since = "" if read_on is None else f", read on {read_on}"
    return Implied("price_change", "estimated", f"the vendor's price is {_ratio(seen)} of ours{since} all the time")


def _changed_on(seen: Sequence[_Seen], others: Sequence[_Seen]) -> date | None:
    """The first day of another price that follows days of ours and holds to the end; a mixed first day is let pass."""
    days = sorted((each.cell.key.day, each.is_ours) for each in seen if each.cell.key.day is not None)
    first = min((each.cell.key.day for each in others if each.cell.key.day is not None), default=None)
    if first is None or not any(is_ours and day < first for day, is_ours in days):
        return None
    after = sorted((e for e in seen if e.cell.key.day is not None and e.cell.key.day >= first), key=_day)
    if any(each.is_ours for each in after):
        return None
    tail = after[1:] if len(after) > 1 else after
    if not all(each.has_units for each in after) and len(after) < DAYS_WITHOUT_UNITS_MIN:
        return None
    return first if all(_is_alike(each.theirs, tail[0].theirs) for each in tail) else None


def _free_until(seen: Sequence[_Seen]) -> date | None:
    """The last day of a run from the first one on that costs nothing, and the day on which the free part ends."""
    ordered = sorted((each for each in seen if each.cell.key.day is not None), key=_day)
    until = None
    for each in ordered:
        if each.cell.vendor_pico_usd != 0:
            is_last = until is not None and not each.is_ours and each.theirs < each.rate
            return each.cell.key.day if is_last else until
        until = each.cell.key.day
    return until


def _day(seen: _Seen) -> date:
    return seen.cell.key.day or date.min


def _is_alike(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) * 1000 <= ALIKE_PER_MILLE * max(abs(one), abs(other))


def _ratio(seen: _Seen) -> str:
    per_mille = round(seen.theirs * 1000 / seen.rate)
    return f"{per_mille // 10}.{per_mille % 10} %"
