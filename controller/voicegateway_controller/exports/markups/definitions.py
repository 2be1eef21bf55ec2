"""Definitions: one revision of the declared markups, as given and as rules. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final

from voicegateway_controller.declared import Declared, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.exports.markups.rules import Markup
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import PICO_PER_USD, NotAnAmount, parse_usd
from voicegateway_shared.pricing.price import MODALITIES
from voicegateway_shared.pricing.quantity import parse_decimal, parse_quantity
from voicegateway_shared.usage import METERS

MARKUPS_MAX: Final = 500
"""As many as a set's body may hold."""
PERCENT: Final = re.compile(r"-?[0-9]{1,5}(\.[0-9]{1,6})?", re.ASCII)
_TEXTS: Final = ("project", "provider", "model", "modality", "meter")
_KEYS: Final = frozenset({*_TEXTS, "name", "percent", "price", "per", "minimum", "from", "until"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkupDefinitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared: everything at cost."""

    revision: int = 0
    document: Sequence[Declared] = ()
    """The list as it was given."""
    markups: tuple[Markup, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""


def validated(document: object, *, providers: frozenset[str]) -> tuple[Markup, ...]:
    """Return the markups of a document that somebody wants to declare; BadRequest says what is wrong with it."""
    refuse_odd_texts(document, "markups")
    try:
        return parse_markups(document, providers=providers)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error


def parse_markups(document: object, *, providers: frozenset[str] | None = None) -> tuple[Markup, ...]:
    """Return the markups of a document; `providers` are those that may be named, None is any.

    Raises:
        ConfigurationError: something in it is wrong; the message names the place.
    """
    if not isinstance(document, Sequence) or isinstance(document, str):
        raise ConfigurationError("markups: must be a list of mappings")
    if len(document) > MARKUPS_MAX:
        raise ConfigurationError(f"markups: {len(document)} are more than {MARKUPS_MAX}")
    found = tuple(_markup(each, f"markups[{index}]", providers) for index, each in enumerate(document))
    for index, one in enumerate(found):
        for other_index, other in enumerate(found[:index]):
            if one.scope == other.scope and _meet(one, other):
                raise ConfigurationError(
                    f"markups[{index}] and markups[{other_index}] are about the same and hold on the same days; "
                    "give each its from and until"
                )
    return found


def _markup(declared: object, where: str, providers: frozenset[str] | None) -> Markup:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f'{where}: must be a mapping such as {{project: acme, percent: "20"}}')
    for key in declared:
        if key not in _KEYS:
            raise ConfigurationError(f"{where}.{key}: is not a key here; known are {', '.join(sorted(_KEYS))}")
    texts = {key: _text(declared, key, where) for key in _TEXTS}
    _refuse_unknown(texts, where, providers)
    since, until = _day(declared, "from", where), _day(declared, "until", where)
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(f"{where}.until: must be after from")
    if ("percent" in declared) == ("price" in declared):
        raise ConfigurationError(
            f"{where}: give either percent (on top of the cost) or price and per (whatever it cost)"
        )
    return Markup(
        name=_text(declared, "name", where) or where,
        **texts,
        percent=_percent(declared, where),
        pico_usd_per_base=_unit_price(declared, texts["meter"], where),
        minimum_pico_usd=_minimum(declared, where),
        since=since,
        until=until,
    )


def _refuse_unknown(texts: Mapping[str, str], where: str, providers: frozenset[str] | None) -> None:
    provider, modality, meter = texts["provider"], texts["modality"], texts["meter"]
    if provider and providers is not None and provider not in providers:
        raise ConfigurationError(f"{where}.provider: unknown provider {provider!r}")
    if texts["model"] and not provider:
        raise ConfigurationError(f"{where}.model: needs its provider beside it")
    if modality and modality not in MODALITIES:
        raise ConfigurationError(f"{where}.modality: {modality!r} must be one of {', '.join(MODALITIES)}")
    if meter and meter not in METERS:
        raise ConfigurationError(f"{where}.meter: {meter!r} must be one of {', '.join(METERS)}")


def _percent(declared: Mapping[str, Any], where: str) -> Fraction | None:
    if "percent" not in declared:
        return None
    text = declared["percent"]
    if not isinstance(text, str) or PERCENT.fullmatch(text) is None or Fraction(text) < -100:
        raise ConfigurationError(
            f'{where}.percent: {text!r} must be a quoted decimal such as "20" or "12.5", from -100'
        )
    return Fraction(text)


def _unit_price(declared: Mapping[str, Any], meter: str, where: str) -> Fraction | None:
    if "price" not in declared:
        if "per" in declared:
            raise ConfigurationError(f"{where}.per: belongs to price")
        return None
    if not meter:
        raise ConfigurationError(f"{where}.price: needs the meter that it is for, such as meter: audio_sent_ms")
    try:
        per = parse_quantity(declared.get("per"))
        amount = parse_decimal(declared["price"])
    except ValueError as error:
        raise ConfigurationError(f"{where}.price: {error}") from error
    if per.base != METERS[meter].unit:
        raise ConfigurationError(f"{where}.per: {per} does not count {meter}, whose unit is {METERS[meter].unit}")
    return amount * PICO_PER_USD / per.in_base


def _minimum(declared: Mapping[str, Any], where: str) -> int:
    if "minimum" not in declared:
        return 0
    try:
        amount = parse_usd(declared["minimum"])
    except NotAnAmount as error:
        raise ConfigurationError(f"{where}.minimum: {error}") from error
    if amount < 0:
        raise ConfigurationError(f"{where}.minimum: must not be negative")
    return amount


def _text(declared: Mapping[str, Any], key: str, where: str) -> str:
    value = declared.get(key, "")
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}.{key}: must be a text")
    return value


def _day(declared: Mapping[str, Any], key: str, where: str) -> date | None:
    text = _text(declared, key, where)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f'{where}.{key}: {text!r} is no day; write one such as "2026-10-01"') from error


def _meet(one: Markup, other: Markup) -> bool:
    starts = one.since is None or other.until is None or one.since < other.until
    ends = other.since is None or one.until is None or other.since < one.until
    return starts and ends
