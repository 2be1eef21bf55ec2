"""A column mapping: what stands in which column of a vendor's export, as people declare it in YAML."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from voicegateway_controller.reconcile.statement import LineCategory
from voicegateway_shared.document import read_tree
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.usage import METERS

MAPPING_CHARS_MAX: Final = 65_536
NAME: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Column = Annotated[str, msgspec.Meta(max_length=200)]
Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1252"]
DATES: Final = ("iso", "month")


class UnitRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one of the vendor's units is in ours."""

    meter: str = ""
    """Empty where the kind's word says it."""
    factor: str = "1"
    """Base units of the meter per unit: an hour of audio is 3600000 ms. A text, so that it is exact."""


class ColumnMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns by their headings; an empty heading means that the export has no such column."""

    name: Name
    provider: Name
    note: str = ""
    sheet: Column = ""
    """Of a workbook; the first one if empty."""
    encoding: Encoding = "utf-8"
    """Of a CSV; a byte-order mark decides by itself."""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    """Of a CSV; found in the heading if empty."""
    decimal: Literal[".", ","] = "."
    date: Column = ""
    date_format: Annotated[str, msgspec.Meta(max_length=64)] = "iso"
    """`iso`; `month` for 2026-10; or as strptime has it, `%d.%m.%Y`."""
    zone: str = "UTC"
    """Of instants without one. A day without a time stays the day it is."""
    account: Column = ""
    credential: Column = ""
    model: Column = ""
    sku: Column = ""
    quantity: Column = ""
    unit: Column = ""
    units: dict[str, UnitRule] = {}
    """By the vendor's word, lower case; `*` where no column names the unit, and for words that are not listed."""
    kind: Column = ""
    """Where words say what is counted, such as `cached input`."""
    meters: dict[str, str] = {}
    """Our meter by the kind's word, lower case."""
    requests: Column = ""
    amount: Column = ""
    currency: Column = ""
    default_currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    rates: dict[str, str] = {}
    """US dollars per unit of another currency, as on the invoice: `EUR: "1.0842"`."""
    category: Column = ""
    """Where words tell credits and taxes from use; the line item, or the model, if empty."""
    words: dict[LineCategory, list[str]] = {}
    """A cell that holds one of these words, in any case, is of that category."""
    skip: dict[str, list[str]] = {}
    """Rows to leave out: by a column's heading, the cells that say so."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every heading that must be there."""
        named = (self.date, self.account, self.credential, self.model, self.sku, self.quantity, self.unit)
        rest = (self.kind, self.requests, self.amount, self.currency, self.category)
        return tuple(dict.fromkeys(each for each in (*named, *rest, *self.skip) if each))

    @property
    def grains(self) -> tuple[str, ...]:
        """What its lines can be told apart by."""
        told: Mapping[str, str | bool] = {
            "day": bool(self.date) and self.date_format != "month",
            "account": self.account,
            "credential": self.credential,
            "sku": self.sku,
            "model": self.model,
            "meter": self.quantity,
        }
        return tuple(name for name, column in told.items() if column)


def parse_mapping(text: str) -> ColumnMapping:
    """Read a mapping from YAML; some 200 ms for the longest. Raises ConfigurationError: what is wrong, and where."""
    if len(text) > MAPPING_CHARS_MAX:
        raise ConfigurationError(f"a column mapping has at most {MAPPING_CHARS_MAX} characters")
    try:
        # Read as strictly as voicegw.yaml: neither depth nor a number's length exhausts anything.
        mapping = msgspec.convert(read_tree(text, name="the column mapping").plain(), ColumnMapping)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the column mapping is wrong: {error}") from error
    _check(mapping)
    return mapping


def mapping_yaml(mapping: ColumnMapping) -> str:
    """Write a mapping as people would, without what is as by default."""
    given = msgspec.to_builtins(mapping)
    defaults = msgspec.to_builtins(ColumnMapping(name="x", provider="x"))
    told = {key: value for key, value in given.items() if key in ("name", "provider") or value != defaults[key]}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120)


def _check(mapping: ColumnMapping) -> None:
    if not mapping.amount and not mapping.quantity:
        raise ConfigurationError(f"the mapping {mapping.name!r} names neither an amount's column nor a quantity's")
    for word, rule in mapping.units.items():
        _check_meter(f"units.{word}", word, rule.meter)
        positive(f"units.{word}.factor", rule.factor)
    for word, meter in mapping.meters.items():
        _check_meter(f"meters.{word}", word, meter)
    for currency, rate in mapping.rates.items():
        if not re.fullmatch("[A-Z]{3}", currency):
            raise ConfigurationError(f"rates: {currency!r} is no currency such as EUR")
        positive(f"rates.{currency}", rate)
    if mapping.quantity and not mapping.units:
        raise ConfigurationError("units: say what the quantities are, by unit or for all of them as '*'")
    if mapping.date_format not in DATES and not re.search("%[dj]", mapping.date_format):
        raise ConfigurationError("date_format: must be iso, month, or have a day in it, such as '%d.%m.%Y'")
    try:
        ZoneInfo(mapping.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"zone: {mapping.zone!r} is no time zone such as Europe/Berlin") from error


def _check_meter(where: str, word: str, meter: str) -> None:
    if word != word.lower():
        raise ConfigurationError(f"{where}: must be written in lower case; it matches any")
    if meter and meter not in METERS:
        raise ConfigurationError(f"{where}: {meter!r} is no meter; meters are {', '.join(METERS)}")


def positive(where: str, text: str) -> Decimal:
    """Read a plain positive number. Raises ConfigurationError."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0 or abs(number.adjusted()) > 15:
        raise ConfigurationError(f"{where}: {text!r} is no positive number; write it as a text, such as '1.0842'")
    return number
