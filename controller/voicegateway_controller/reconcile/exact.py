"""Vendors' numbers as whole ones of ours: money in pico-dollars, quantities in base units. Never a float."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from voicegateway_shared.money import AMOUNT_PICO_USD_MAX, PICO_PER_USD

CONTEXT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""Wide enough that nothing is rounded before the one rounding that is meant."""
EXPONENT_MAX: Final = 40
"""Beyond this many places a number is refused: `1e999999999` would be a billion digits once written out."""
Number = int | Decimal


class NotExact(ValueError):
    """A number is not finite, or far too large for what it is said to be."""


def pico_usd(dollars: Number) -> int:
    """Whole pico-dollars; what is finer, such as the noise in 0.060000000000000005, is rounded half-even.

    Raises NotExact.
    """
    return _affordable(whole(dollars, factor=PICO_PER_USD))


def pico_usd_of_cents(cents: Number) -> int:
    """Whole pico-dollars of cents: `123.45` is $1.2345. Raises NotExact."""
    return _affordable(whole(cents, factor=PICO_PER_USD // 100))


def whole(number: Number, *, factor: Number = 1) -> int:
    """A number times a factor, to the nearest whole one, ties to the even one. Raises NotExact."""
    product = CONTEXT.multiply(_bounded(number), Decimal(factor))
    try:
        return int(product.quantize(Decimal(1), context=CONTEXT))
    except InvalidOperation as error:
        raise NotExact(f"{number} is too large") from error


def plain(number: Number) -> str:
    """A plain decimal without an exponent and without idle zeros: `1000`, `0.5`. Raises NotExact."""
    value = _bounded(number)
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _affordable(amount_pico_usd: int) -> int:
    if abs(amount_pico_usd) > AMOUNT_PICO_USD_MAX:
        raise NotExact("an amount of more than a trillion dollars")
    return amount_pico_usd


def _bounded(number: Number) -> Decimal:
    value = Decimal(number)
    if not value.is_finite():
        raise NotExact(f"{number} is no number")
    if value and (value.adjusted() > EXPONENT_MAX or value.adjusted() < -EXPONENT_MAX):
        raise NotExact(f"a number of more than {EXPONENT_MAX} places")
    return value
