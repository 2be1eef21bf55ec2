"""Readers for single values of a budget: each returns the value or refuses it, naming the place."""

from collections.abc import Sequence
from typing import Any, Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest
from voicegateway_shared.money import PICO_PER_NANO, NotAnAmount, format_usd, parse_usd

AMOUNT_NANO_USD_MAX: Final = 2**52
"""About $4.5 M. Counters are Lua numbers, doubles, exact up to 2^53: what is spent and what is reserved, each up to the
amount, are added there."""


def amount(value: object, place: str) -> int:
    """Whole nano-dollars of a decimal text such as "25.00"; more than nothing, and exact in the counters."""
    if isinstance(value, float):
        raise ConfigurationError(
            f"{place}: {value!r} is a float, which has already been rounded; write the amount in quotes, such as "
            '"25.00"'
        )
    if not isinstance(value, str):
        raise ConfigurationError(f'{place}: {value!r} is no amount; write USD in quotes, such as "25.00"')
    try:
        pico_usd = parse_usd(value)
    except NotAnAmount as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if pico_usd <= 0:
        raise ConfigurationError(
            f"{place}: {value!r} must be more than nothing; to stop all requests, disable the provider"
        )
    nano_usd, rest = divmod(pico_usd, PICO_PER_NANO)
    if rest:
        raise ConfigurationError(f"{place}: {value!r} is finer than a nano-dollar; at most 9 digits after the point")
    if nano_usd > AMOUNT_NANO_USD_MAX:
        raise ConfigurationError(
            f"{place}: {value!r} is absurd; at most {format_usd(AMOUNT_NANO_USD_MAX * PICO_PER_NANO)} per window "
            "can be counted exactly"
        )
    return nano_usd


def whole(value: object, place: str, *, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{place}: {value!r} is no whole number")
    if not least <= value <= most:
        raise ConfigurationError(f"{place}: {value!r} must be from {least:,} to {most:,}")
    return value


def choice(value: object, place: str, allowed: Sequence[str]) -> Any:
    """One of the words that are allowed."""
    if not isinstance(value, str) or value not in allowed:
        mend = nearest(value, allowed) if isinstance(value, str) else None
        raise ConfigurationError(f"{place}: {value!r} is none of {', '.join(allowed)}" + (f"; {mend}" if mend else ""))
    return value
