"""What each side of a cell comes to: units, money, and the money of units or credits where a vendor says none. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final

from voicegateway_controller.reconcile.cells import Cell
from voicegateway_controller.reconcile.names import Names, credit_rate_of, rate_of
from voicegateway_shared.money import divide_half_even
from voicegateway_shared.pricing import Price

ELEVENLABS_HALF: Final = ("eleven_flash", "eleven_turbo")
"""Models of which two characters are one credit, in workspaces billed by credits; of all others it is one."""


def fill(cell: Cell, units: Mapping[str, int], names: Names, *, has_amounts: bool) -> None:
    """Set the amounts of both sides."""
    cell.our_quantity = sum(row.billed_quantity for row in cell.rows)
    cell.our_pico_usd = sum(row.amount_pico_usd for row in cell.rows)
    cell.price_id = _correction_price_id(cell, names)
    if not cell.lines:
        # Nothing on the bill; counts alone are no bill, but where a vendor says no money they are all there is.
        if not has_amounts and units and cell.key.category == "usage":
            cell.vendor_quantity = _billed(cell, units, names)
            cell.vendor_requests = units.get("requests")
            _derive(cell, names)
        return
    cell.vendor_requests = units.get("requests")
    cell.vendor_quantity = _quantity(cell, units, names)
    if all(line.amount_pico_usd is not None for line in cell.lines):
        cell.vendor_pico_usd = sum(line.amount_pico_usd or 0 for line in cell.lines)
    elif any(line.credits is not None for line in cell.lines):
        _from_credits(cell, names)
    else:
        _derive(cell, names)


def share_counts(cells: Sequence[Cell], units: Mapping[str, int], names: Names) -> None:
    """Say each cell's units where the vendor counts several cells together: what their money implies, if that adds up.

    A cell's units are ours and its difference at our price. Only if the sum of all is what the vendor counts are they
    taken for the vendor's; a changed price, for one, would not add up.
    """
    together = [cell for cell in cells if cell.lines]
    for cell in together:
        # Of all these cells as one: whether the vendor counts more requests than we.
        others = sum(each.our_requests for each in cells if each is not cell)
        cell.vendor_requests = units["requests"] - others if "requests" in units and cell.difference_pico_usd else None
    if any(cell.vendor_quantity is not None for cell in together):
        return
    implied: list[int] = []
    for cell in cells:
        rate = our_rate(cell, names)
        if cell.difference_pico_usd and not rate:
            return
        implied.append(cell.our_quantity + (round(cell.difference_pico_usd / rate) if rate else 0))
    whole = _billed(cells[0], units, names)
    if whole is None or sum(implied) != whole:
        return
    for cell, quantity in zip(cells, implied, strict=True):
        if cell.lines:
            cell.vendor_quantity = quantity


def price_of(cell: Cell, names: Names) -> Price | None:
    """The price by which we billed the cell, or would have; None when it is not one only, or nobody knows one."""
    ids = _price_ids(cell)
    if len(ids) == 1:
        return names.price(ids.pop())
    if ids:
        return None
    wanted = dict(cell.key.context)
    found = [
        price
        for price in names.prices(cell.key.model, cell.key.meter)
        if _is_in_force(price, cell.key.day) and all(dict(price.when).get(k, v) == v for k, v in wanted.items())
    ]
    return found[0] if len(found) == 1 else None


def our_rate(cell: Cell, names: Names) -> Fraction | None:
    """Pico-dollars for a unit: exact by the one price there is, else what our own units came to on average."""
    price = price_of(cell, names)
    rate = None if price is None else rate_of(price)
    if rate is not None:
        return rate
    usage = [row for row in cell.rows if row.kind in ("usage", "rerate") and not row.unrated_reason]
    quantity = sum(row.billed_quantity for row in usage)
    return Fraction(sum(row.amount_pico_usd for row in usage), quantity) if quantity else None


def _price_ids(cell: Cell) -> set[str]:
    """After a re-rating its price is the one that holds; before it there are those of the usage itself."""
    rerated = {row.price_id for row in cell.rows if row.price_id and row.kind == "rerate"}
    return rerated or {row.price_id for row in cell.rows if row.price_id and row.kind == "usage"}


def _correction_price_id(cell: Cell, names: Names) -> str:
    """The one price our entries of the cell have; else one of its circumstances, which are told by nothing but a price.

    Without it the next reconciliation would find the correction in another cell than the line that it is about.
    """
    ids, key = _price_ids(cell), cell.key
    if len(ids) == 1:
        return ids.pop()
    keys = [name for name, _ in key.context]
    if names.context_of(key.model, {}, keys) == key.context:
        return ""
    of_meter = names.prices(key.model, key.meter) if key.meter else names.all_prices(key.model)
    alike = [price for price in of_meter if names.context_of(key.model, dict(price.when), keys) == key.context]
    alike.sort(key=lambda price: not _is_in_force(price, key.day))
    return alike[0].price_id if alike else ""


def in_pico(value: Fraction) -> int:
    """Whole pico-dollars, ties to even."""
    return divide_half_even(value.numerator, value.denominator)


def _quantity(cell: Cell, units: Mapping[str, int], names: Names) -> int | None:
    """Units as billed: the bill's own where each line says them, else what its counts leave after their parts."""
    if not cell.key.meter:
        return None
    quantities = [line.quantity for line in cell.lines]
    if quantities and all(each is not None for each in quantities):
        return sum(each or 0 for each in quantities)
    return _billed(cell, units, names)


def _billed(cell: Cell, units: Mapping[str, int], names: Names) -> int | None:
    meter = cell.key.meter
    if meter not in units:
        return None
    prices = [names.price(row.price_id) for row in cell.rows if row.price_id]
    price = next((each for each in prices if each is not None), None)
    if price is None:
        found = names.prices(cell.key.model, meter)
        price = found[0] if found else None
    quantity = units[meter]
    if price is not None:
        quantity -= sum(units.get(part, 0) for part in (*price.minus, *price.not_billed))
        quantity += sum(units.get(part, 0) for part in price.plus)
    return quantity if quantity >= 0 else None


def _derive(cell: Cell, names: Names) -> None:
    """The vendor's units at our price, for a vendor that says no money."""
    cell.is_derived = True
    said = sum(line.amount_pico_usd or 0 for line in cell.lines)
    rate = our_rate(cell, names)
    if cell.vendor_quantity is None or rate is None:
        cell.vendor_pico_usd = said
        cell.notes.append("the vendor says neither money nor units that have a price: counted as what it does say")
    elif cell.vendor_quantity == cell.our_quantity:
        cell.vendor_pico_usd = cell.our_pico_usd
    else:
        cell.vendor_pico_usd = cell.our_pico_usd + in_pico((cell.vendor_quantity - cell.our_quantity) * rate)


def _from_credits(cell: Cell, names: Names) -> None:
    """The vendor's credits in dollars by the plan's rate, and in units where one price bills the whole cell."""
    cell.is_derived = True
    value = sum((Fraction(line.credits) for line in cell.lines if line.credits is not None), Fraction(0))
    said = sum(line.amount_pico_usd or 0 for line in cell.lines if line.credits is None)
    price = _credit_price(cell, names)
    if price is None:
        cell.vendor_pico_usd = said
        cell.notes.append(f"no price says what a credit of {names.provider} costs: its credits count as nothing")
        return
    worth = credit_rate_of(price)
    rate = rate_of(price)
    if worth is None:
        # Dollars a character, and a plan that counts in credits: ElevenLabs' older one.
        per_unit = Fraction(1, 2) if price.model.startswith(ELEVENLABS_HALF) else Fraction(1)
        quantity = value / per_unit
        cell.vendor_pico_usd = said + (0 if rate is None else in_pico(quantity * rate))
    else:
        cell.vendor_pico_usd = said + in_pico(value * worth)
        quantity = value * worth / rate if rate else value
    meters = {row.meter for row in cell.rows} | {line.meter for line in cell.lines if line.meter}
    is_all = all(line.credits is not None for line in cell.lines)
    if is_all and len(meters) == 1 and price_of(cell, names) is not None and quantity.denominator == 1:
        cell.vendor_quantity = int(quantity)


def _credit_price(cell: Cell, names: Names) -> Price | None:
    for row in cell.rows:
        price = names.price(row.price_id)
        if price is not None:
            return price
    meters = {line.meter for line in cell.lines if line.meter} or {"characters_sent", "audio_sent_ms"}
    found = [
        price
        for meter in sorted(meters)
        for price in names.prices(cell.key.model, meter)
        if _is_in_force(price, cell.key.day) and names.is_default(price)
    ]
    return found[0] if found else None


def _is_in_force(price: Price, day: date | None) -> bool:
    if day is None:
        return price.effective_to is None
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    starts = price.effective_from is None or price.effective_from <= at
    return starts and (price.effective_to is None or at < price.effective_to)
