"""FOCUS 1.2's rules that hold between the columns of one row, each with the sentence a person reads. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from voicegateway_controller.exports.focus.rules import SERVICE_SUBCATEGORIES, SKU_PRICE_PROPERTIES, Column

Row = Mapping[str, str | None]
"""Values by column as a CSV file holds them; None is null."""
PICO: Final = Fraction(1, 10**12)
NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?(E-?[0-9]{1,3})?", re.ASCII)
INSTANT: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z", re.ASCII)
CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
RELATIVE_TOLERANCE: Final = Fraction(1, 10**9)
"""A product of a quantity and a price is held to its cost up to a billionth: files carry finitely many digits."""
_UNITS: Final = re.compile(
    r"([1-9][0-9]* )?[A-Z][A-Za-z]*([ -][A-Z][A-Za-z]*)*(/([1-9][0-9]* )?[A-Z][a-z]+)?", re.ASCII
)


def refusal(column: Column, value: str | None) -> str | None:
    """Return what is wrong with one value of one column by itself, None when nothing is."""
    if value is None:
        return None if column.is_nullable else "must not be null"
    if column.kind == "decimal":
        return _number_refusal(column, value)
    if column.kind == "datetime":
        return None if INSTANT.fullmatch(value) else "must be an instant such as 2026-10-01T00:00:00Z"
    if column.kind == "json":
        return _json_refusal(value)
    if not value.strip():
        return "must be null rather than blank"
    if column.allowed and value not in column.allowed:
        return f"must be one of {', '.join(column.allowed)}"
    return None


def broken(row: Row) -> list[str]:
    """Return a sentence for each rule between columns that a row breaks. Columns that are not there break none."""
    return [sentence for sentence, is_broken in RULES if is_broken(row)]


def _number_refusal(column: Column, value: str) -> str | None:
    if NUMBER.fullmatch(value) is None:
        return "must be a plain number, such as -0.0048"
    if column.is_non_negative and Decimal(value) < 0:
        return "must not be negative"
    return None


def _json_refusal(value: str) -> str | None:
    try:
        pairs = json.loads(value, object_pairs_hook=list)
    except json.JSONDecodeError:
        return "must be a JSON object"
    if not value.lstrip().startswith("{"):
        return "must be a JSON object"
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        return "must not name a key twice"
    if any(isinstance(each, (list, dict)) for _, each in pairs):
        return "must have plain values: no object, no array"
    return None


def number(row: Row, name: str) -> Fraction | None:
    """Return the exact value of a number, None for null, for no column and for no number."""
    try:
        return Fraction(Decimal(row.get(name) or ""))
    except (InvalidOperation, ValueError):
        return None


def _null_when(name: str, condition: Callable[[Row], bool]) -> Callable[[Row], bool]:
    return lambda row: row.get(name) is not None and condition(row)


def _needed_when(name: str, condition: Callable[[Row], bool]) -> Callable[[Row], bool]:
    return lambda row: name in row and row[name] is None and condition(row)


def _is(name: str, *values: str) -> Callable[[Row], bool]:
    return lambda row: row.get(name) in values


def _is_null(name: str) -> Callable[[Row], bool]:
    return lambda row: name in row and row[name] is None


def _is_priced(row: Row) -> bool:
    """Say whether a row must carry its price: usage and purchases, unless they correct what was invoiced."""
    return row.get("ChargeCategory") in ("Usage", "Purchase") and row.get("ChargeClass") != "Correction"


def _differ(price: str, cost: str) -> Callable[[Row], bool]:
    """Say whether quantity times price is something else than the cost.

    `x_Entries` costs were rounded one by one before they were added up: each by at most half a pico-dollar.
    """

    def is_broken(row: Row) -> bool:
        quantity, unit, total = number(row, "PricingQuantity"), number(row, price), number(row, cost)
        if row.get("ChargeClass") == "Correction" or quantity is None or unit is None or total is None:
            return False
        rounded = (number(row, "x_Entries") or 1) * PICO / 2
        return abs(quantity * unit - total) > max(rounded, abs(total) * RELATIVE_TOLERANCE)

    return is_broken


def _unlike_billed(cost: str, price: str) -> Callable[[Row], bool]:
    def is_broken(row: Row) -> bool:
        free_standing = row.get("ChargeCategory") in ("Credit", "Adjustment") and row.get(price) is None
        return free_standing and number(row, cost) != number(row, "BilledCost")

    return is_broken


def _wrong_order(start: str, end: str) -> Callable[[Row], bool]:
    return lambda row: bool(row.get(start)) and bool(row.get(end)) and str(row[start]) >= str(row[end])


def _wrong_parent(row: Row) -> bool:
    subcategory, category = row.get("ServiceSubcategory"), row.get("ServiceCategory")
    return bool(subcategory) and subcategory not in SERVICE_SUBCATEGORIES.get(category or "", ())


def _is_odd_unit(name: str) -> Callable[[Row], bool]:
    return lambda row: bool(row.get(name)) and _UNITS.fullmatch(str(row[name])) is None


def _odd_keys(row: Row) -> bool:
    try:
        keys = json.loads(row.get("SkuPriceDetails") or "{}")
    except json.JSONDecodeError:
        return False
    return any(not key.startswith("x_") and key not in SKU_PRICE_PROPERTIES for key in keys)


_PRICED: Final = "when ChargeCategory is Usage or Purchase and ChargeClass is not Correction"
_TAX: Final = _is("ChargeCategory", "Tax")
_PRICE_COLUMNS: Final = (
    "ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "PricingCategory", "SkuId", "SkuPriceId",
    "PricingCurrencyListUnitPrice", "PricingCurrencyContractedUnitPrice",
)  # fmt: skip
RULES: Final[tuple[tuple[str, Callable[[Row], bool]], ...]] = (
    *((f"{name} must be null when ChargeCategory is Tax", _null_when(name, _TAX)) for name in _PRICE_COLUMNS),
    *((f"{name} must not be null {_PRICED}", _needed_when(name, _is_priced)) for name in _PRICE_COLUMNS),
    ("PricingUnit must be null when PricingQuantity is", _null_when("PricingUnit", _is_null("PricingQuantity"))),
    ("PricingUnit must not be null when PricingQuantity is not",
     lambda row: row.get("PricingQuantity") is not None and _is_null("PricingUnit")(row)),
    ("ConsumedUnit must be null when ConsumedQuantity is", _null_when("ConsumedUnit", _is_null("ConsumedQuantity"))),
    ("ConsumedUnit must not be null when ConsumedQuantity is not",
     lambda row: row.get("ConsumedQuantity") is not None and _is_null("ConsumedUnit")(row)),
    ("ConsumedQuantity must be null when ChargeCategory is not Usage",
     _null_when("ConsumedQuantity", lambda row: row.get("ChargeCategory") != "Usage")),
    ("ConsumedQuantity must not be null when ChargeCategory is Usage and ChargeClass is not Correction",
     _needed_when("ConsumedQuantity", lambda row: row.get("ChargeCategory") == "Usage" and _is_priced(row))),
    ("SkuMeter must be null when SkuId is", _null_when("SkuMeter", _is_null("SkuId"))),
    ("SkuPriceDetails must be null when SkuPriceId is", _null_when("SkuPriceDetails", _is_null("SkuPriceId"))),
    ("SkuPriceDetails' own keys must begin with x_", _odd_keys),
    ("ResourceName must be null when ResourceId is", _null_when("ResourceName", _is_null("ResourceId"))),
    ("ResourceType must be null when ResourceId is", _null_when("ResourceType", _is_null("ResourceId"))),
    ("ResourceType must not be null when ResourceId is not",
     lambda row: row.get("ResourceId") is not None and _is_null("ResourceType")(row)),
    ("SubAccountName must be null when SubAccountId is", _null_when("SubAccountName", _is_null("SubAccountId"))),
    ("SubAccountName must not be null when SubAccountId is not",
     lambda row: row.get("SubAccountId") is not None and _is_null("SubAccountName")(row)),
    ("RegionName must be null when RegionId is", _null_when("RegionName", _is_null("RegionId"))),
    ("ChargeFrequency must not be Usage-Based when ChargeCategory is Purchase",
     lambda row: _is("ChargeCategory", "Purchase")(row) and row.get("ChargeFrequency") == "Usage-Based"),
    ("ListCost must be PricingQuantity times ListUnitPrice", _differ("ListUnitPrice", "ListCost")),
    ("ContractedCost must be PricingQuantity times ContractedUnitPrice",
     _differ("ContractedUnitPrice", "ContractedCost")),
    ("ListCost must match BilledCost for a Credit or Adjustment without a price",
     _unlike_billed("ListCost", "ListUnitPrice")),
    ("ContractedCost must match BilledCost for a Credit or Adjustment without a price",
     _unlike_billed("ContractedCost", "ContractedUnitPrice")),
    ("EffectiveCost must match BilledCost for a Credit or Adjustment",
     lambda row: row.get("ChargeCategory") in ("Credit", "Adjustment")
     and number(row, "EffectiveCost") != number(row, "BilledCost")),
    ("BillingPeriodEnd must be after BillingPeriodStart", _wrong_order("BillingPeriodStart", "BillingPeriodEnd")),
    ("ChargePeriodEnd must be after ChargePeriodStart", _wrong_order("ChargePeriodStart", "ChargePeriodEnd")),
    ("ServiceSubcategory must belong to ServiceCategory", _wrong_parent),
    ("BillingCurrency must be a national currency's three letters",
     lambda row: bool(row.get("BillingCurrency")) and CURRENCY.fullmatch(str(row["BillingCurrency"])) is None),
    ("PricingUnit must look like Tokens, 1000 Characters or GB-Hours", _is_odd_unit("PricingUnit")),
    ("ConsumedUnit must look like Tokens, 1000 Characters or GB-Hours", _is_odd_unit("ConsumedUnit")),
)  # fmt: skip
