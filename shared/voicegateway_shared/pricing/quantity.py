"""A published quantity such as "1 minute" or "1_000_000 tokens", and the base unit it is made of."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_UNITS: Final[dict[str, tuple[str, int]]] = {
    "ms": ("ms", 1),
    "second": ("ms", 1_000),
    "minute": ("ms", 60_000),
    "hour": ("ms", 3_600_000),
    "token": ("token", 1),
    "character": ("character", 1),
    "request": ("request", 1),
    "chunk": ("chunk", 1),
    "byte": ("byte", 1),
    "credit": ("credit", 1),
}
_QUANTITY: Final = re.compile(r"(?P<count>[0-9]{1,4}(?:_?[0-9]{1,3}){0,5}) (?P<unit>[a-z]+)", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity:
    """So many of a unit, as the vendor wrote it; `in_base` counts the meter's base unit (60000 ms a minute)."""

    count: int
    unit: str

    @property
    def base(self) -> str:
        return _UNITS[self.unit][0]

    @property
    def in_base(self) -> int:
        return self.count * _UNITS[self.unit][1]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


def parse_quantity(text: object) -> Quantity:
    """A quantity from text like "1 hour" or "1_000 characters"; `ValueError` says what is wrong with it."""
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write a whole number and a unit, such as '1 minute'")
    unit = match["unit"] if match["unit"] == "ms" else match["unit"].removesuffix("s")
    if unit not in _UNITS:
        raise ValueError(f"{text!r} has an unknown unit; known are {', '.join(sorted(_UNITS))}")
    count = int(match["count"])
    if count == 0:
        raise ValueError(f"{text!r} is nothing; a quantity is at least one")
    return Quantity(count, unit)


def parse_decimal(text: object) -> Fraction:
    """The exact value of a decimal text like "0.0048"; numbers that YAML has already read are refused."""
    if isinstance(text, (int, float)):
        raise ValueError(f'{text!r} must be a quoted string such as "{text}": a bare number may be a rounded one')
    if not isinstance(text, str) or _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a plain decimal number of at most 12 digits on each side of the point")
    return Fraction(text)
