"""What the switches make of charges: pure. Faults first, then the traps that hide or rename."""

import calendar
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.billing.switches import BillingFaults, BillingTraps, ExtraLine, PriceChange
from voicegateway.testing.vendors.credentials import key_fact
from voicegateway_shared.money import divide_half_even, divide_up, parse_usd
from voicegateway_shared.usage import METERS

WEB_SEARCH: Final = "web_search"
WEB_SEARCHES: Final = 3
WEB_SEARCH_PICO_USD: Final = 10**10
"""One cent a search."""
CREDIT: Final = "Free tier credit"
TAX: Final = "Sales tax"
_LATE_PART: Final = 3
_WITH_CONSOLE: Final = frozenset({"openai", "anthropic"})


def with_faults(charges: Sequence[Charge], faults: BillingFaults, vendor: str) -> list[Charge]:
    """Return what a faulty vendor charges, ordered by instant."""
    made = [_at_other_price(charge, faults) for charge in charges]
    chosen = _spread(made, faults.forgotten_requests)
    made = [charge for index, charge in enumerate(made) if index not in chosen]
    made += [made[index] for index in sorted(_spread(made, faults.doubled_requests))]
    made += _copies(made, faults.doubled_lines)
    made += [_extra(line) for line in faults.extra_lines if line.vendor == vendor]
    if faults.zone_hours:
        made = [replace(charge, at=charge.at + timedelta(hours=faults.zone_hours)) for charge in made]
    if faults.credit_usd:
        made += _monthly(made, "credit", CREDIT, lambda pico: -max(0, min(pico, parse_usd(faults.credit_usd))))
    if faults.tax_percent:
        share = Fraction(Decimal(faults.tax_percent)) / 100
        made += _monthly(made, "tax", TAX, lambda pico: divide_half_even(pico * share.numerator, share.denominator))
    return sorted(made, key=lambda charge: charge.at)


def with_traps(charges: Sequence[Charge], traps: BillingTraps, *, now: datetime, is_first_fetch: bool) -> list[Charge]:
    """Return what of the charges the vendor shows, and under which names, ordered by instant."""
    shown = [*charges, *_of_nobody(charges, traps)]
    until = now - traps.lag
    late_from = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=traps.restated_days)
    hides_late = is_first_fetch and traps.restated_days > 0
    return sorted(
        [
            _renamed(charge, traps)
            for charge in shown
            if charge.at <= until and not (hides_late and charge.at >= late_from and _hash(charge) % _LATE_PART == 0)
        ],
        key=lambda charge: charge.at,
    )


def in_whole_cents(pico_usd: int) -> int:
    """Return the amount rounded to cents, halves away from zero."""
    cent = 10**10
    whole = (abs(pico_usd) + cent // 2) // cent * cent
    return whole if pico_usd >= 0 else -whole


def _at_other_price(charge: Charge, faults: BillingFaults) -> Charge:
    minimum, step = faults.minimum_ms.get(charge.model, 0), faults.round_up_ms.get(charge.model, 0)
    changes = [
        change for change in faults.price_changes if change.model == charge.model and change.starts_at <= charge.at
    ]
    if not (minimum or step or changes):
        return charge
    meters = (_longer(meter, minimum_ms=minimum, step_ms=step) for meter in charge.meters)
    return replace(charge, meters=tuple(_changed(meter, changes) for meter in meters))


def _longer(meter: ChargedMeter, *, minimum_ms: int, step_ms: int) -> ChargedMeter:
    if METERS[meter.meter].unit != "ms" or meter.quantity == 0:
        return meter
    quantity = max(meter.quantity, minimum_ms)
    if step_ms:
        quantity = divide_up(quantity, step_ms) * step_ms
    return ChargedMeter(meter.meter, quantity, divide_half_even(meter.pico_usd * quantity, meter.quantity))


def _changed(meter: ChargedMeter, changes: Iterable[PriceChange]) -> ChargedMeter:
    pico = meter.pico_usd
    for change in changes:
        if change.meter in ("", meter.meter):
            factor = Fraction(Decimal(change.factor))
            pico = divide_half_even(pico * factor.numerator, factor.denominator)
    return ChargedMeter(meter.meter, meter.quantity, pico)


def _spread(charges: Sequence[Charge], count: int) -> frozenset[int]:
    """Return the places of so many charges that cost something, evenly far apart."""
    places = [index for index, charge in enumerate(charges) if charge.pico_usd]
    count = min(count, len(places))
    return frozenset(places[number * len(places) // count] for number in range(count))


def _copies(charges: Sequence[Charge], count: int) -> list[Charge]:
    """Return so many lines again, evenly far apart, in the parts of which they consist."""
    lines: dict[object, list[Charge]] = {}
    for charge in charges if count else ():
        for meter in charge.meters:
            context = tuple(sorted(charge.context.items()))
            line = (charge.at.date(), charge.sku, charge.model, meter.meter, context, charge.key, charge.tags)
            lines.setdefault(line, []).append(replace(charge, meters=(meter,), usage={}, copy=1))
    costly = [parts for parts in lines.values() if any(part.pico_usd for part in parts)]
    count = min(count, len(costly))
    return [part for number in range(count) for part in costly[number * len(costly) // count]]


def _extra(line: ExtraLine) -> Charge:
    return Charge(
        vendor=line.vendor,
        request_id=f"extra-{line.sku or line.model}-{line.at.isoformat()}",
        at=line.at.astimezone(UTC),
        model=line.model,
        modality=line.modality,
        meters=(ChargedMeter(line.meter, line.quantity, parse_usd(line.amount_usd)),),
        usage={line.meter: line.quantity} if line.meter else {},
        key=key_fact(line.key) if line.key else "",
        category=line.category,
        sku=line.sku,
    )


def _monthly(charges: Sequence[Charge], category: str, sku: str, amount: Callable[[int], int]) -> list[Charge]:
    """Return one charge a month with use, at the last second of it."""
    sums: dict[tuple[str, int, int], int] = {}
    for charge in charges:
        month = (charge.vendor, charge.at.year, charge.at.month)
        sums[month] = sums.get(month, 0) + charge.pico_usd
    return [
        Charge(
            vendor=vendor,
            request_id=f"{category}-{year}-{month:02d}",
            at=datetime(year, month, calendar.monthrange(year, month)[1], 23, 59, 59, tzinfo=UTC),
            model="",
            modality="",
            meters=(ChargedMeter("", 0, amount(pico)),),
            category="credit" if category == "credit" else "tax",
            sku=sku,
        )
        for (vendor, year, month), pico in sums.items()
    ]


def _of_nobody(charges: Sequence[Charge], traps: BillingTraps) -> list[Charge]:
    """Return what was used without us: searches, and prompts in the vendor's console."""
    made: list[Charge] = []
    first_chats: dict[tuple[int, int], Charge] = {}
    for charge in charges:
        if charge.modality == "llm" and charge.vendor in _WITH_CONSOLE and charge.category == "usage":
            first_chats.setdefault((charge.at.year, charge.at.month), charge)
    for chat in first_chats.values():
        at = chat.at.replace(day=3, hour=9, minute=0, second=0, microsecond=0)
        nobody = replace(chat, at=at, key="", account="", tags=())
        if traps.has_console_use:
            made.append(replace(nobody, request_id=f"console-{at.isoformat()}"))
        if traps.has_web_search:
            meters = (ChargedMeter("", WEB_SEARCHES, WEB_SEARCHES * WEB_SEARCH_PICO_USD),)
            searches = replace(nobody, request_id=f"search-{at.isoformat()}", sku=WEB_SEARCH, meters=meters)
            made.append(replace(searches, usage={}, context={}))
    return made


def _renamed(charge: Charge, traps: BillingTraps) -> Charge:
    model = traps.model(charge.model)
    if traps.null_every and _hash(charge) % traps.null_every == 0:
        return replace(charge, model=model, key="", account="")
    return charge if model == charge.model else replace(charge, model=model)


def _hash(charge: Charge) -> int:
    return zlib.crc32(charge.request_id.encode())
