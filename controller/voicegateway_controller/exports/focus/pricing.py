"""A line's quantity in the unit of its price, and the prices that give its costs. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from voicegateway_controller.exports.focus.decimals import ratio_text, text_of
from voicegateway_controller.exports.focus.names import CACHE_LIFETIMES, TOKEN_TYPES, consumed, priced_unit
from voicegateway_controller.exports.lines import Line
from voicegateway_shared.money import PICO_PER_USD, format_usd
from voicegateway_shared.pricing.price import Price
from voicegateway_shared.pricing.quantity import parse_decimal

UNPRICED: Final = "unpriced"
"""The price of what nothing is asked for, or nobody knows what."""


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one unit costs as published, ready for whole numbers."""

    pico_numerator: int
    pico_denominator: int
    """Of one base unit, in pico-dollars."""
    text: str
    """Of one unit of the price, in dollars."""
    credits_text: str
    """The same in the pricing currency."""

    def holds(self, line: Line, pico_usd: int) -> bool:
        """Say whether quantity times price is the cost, up to each entry's rounding."""
        difference = line.billed * self.pico_numerator - pico_usd * self.pico_denominator
        return abs(difference) * 2 <= line.entries * self.pico_denominator


@dataclass(frozen=True, slots=True)
class Terms:
    """How lines of one price are priced; immutable, made once for many of them."""

    unit: str
    in_base: int
    contracted: UnitPrice
    listed: UnitPrice
    credit: Fraction | None
    """The dollars that one credit of a plan costs, where a price counts credits."""
    consumed_unit: str
    consumed_in_base: int

    def columns(self, line: Line) -> dict[str, str | None]:
        """Return what a line used and what that was priced at.

        Where tiers made it cost something else than its quantity times the published price, the unit prices are what
        it came to.
        """
        contracted, contracted_credits = self._price(self.contracted, line, line.pico_usd)
        listed, listed_credits = self._price(self.listed, line, line.list_pico_usd)
        if self.credit is None:
            cost = format_usd(line.pico_usd)
        else:
            cost = ratio_text(line.pico_usd * self.credit.denominator, PICO_PER_USD * self.credit.numerator)
        return {
            "ConsumedQuantity": ratio_text(line.quantity, self.consumed_in_base),
            "ConsumedUnit": self.consumed_unit,
            "PricingQuantity": ratio_text(line.billed, self.in_base),
            "PricingUnit": self.unit,
            "PricingCategory": "Standard",
            "ListUnitPrice": listed,
            "ContractedUnitPrice": contracted,
            "PricingCurrency": "USD" if self.credit is None else "Credits",
            "PricingCurrencyListUnitPrice": listed_credits,
            "PricingCurrencyContractedUnitPrice": contracted_credits,
            "PricingCurrencyEffectiveCost": cost,
        }

    def _price(self, published: UnitPrice, line: Line, pico_usd: int) -> tuple[str, str]:
        if line.billed == 0 or published.holds(line, pico_usd):
            return published.text, published.credits_text
        usd, quantity = abs(pico_usd) * self.in_base, abs(line.billed) * PICO_PER_USD
        made = ratio_text(usd, quantity)
        if self.credit is None:
            return made, made
        return made, ratio_text(usd * self.credit.denominator, quantity * self.credit.numerator)


def terms_of(meter: str, price: Price | None) -> Terms:
    """Return how lines of a meter are priced, from their price where the catalogue still has it."""
    unit, in_base = consumed(meter)
    if price is None:
        nothing = UnitPrice(0, 1, "0", "0")
        return Terms(unit, in_base, nothing, nothing, None, unit, in_base)
    credit = _credit_price(price)
    contracted = _unit_price(price, price.amount, credit)
    listed = contracted if price.list_amount is None else _unit_price(price, price.list_amount, credit)
    priced = priced_unit(price.per.count, price.per.unit)
    return Terms(priced, price.per.in_base, contracted, listed, credit, unit, in_base)


def sku_of(line: Line) -> tuple[str, str]:
    """Return the SKU's id and its price's: the same but for what makes one price of a SKU another."""
    if line.price_id:
        return line.price_id.rpartition("@")[0] or line.price_id, line.price_id
    sku = "/".join(part for part in (line.provider, line.model, line.meter) if part)
    return sku, f"{sku}@{UNPRICED}"


def details(line: Line, price: Price | None) -> str | None:
    """Return SkuPriceDetails as JSON: what a price depends on, in keys of our own."""
    found: dict[str, str | int] = {}
    if line.meter in TOKEN_TYPES:
        found["x_TokenType"] = TOKEN_TYPES[line.meter]
    if line.meter in CACHE_LIFETIMES:
        found["x_CacheTtl"] = CACHE_LIFETIMES[line.meter]
    if price is not None:
        found |= _conditions(price)
        if price.minimum:
            found["x_MinimumBaseUnits"] = price.minimum
        if price.increment > 1:
            found["x_IncrementBaseUnits"] = price.increment
        if price.tiers is not None:
            found["x_Tiers"] = price.tiers.kind
    return json.dumps(found, separators=(",", ":")) if found else None


def _conditions(price: Price) -> Mapping[str, str]:
    return {"x_" + "".join(part.title() for part in key.split("_")): value for key, value in sorted(price.when)}


def _credit_price(price: Price) -> Fraction | None:
    """Return the dollars that one credit of a plan costs."""
    if price.credit_rate is None:
        return None
    return parse_decimal(price.credit_rate.amount) / price.credit_rate.credits


def _unit_price(price: Price, amount: str, credit: Fraction | None) -> UnitPrice:
    pico = price.pico_usd_per_base(amount)
    usd = pico * price.per.in_base / PICO_PER_USD
    return UnitPrice(pico.numerator, pico.denominator, text_of(usd), text_of(usd if credit is None else usd / credit))
