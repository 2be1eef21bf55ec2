"""What was used and how, as a person writes it: `audio_sent_s=12.34`, `streaming`, `channels=2`."""

import difflib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.usage import METERS

QUANTITY_DIGITS_MAX: Final = 18
"""More than the ledger's BIGINT can hold is a slip of the keyboard."""
NEAREST_MAX: Final = 5
"""Names offered in the place of an unknown one."""
_TIMES: Final[Mapping[str, int]] = {"s": 1_000, "min": 60_000, "h": 3_600_000}
_NUMBER: Final = re.compile(r"[0-9][0-9_]*(?:\.[0-9]+)?", re.ASCII)
_ORDINARY: Final = frozenset({"streaming", "realtime", "standard", "default", "online"})
"""Words for the way a vendor is usually asked: where its prices know no other way, they change nothing."""


class UnknownMeter(ConfigurationError):
    """A usage names something that is not counted."""

    code = "unknown_meter"


class UnknownContext(ConfigurationError):
    """A word for circumstances that the provider's prices do not depend on, or that means two things."""

    code = "unknown_context"


def read_usage(texts: Iterable[str]) -> dict[str, int]:
    """Return whole base units by meter of texts such as `audio_sent_s=12.34` or `input_tokens=1_200`.

    Raises:
        UnknownMeter: no such meter; the message names the nearest ones.
        ConfigurationError: no number, not a whole number of base units, or a meter named twice.
    """
    usage: dict[str, int] = {}
    for text in texts:
        name, separator, number = text.partition("=")
        if not separator:
            raise ConfigurationError(f"--usage {text!r} must look like audio_sent_s=12.34 or input_tokens=1200")
        meter, scale = _meter(name.strip())
        if meter in usage:
            raise ConfigurationError(f"--usage names {meter} twice; add the numbers up")
        usage[meter] = _whole(number.strip(), scale=scale, meter=meter)
    if not usage:
        raise ConfigurationError("nothing was used: give at least one --usage, such as --usage audio_sent_s=12.34")
    return usage


def read_context(
    texts: Iterable[str],
    *,
    provider: str,
    conditions: Mapping[str, Condition],
    prices: Iterable[Price],
    is_open: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Return the context that words and `key=value` texts mean to a provider, and notes on words without a meaning.

    Args:
        is_open: the prices at hand are not all there are: a `key=value` that they do not know is taken as it is.

    Raises:
        UnknownContext: a key or word its prices do not know; the message names those they do.
    """
    counts = {price.times for price in prices if price.times}
    context: dict[str, str] = {}
    notes = []
    for text in texts:
        key, separator, value = text.partition("=")
        if separator:
            key, value = key.strip(), value.strip()
            if not is_open:
                _check_pair(key, value, provider=provider, conditions=conditions, counts=counts)
        else:
            value = text.strip().lower()
            found = _key_of(value, provider=provider, conditions=conditions)
            if found is None:
                notes.append(f"{provider}'s prices do not depend on {value!r}: it changes nothing")
                continue
            key = found
        if context.setdefault(key, value) != value:
            raise UnknownContext(f"--context says {key}={context[key]} and {key}={value}; give one of them")
    return context, notes


def friendly(meter: str, quantity: int) -> str:
    """Return a quantity with its unit as a person reads it: milliseconds as seconds."""
    unit = METERS[meter].unit if meter in METERS else ""
    if unit == "ms":
        seconds = Decimal(quantity) / 1_000
        return f"{seconds.normalize():f} s"
    return f"{quantity:,}".replace(",", " ")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known names most like one, for a sentence; the first few in order when none is like it."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=NEAREST_MAX, cutoff=0.5)
    if close:
        return ", ".join(close)
    more = len(names) - NEAREST_MAX
    return ", ".join(names[:NEAREST_MAX]) + (f" and {more} more" if more > 0 else "")


def _meter(name: str) -> tuple[str, int]:
    """The meter a name means, and how many of its base units one is."""
    if name in METERS:
        return name, 1
    stem, _, suffix = name.rpartition("_")
    if suffix in _TIMES and f"{stem}_ms" in METERS:
        return f"{stem}_ms", _TIMES[suffix]
    friendly_names = [f"{meter.removesuffix('_ms')}_s" for meter in METERS if meter.endswith("_ms")]
    raise UnknownMeter(
        f"{name!r} is no meter; nearest: {nearest(name, [*METERS, *friendly_names])}. "
        f"Times may end in _ms, _s, _min or _h. All meters: {', '.join(METERS)}"
    )


def _whole(number: str, *, scale: int, meter: str) -> int:
    if _NUMBER.fullmatch(number) is None or sum(map(str.isdigit, number)) > QUANTITY_DIGITS_MAX:
        raise ConfigurationError(
            f"--usage {meter}: {number!r} is no plain number of at most {QUANTITY_DIGITS_MAX} digits, such as 12.34"
        )
    # Exact: so few digits that Decimal's 28 hold every product.
    exact = Decimal(number.replace("_", "")) * scale
    if exact != int(exact):
        unit = METERS[meter].unit
        raise ConfigurationError(
            f"--usage {meter}: {number} is {exact.normalize():f} {unit}, and less than one whole {unit} "
            "is never counted; round it as your meter did"
        )
    return int(exact)


def _check_pair(
    key: str, value: str, *, provider: str, conditions: Mapping[str, Condition], counts: Iterable[str]
) -> None:
    if key in counts:
        return
    condition = conditions.get(key)
    if condition is None:
        known = ", ".join(sorted({*conditions, *counts})) or "none"
        raise UnknownContext(f"{provider}'s prices do not depend on {key!r}; what they depend on: {known}")
    if condition.canonical(value) is None:
        raise UnknownContext(f"{provider} has no {key}={value!r}; known are {', '.join(sorted(condition.values))}")


def _key_of(word: str, *, provider: str, conditions: Mapping[str, Condition]) -> str | None:
    keys = [key for key, condition in conditions.items() if word in condition.synonyms or word in condition.values]
    if len(keys) > 1:
        choices = " or ".join(f"{key}={word}" for key in keys)
        raise UnknownContext(f"{word!r} means several things to {provider}'s prices: write {choices}")
    if keys:
        return keys[0]
    if word in _ORDINARY:
        return None
    words = {value for condition in conditions.values() for value in condition.values}
    raise UnknownContext(
        f"{provider}'s prices do not know {word!r}; what they know: {', '.join(sorted(words)) or 'nothing'}"
    )
