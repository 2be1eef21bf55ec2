"""Exact numbers as plain decimals, never with an exponent: whole numbers throughout, for millions of rows. Pure."""

from fractions import Fraction
from typing import Final

DIGITS: Final = 18
"""Digits after the point: a third of a minute is cut there, and the cost beside it is exact anyway."""
_SCALE: Final = 10**DIGITS


def text_of(value: Fraction) -> str:
    """Return the shortest plain decimal of a number, with at most DIGITS digits after the point, else half-even."""
    return ratio_text(value.numerator, value.denominator)


def ratio_text(numerator: int, denominator: int) -> str:
    """Return the same of a ratio, whose denominator is positive."""
    scaled, rest = divmod(abs(numerator) * _SCALE, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and scaled % 2):
        scaled += 1
    sign = "-" if numerator < 0 and scaled else ""
    whole, part = divmod(scaled, _SCALE)
    return f"{sign}{whole}.{part:018d}".rstrip("0") if part else f"{sign}{whole}"
