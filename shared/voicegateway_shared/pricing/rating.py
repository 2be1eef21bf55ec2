"""Rating: a request's usage times the prices of its instant. Pure: same inputs, same amount, to the last digit."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from voicegateway_shared.money import nano_usd_up
from voicegateway_shared.pricing.rule import InconsistentUsage, OutOfRange
from voicegateway_shared.pricing.selection import ModelPrices, Selection, UnratedReason

if TYPE_CHECKING:
    from voicegateway_shared.pricing.catalog import Catalog

_NO_CONTEXT: Final[Mapping[str, str]] = MappingProxyType({})
_MAIN_METERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "stt": ("audio_sent_ms",),
        "llm": ("input_tokens", "output_tokens"),
        "tts": ("characters_sent",),
        "realtime": ("input_tokens", "output_tokens", "session_ms"),
        "transport": ("participant_ms",),
        "telephony": ("participant_ms",),
        "recording": ("participant_ms",),
    }
)
"""What an unrated request shows of its usage when no price says which meters matter."""


# msgspec structs instead of dataclasses: a frozen dataclass costs 1 µs to make, and the ledger makes a million.
class RatingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was used, of what, when (aware), under which circumstances; `is_failed` when the vendor gave nothing.

    `project` is who pays, `account` the key's fingerprint: prices may be agreed for either.
    """

    provider: str
    model: str
    modality: str
    at: datetime
    usage: Mapping[str, int]
    context: Mapping[str, str] = _NO_CONTEXT
    is_failed: bool = False
    project: str = ""
    account: str = ""


class RatedLine(msgspec.Struct, frozen=True):
    """One meter of one request. Either `price_id` says what priced it, or `unrated_reason` says why nothing did.

    `quantity` is the raw usage, `billed_quantity` what is left of it after parts, minimum and rounding, both in
    the meter's base unit. `list_amount_pico_usd` is the amount without promotion.
    """

    meter: str
    quantity: int
    billed_quantity: int
    amount_pico_usd: int
    list_amount_pico_usd: int
    price_id: str | None
    unrated_reason: UnratedReason | None


class Rating(msgspec.Struct, frozen=True):
    """All lines of one request; the total is the sum of the rounded lines, so that books add up."""

    lines: tuple[RatedLine, ...]

    @property
    def amount_pico_usd(self) -> int:
        return sum([line.amount_pico_usd for line in self.lines])

    @property
    def amount_nano_usd(self) -> int:
        """The amount in whole nano-dollars, rounded up: what budgets count. A lower bound while `is_unrated`."""
        return nano_usd_up(self.amount_pico_usd)

    @property
    def list_amount_pico_usd(self) -> int:
        return sum([line.list_amount_pico_usd for line in self.lines])

    @property
    def is_unrated(self) -> bool:
        """Whether any line has no price: the amount is then a lower bound."""
        return any(line.unrated_reason is not None for line in self.lines)


def rate(request: RatingRequest, catalog: "Catalog") -> Rating:
    """Price a request's usage; whatever has no price becomes a line that says so, never a silent zero.

    Raises:
        ValueError: `at` has no zone, or a quantity is not an int: a caller's mistake, not a vendor's.
    """
    found = catalog.model(
        provider=request.provider,
        model=request.model,
        modality=request.modality,
        project=request.project,
        account=request.account,
    )
    return rate_by(found, request)


def rate_by(found: ModelPrices | UnratedReason, request: RatingRequest) -> Rating:
    """Do the same by one model's prices, or by the reason why a catalogue has none. Raises what `rate` raises."""
    if request.at.tzinfo is None:
        raise ValueError("RatingRequest.at must be an aware datetime")
    usage = request.usage
    for meter, quantity in usage.items():
        if type(quantity) is not int:
            raise ValueError(f"the quantity of {meter} must be an int, not {quantity!r}")
        if quantity < 0:
            return Rating(tuple(_unrated(request, _main_meters(request), "inconsistent_usage")))
    if isinstance(found, str):
        return Rating(tuple(_unrated(request, _main_meters(request), found)))
    selection = found.select(request.context, request.at)
    if isinstance(selection, str):
        return Rating(tuple(_unrated(request, found.meters, selection)))
    return Rating(tuple(_lines(request, selection)))


def _lines(request: RatingRequest, selection: Selection) -> list[RatedLine]:
    """A line for every priced meter with a quantity; one unrated line when no priced meter is present at all.

    Zero audio and zero characters happen and cost nothing. A chat of zero tokens does not: the vendor's count
    is missing, and a zero would hide that.
    """
    usage = request.usage
    lines = []
    is_any_present = False
    for rule in selection.rules:
        meter = rule.meter_in(usage)
        if meter is None:
            continue
        is_any_present = True
        quantity = usage[meter]
        if quantity == 0:
            continue
        try:
            billed, amount, list_amount = rule.charge(meter, usage)
        except InconsistentUsage:
            lines.append(RatedLine(meter, quantity, 0, 0, 0, None, "inconsistent_usage"))
        except OutOfRange:
            lines.append(RatedLine(meter, quantity, 0, 0, 0, None, "amount_out_of_range"))
        else:
            lines.append(RatedLine(meter, quantity, billed, amount, list_amount, rule.price_id, None))
    for meter in selection.unpriced:
        if usage.get(meter, 0) > 0:
            lines.append(RatedLine(meter, usage[meter], 0, 0, 0, None, "no_price_for_meter"))
    if not lines and (not is_any_present or request.modality == "llm"):
        lines.extend(_unrated(request, (), "no_billable_usage"))
    return lines


def _main_meters(request: RatingRequest) -> tuple[str, ...]:
    return _MAIN_METERS.get(request.modality, ())


def _unrated(request: RatingRequest, meters: tuple[str, ...], reason: UnratedReason) -> Iterator[RatedLine]:
    """Lines for what was used of `meters`, or one for the request itself; none for a failure that used nothing."""
    usage = request.usage
    used = [meter for meter in meters if usage.get(meter, 0) != 0]
    if used:
        for meter in used:
            yield RatedLine(meter, max(usage[meter], 0), 0, 0, 0, None, reason)
    elif not request.is_failed:
        yield RatedLine("requests", max(usage.get("requests", 1), 0), 0, 0, 0, None, reason)


__all__ = ["RatedLine", "Rating", "RatingRequest", "rate", "rate_by"]
