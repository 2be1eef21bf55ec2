"""Cost bound: what a request may cost at most, before it is sent, in a few multiplications of whole numbers.

`pricing.cost_bound` makes one from the catalogue; it holds no more than numbers, so that a process can be told it
without knowing any prices. With `most` a mapping of meters to the most that may be used, for every usage

- that has of each meter no more than `most` says, and nothing of a meter that `most` does not name; or
- that has of each named meter no more than `most` says, and of unnamed *parts* whatever their wholes allow (all input
  tokens might be written to a cache, unless `most` says `cache_write_tokens: 0`)

rating comes to no more than `nano_usd(most)`. The second kind must be consistent: parts do not exceed their wholes.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from voicegateway_shared.errors import VoiceGatewayError
from voicegateway_shared.money import divide_up
from voicegateway_shared.usage import PART_OF

Term = tuple[str, int]
"""A meter, and what one unit of it adds: in `CostBound.denominator`-ths of a nano-dollar."""


class UnboundedUsage(VoiceGatewayError, ValueError):
    """Nothing says how much of a billed meter may be used, so nothing bounds what the request may cost."""

    code = "unbounded_usage"

    def __init__(self, meter: str) -> None:
        super().__init__(f"the price depends on {meter}; say how much of it may be used at most, 0 for none")
        self.meter = meter


class Form(msgspec.Struct, frozen=True, array_like=True):
    """One way in which consistent usage may be billed."""

    terms: tuple[Term, ...] = ()
    """Summed; an unnamed part is its whole."""
    disjoint: tuple[tuple[Term, ...], ...] = ()
    """Parts of one whole, the dearest first. Of those not named only the dearest counts: they share the whole."""


class Choice(msgspec.Struct, frozen=True, array_like=True):
    """Ways to bill the same meters, of which the dearest counts."""

    forms: tuple[Form, ...]
    broken: tuple[tuple[Term, ...], ...]
    """Ways to bill usage whose parts exceed their wholes; summed as far as they are named."""


class Stepped(msgspec.Struct, frozen=True, array_like=True):
    """A price whose quantity has a minimum or is rounded up; the first of `meters` that counted something is billed."""

    meters: tuple[str, ...]
    plus: tuple[str, ...]
    times: int
    minimum: int
    increment: int
    per_unit: int


class Band(msgspec.Struct, frozen=True, array_like=True):
    """The prices that hold while each of these meters is above its step; each choice adds its dearest way."""

    above: tuple[Term, ...]
    choices: tuple[Choice, ...]
    stepped: tuple[Stepped, ...]
    slack: int
    """What rounding each line to a whole pico-dollar may add."""


class CostBound(msgspec.Struct, frozen=True, kw_only=True):
    """The bound of one model under some contexts until some instant; immutable, made once and used per request."""

    denominator: int
    bands: tuple[Band, ...]
    meters: tuple[str, ...]
    """All meters the prices look at: what to name, where it is known."""
    until: datetime
    """Prices are known to be these until then; a request that may end later needs another bound."""

    def nano_usd(self, most: Mapping[str, int]) -> int:
        """Return what no usage within `most` costs more than.

        Raises:
            UnboundedUsage: a meter is billed of which `most` names neither itself nor a whole.
        """
        dearest = 0
        for band in self.bands:
            if band.above and not _is_reached(band.above, most):
                continue
            total = 0
            for choice in band.choices:
                total += _chosen(choice, most)
            for stepped in band.stepped:
                total += _stepped(stepped, most)
            if total:
                dearest = max(dearest, total + band.slack)
        return divide_up(dearest, self.denominator)


def _chosen(choice: Choice, most: Mapping[str, int]) -> int:
    dearest = 0
    for form in choice.forms:
        total = 0
        for meter, per_unit in form.terms:
            total += per_unit * (most[meter] if meter in most else _of_whole(meter, most))
        for parts in form.disjoint:
            total += _shared(parts, most)
        if total > dearest:
            dearest = total
    for terms in choice.broken:
        total = 0
        for meter, per_unit in terms:
            if meter in most:
                total += per_unit * most[meter]
        if total > dearest:
            dearest = total
    return dearest


def _shared(parts: tuple[Term, ...], most: Mapping[str, int]) -> int:
    total = 0
    is_whole_counted = False
    for meter, per_unit in parts:
        if meter in most:
            total += per_unit * most[meter]
        elif not is_whole_counted:
            is_whole_counted = True
            total += per_unit * _of_whole(meter, most)
    return total


def _stepped(price: Stepped, most: Mapping[str, int]) -> int:
    plus = sum([_most(meter, most) for meter in price.plus])
    quantity = max([_most(meter, most) for meter in price.meters]) + plus
    if quantity <= 0:
        return 0
    quantity = max(quantity * price.times, price.minimum * max(most.get("requests", 1), 1))
    return divide_up(quantity, price.increment) * price.increment * price.per_unit


def _is_reached(above: tuple[Term, ...], most: Mapping[str, int]) -> bool:
    for meter, step in above:
        quantity = most.get(meter)
        if quantity is not None and quantity <= step:
            return False
    return True


def _most(meter: str, most: Mapping[str, int]) -> int:
    quantity = most.get(meter)
    return _of_whole(meter, most) if quantity is None else quantity


def _of_whole(part: str, most: Mapping[str, int]) -> int:
    """The most of the nearest whole that is named."""
    meter = part
    while meter in PART_OF:
        meter = PART_OF[meter]
        if meter in most:
            return most[meter]
    raise UnboundedUsage(part)
