"""Money: whole pico-dollars in, decimal strings out; the only place where an amount is divided and rounded."""

import re
from typing import Final

from voicegateway_shared.errors import VoiceGatewayError

PICO_PER_USD: Final = 10**12
"""Amounts are whole pico-dollars: the ledger's NUMERIC(24,12) holds each of them exactly."""
AMOUNT_PICO_USD_MAX: Final = 10**24 - 1
"""The largest amount NUMERIC(24,12) can hold, just under a trillion dollars."""
NANO_PER_USD: Final = 10**9
PICO_PER_NANO: Final = PICO_PER_USD // NANO_PER_USD
"""Budgets are counted in whole nano-dollars: pico-dollars of a large one would leave a double's whole numbers."""

_DECIMALS: Final = 12
_USD: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,12})(?:\.(?P<part>[0-9]{1,12}))?", re.ASCII)


class NotAnAmount(VoiceGatewayError, ValueError):
    """A text is not a plain decimal number of dollars with at most 12 digits on each side of the point."""

    code = "not_an_amount"

    def __init__(self, text: object) -> None:
        super().__init__(
            f"{text!r} is not an amount in USD; write a plain decimal such as '0.0048', at most 12 digits "
            "on each side of the point"
        )
        self.text = text


def parse_usd(text: str) -> int:
    """Pico-dollars of a decimal text such as `"0.0048"`, exactly; `NotAnAmount` for anything it cannot keep."""
    match = _USD.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise NotAnAmount(text)
    part = (match["part"] or "").ljust(_DECIMALS, "0")
    pico = int(match["whole"]) * PICO_PER_USD + int(part)
    return -pico if match["sign"] else pico


def format_usd(amount_pico_usd: int) -> str:
    """The shortest plain decimal of an amount: `4800000000` is `"0.0048"`, zero is `"0"`; never an exponent."""
    sign = "-" if amount_pico_usd < 0 else ""
    whole, part = divmod(abs(amount_pico_usd), PICO_PER_USD)
    if part == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:012d}".rstrip("0")


def format_nano_usd(amount_nano_usd: int) -> str:
    """The shortest plain decimal of an amount in nano-dollars: `4800000` is `"0.0048"`."""
    return format_usd(amount_nano_usd * PICO_PER_NANO)


def nano_usd_up(amount_pico_usd: int) -> int:
    """Whole nano-dollars that are at least an amount, and less than one more."""
    return divide_up(amount_pico_usd, PICO_PER_NANO)


def divide_up(numerator: int, denominator: int) -> int:
    """The least whole number that is not below the quotient; `denominator` must be positive."""
    return -(-numerator // denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number, ties to the even one; `denominator` must be positive."""
    quotient, remainder = divmod(numerator, denominator)
    twice = remainder * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient
