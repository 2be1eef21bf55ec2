"""A price made ready for arithmetic: whole numbers only, and one division per line, at the end."""

import math
from collections.abc import Mapping
from typing import Final, Self

from voicegateway_shared.money import AMOUNT_PICO_USD_MAX, divide_half_even
from voicegateway_shared.pricing.price import Price

QUANTITY_MAX: Final = 2**63 - 1
"""A ledger quantity is a BIGINT."""


class OutOfRange(Exception):
    """The quantity or amount is larger than the ledger can hold."""


class InconsistentUsage(Exception):
    """A usage's parts exceed their whole: there is nothing sound to multiply."""


class Rule:
    """One price in one context; immutable, shared by all requests it rates, lives as long as its catalogue."""

    __slots__ = (
        "_bands",
        "_denominator",
        "_is_list_apart",
        "_is_plain",
        "_list_numerator",
        "_listed",
        "_numerator",
        "_plus",
        "instead_of",
        "meters",
        "minus",
        "price",
        "price_id",
        "times",
    )

    def __init__(self, price: Price, *, times: int, listed: "tuple[Rule, ...]" = ()) -> None:
        """Prepare a price; `listed` are the list prices that it is agreed instead of."""
        self._listed = listed
        self.price_id = price.price_id
        self.meters = (price.meter, *price.fallback)
        self.instead_of = price.instead_of
        self.price = price
        self.minus = price.minus + price.not_billed
        self._plus = price.plus
        self.times = times
        steps = price.tiers.steps if price.tiers else ()
        published = (price.amount, price.list_amount or price.amount, *(step.amount for step in steps))
        rates = [price.pico_usd_per_base(amount) for amount in published]
        self._denominator = math.lcm(*(rate.denominator for rate in rates))
        numerators = [int(rate * self._denominator) for rate in rates]
        self._numerator, self._list_numerator = numerators[:2]
        self._bands = tuple(zip((step.above for step in steps), numerators[2:], strict=True))
        is_rounded = price.minimum > 0 or price.increment > 1
        self._is_plain = times == 1 and not is_rounded and not self._bands
        self._is_list_apart = bool(listed) or self._list_numerator != self._numerator

    def instead_of_list(self, listed: "tuple[Rule, ...]") -> Self:
        """The same rule, of which the list amount is what these would charge."""
        return type(self)(self.price, times=self.times, listed=listed)

    def meter_in(self, usage: Mapping[str, int]) -> str | None:
        """The meter this rule bills of a usage: the first of its meters that counted something, or is present."""
        present = None
        for meter in self.meters:
            if usage.get(meter, 0) > 0:
                return meter
            if present is None and meter in usage:
                present = meter
        return present

    def charge(self, meter: str, usage: Mapping[str, int]) -> tuple[int, int, int]:
        """Billed quantity, amount and list amount (pico-dollars) of one meter; raises what it cannot price."""
        quantity = usage[meter]
        for part in self.minus:
            quantity -= usage.get(part, 0)
        for part in self._plus:
            quantity += usage.get(part, 0)
        if quantity < 0:
            raise InconsistentUsage
        if self._is_plain:
            exact = quantity * self._numerator
        else:
            quantity = self._rounded(quantity, usage)
            exact = self._banded(quantity, usage)
        amount = list_amount = divide_half_even(exact, self._denominator)
        if self._is_list_apart:
            list_amount = self._list_amount(quantity, amount, usage)
        if quantity > QUANTITY_MAX or amount > AMOUNT_PICO_USD_MAX or list_amount > AMOUNT_PICO_USD_MAX:
            raise OutOfRange
        return quantity, amount, list_amount

    def _list_amount(self, quantity: int, amount: int, usage: Mapping[str, int]) -> int:
        """What the list asks; where it cannot price the usage, the amount itself."""
        if not self._listed:
            return divide_half_even(quantity * self._list_numerator, self._denominator)
        list_amount = 0
        for rule in self._listed:
            meter = rule.meter_in(usage)
            if meter is not None and usage[meter] > 0:
                try:
                    list_amount += rule.charge(meter, usage)[2]
                except (InconsistentUsage, OutOfRange):
                    return amount
        return list_amount

    def _rounded(self, quantity: int, usage: Mapping[str, int]) -> int:
        """The quantity after channels, minimum and increment.

        A usage that stands for several requests owes the minimum for each of them. How it was spread over them
        is not known, so the sum is rounded to the increment once: a lower bound of the vendor's bill.
        """
        if quantity == 0:
            return 0
        price = self.price
        quantity = max(quantity * self.times, price.minimum * usage.get("requests", 1))
        whole, rest = divmod(quantity, price.increment)
        is_up = price.rounding == "up" or (price.rounding == "nearest" and rest * 2 >= price.increment)
        return (whole + (1 if rest and is_up else 0)) * price.increment

    def _banded(self, quantity: int, usage: Mapping[str, int]) -> int:
        """The exact numerator of the amount, by the tier or tiers the quantity reaches."""
        tiers = self.price.tiers
        numerator = self._numerator
        if tiers is None:
            return quantity * numerator
        if tiers.kind == "cliff":
            reached = usage.get(tiers.basis, 0)
            for above, above_numerator in self._bands:
                if reached > above:
                    numerator = above_numerator
            return quantity * numerator
        exact, below = 0, 0
        for above, above_numerator in self._bands:
            exact += (min(quantity, above) - below) * numerator
            if quantity <= above:
                return exact
            below, numerator = above, above_numerator
        return exact + (quantity - below) * numerator
