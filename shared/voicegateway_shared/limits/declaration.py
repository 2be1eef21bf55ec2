"""Declarations: limits in vendors' own terms, from YAML or JSON to pools; refused with the reason when wrong."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest, read_name, read_selector
from voicegateway_shared.limits.pool import LimitMeter, OfflinePolicy, PoolSpec
from voicegateway_shared.limits.selector import FIELDS, Selector

LIMITS_MAX: Final = 500
UNITS_MAX: Final = 10**12
"""Units per period beyond this are a typing error, not a vendor's limit."""
SLOTS_MAX: Final = 1_000_000
WEIGHT_MAX: Final = 1_000
PROJECTS_MAX: Final = 200
BURST_DEFAULT_S: Final = 10
"""A burst that is not given is what accrues in this time, and at least one usual request."""

_PERIODS_MS: Final = {"s": 1_000, "min": 60_000, "hour": 3_600_000, "day": 86_400_000}
_QUANTITIES: Final[Mapping[str, tuple[LimitMeter, int]]] = {
    "requests": ("requests", 1),
    "tokens": ("tokens", 1),
    "characters": ("characters", 1),
    "audio_seconds": ("audio_ms", 1000),
    "new_sessions": ("sessions", 1),
}
RATE_KEYS: Final[Mapping[str, tuple[LimitMeter, int, int]]] = {
    f"{quantity}_per_{period}": (meter, factor, period_ms)
    for quantity, (meter, factor) in _QUANTITIES.items()
    for period, period_ms in _PERIODS_MS.items()
}
CONCURRENT: Final = "concurrent"
_OPTIONS: Final = ("name", "burst", "weights", "min_shares", "offline")
_OFFLINE: Final = ("fair_share", "open", "closed")

USUAL_REQUEST: Final[Mapping[LimitMeter, int]] = {
    "requests": 1,
    "sessions": 1,
    "tokens": 8_000,
    "characters": 1_000,
    "audio_ms": 60_000,
}
"""What a default burst holds at least: one request with a long prompt, one paragraph, one minute."""
SMALLEST_REQUEST: Final[Mapping[LimitMeter, int]] = {
    "requests": 1,
    "sessions": 1,
    "tokens": 500,
    "characters": 100,
    "audio_ms": 1_000,
}
"""A burst below this would never admit an ordinary request."""

_NUMBER: Final = re.compile(r"([0-9][0-9_]*)\s*([kKmM]?)")
_FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_limits(document: object, *, providers: Collection[str], where: str = "limits") -> tuple[PoolSpec, ...]:
    """Return the pools of a list of declarations; `providers` are the provider ids that exist.

    Raises:
        ConfigurationError: a declaration is wrong, or two contradict each other; the message names the place.
    """
    if document is None:
        return ()
    if not isinstance(document, Sequence) or isinstance(document, str):
        raise ConfigurationError(f"{where}: must be a list of limits")
    if len(document) > LIMITS_MAX:
        raise ConfigurationError(f"{where}: {len(document)} limits are more than the {LIMITS_MAX} that are supported")
    pools: list[PoolSpec] = []
    names: dict[str, str] = {}
    for index, declared in enumerate(document):
        place = f"{where}[{index}]"
        name, found = _declaration(declared, place, providers)
        if name in names:
            raise ConfigurationError(f"{place}: the name {name!r} is taken by {names[name]}; give it another `name`")
        names[name] = place
        pools += found
    _refuse_contradictions(pools)
    return tuple(pools)


def _declaration(declared: object, place: str, providers: Collection[str]) -> tuple[str, list[PoolSpec]]:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{place}: must be a mapping such as {{provider: openai, requests_per_min: 500}}")
    known = (*FIELDS, *_OPTIONS, CONCURRENT, *RATE_KEYS)
    for key in declared:
        if key not in known:
            raise ConfigurationError(f"{place}: unknown key {key!r}; {_nearest(str(key))}")
    selector = _selector(declared, place, providers)
    name = _name(declared, place, selector)
    options: dict[str, Any] = {
        "weights": _weights(declared.get("weights"), f"{place}.weights"),
        "min_shares_permille": _min_shares(declared.get("min_shares"), f"{place}.min_shares"),
        "offline": _offline(declared.get("offline"), f"{place}.offline"),
    }
    bursts = _bursts(declared, place)
    pools = []
    for key, value in declared.items():
        if key in RATE_KEYS and value is not None:
            pools.append(_rate(name, key, value, selector, bursts, options, f"{place}.{key}"))
    if declared.get(CONCURRENT) is not None:
        slots = _whole(declared[CONCURRENT], f"{place}.{CONCURRENT}", most=SLOTS_MAX)
        pool_id = f"{name}:{CONCURRENT}"
        pools.append(PoolSpec(id=pool_id, limit=name, meter="slots", selector=selector, slots=slots, **options))
    if not pools:
        raise ConfigurationError(f"{place}: limits nothing; add `concurrent` or a rate such as `requests_per_min`")
    return name, pools


def _rate(
    name: str,
    key: str,
    value: object,
    selector: Selector,
    bursts: Mapping[str, object],
    options: Mapping[str, Any],
    place: str,
) -> PoolSpec:
    meter, factor, period_ms = RATE_KEYS[key]
    units = _whole(value, place, most=UNITS_MAX // factor) * factor
    if key in bursts:
        burst = _whole(bursts[key], f"{place} burst", most=UNITS_MAX // factor) * factor
    else:
        burst = min(units, max(-(-units * BURST_DEFAULT_S * 1000 // period_ms), USUAL_REQUEST[meter]))
    least = SMALLEST_REQUEST[meter]
    if burst < least:
        raise ConfigurationError(
            f"{place}: at most {burst // factor} at once is below one request's size "
            f"({least // factor} {key.partition('_per_')[0].replace('_', ' ')}): nothing would ever be admitted"
        )
    return PoolSpec(
        id=f"{name}:{key}",
        limit=name,
        meter=meter,
        selector=selector,
        units=units,
        period_ms=period_ms,
        burst=burst,
        **options,
    )


def _selector(declared: Mapping[Any, Any], place: str, providers: Collection[str]) -> Selector:
    given: dict[str, str] = {}
    for field in FIELDS:
        value = declared.get(field)
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{place}.{field}: {value!r} is no text")
        given[field] = value
    if not given:
        raise ConfigurationError(f"{place}: says not whom it limits; add at least one of {', '.join(FIELDS)}")
    return read_selector(given, place, providers=providers)


def _name(declared: Mapping[Any, Any], place: str, selector: Selector) -> str:
    given = declared.get("name")
    if given is None:
        text = ".".join(getattr(selector, field) for field in FIELDS if getattr(selector, field)).lower()
        return re.sub(r"[^a-z0-9._-]+", "-", text).strip("-.")[:64] or "all"
    return read_name(given, f"{place}.name")


def _bursts(declared: Mapping[Any, Any], place: str) -> Mapping[str, object]:
    given = declared.get("burst")
    rates = [key for key in declared if key in RATE_KEYS and declared[key] is not None]
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for key in given:
            if key not in rates:
                raise ConfigurationError(f"{place}.burst: {key!r} is no rate of this limit")
        return given
    if len(rates) != 1:
        raise ConfigurationError(f"{place}.burst: say of which rate, such as {{requests_per_min: 50}}")
    return {rates[0]: given}


def _weights(given: object, place: str) -> dict[str, int]:
    return {project: _whole(value, f"{place}.{project}", most=WEIGHT_MAX) for project, value in _projects(given, place)}


def _min_shares(given: object, place: str) -> dict[str, int]:
    shares: dict[str, int] = {}
    for project, value in _projects(given, place):
        text = str(value).strip()
        number = text.removesuffix("%").strip()
        if not text.endswith("%") or not number.isdecimal() or not 1 <= int(number) <= 100:
            raise ConfigurationError(f"{place}.{project}: {value!r} is no whole share from 1% to 100%")
        shares[project] = int(number) * 10
    if sum(shares.values()) > 1000:
        raise ConfigurationError(f"{place}: the shares add up to {sum(shares.values()) // 10}%, more than there is")
    return shares


def _projects(given: object, place: str) -> list[tuple[str, object]]:
    if given is None:
        return []
    if not isinstance(given, Mapping) or not all(isinstance(project, str) and project for project in given):
        raise ConfigurationError(f"{place}: must map projects to numbers")
    if len(given) > PROJECTS_MAX:
        raise ConfigurationError(f"{place}: more than {PROJECTS_MAX} projects")
    return list(cast(Mapping[str, object], given).items())


def _offline(given: object, place: str) -> OfflinePolicy:
    if given is None:
        return "fair_share"
    if given not in ("fair_share", "open", "closed"):
        raise ConfigurationError(f"{place}: {given!r} is none of {', '.join(_OFFLINE)}")
    return given


def _whole(value: object, place: str, *, most: int) -> int:
    """A whole number from 1 to `most`; `200k` and `2M` are understood, floats are not."""
    number = -1
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())):
        number = int(match[1]) * _FACTORS[match[2].lower()]
    else:
        raise ConfigurationError(f"{place}: {value!r} is no whole number; write 500, 200k or 2M")
    if number < 1:
        raise ConfigurationError(f"{place}: {value!r} must be at least 1; to stop all requests, disable the provider")
    if number > most:
        raise ConfigurationError(f"{place}: {value!r} is absurd; at most {most:,}")
    return number


def _refuse_contradictions(pools: Sequence[PoolSpec]) -> None:
    for index, pool in enumerate(pools):
        for other in pools[:index]:
            if pool.meter != other.meter or pool.period_ms != other.period_ms:
                continue
            if pool.selector == other.selector:
                raise ConfigurationError(
                    f"limits {other.limit!r} and {pool.limit!r} overlap: both say how many {pool.meter} there are "
                    f"for {pool.selector}; keep one"
                )
            for wide, narrow in ((pool, other), (other, pool)):
                wide_most, narrow_most = wide.units or wide.slots, narrow.units or narrow.slots
                if wide.selector.covers(narrow.selector) and narrow_most > wide_most:
                    raise ConfigurationError(
                        f"limit {narrow.id!r} ({narrow_most}) contradicts {wide.id!r} ({wide_most}), "
                        f"which holds for {wide.selector} as well: it can never be reached; lower it"
                    )


def _nearest(key: str) -> str:
    known = f"known are {', '.join((*FIELDS, *_OPTIONS, CONCURRENT))} and rates"
    return nearest(key, (*FIELDS, *_OPTIONS, CONCURRENT, *RATE_KEYS)) or known
