"""Declarations: budgets as a person writes them, from YAML or JSON to specs; refused with the reason when wrong."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from voicegateway_shared.budgets.budget import (
    ACTIONS,
    OFFLINE_POLICIES,
    SENTENCE_DEFAULT,
    STOPPING,
    THRESHOLDS_DEFAULT,
    BudgetAction,
    BudgetSpec,
)
from voicegateway_shared.budgets.contradictions import refuse_contradictions
from voicegateway_shared.budgets.fields import amount, choice, whole
from voicegateway_shared.budgets.guards import parse_guards
from voicegateway_shared.budgets.window import CALENDAR_KINDS, WINDOW_KINDS, WindowKind
from voicegateway_shared.budgets.zones import zone_name
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest, read_name, read_selector
from voicegateway_shared.limits.selector import Selector
from voicegateway_shared.money import PICO_PER_NANO, format_usd

BUDGETS_MAX: Final = 500
THRESHOLDS_MAX: Final = 10
THRESHOLD_PERCENT_MAX: Final = 1_000
SENTENCE_CHARACTERS_MAX: Final = 300
"""A caller listens to it: about twenty seconds."""

SCOPES: Final = ("project", "agent", "provider", "modality")
_OPTIONS: Final = ("name", "zone", "thresholds", "action", "offline", "sentence", "guards")
_KEYS: Final = (*SCOPES, "amount", "window", *_OPTIONS)
_ENDLESS: Final = ("", "none", "never", "forever", "always", "infinite", "inf", "unlimited", "lifetime", "ever")

SMALLEST_REQUEST_NANO_USD: Final[Mapping[str, int]] = {
    "stt": 40_000,
    "llm": 50_000,
    "tts": 100_000,
    "realtime": 1_000_000,
    "": 40_000,
}
"""About what an ordinary request costs on the cheapest paid models, by modality: a second of speech transcribed, 500
tokens read, a short sentence spoken, a turn of a realtime model. A budget below this would never admit one."""


def parse_budgets(
    document: object, *, providers: Collection[str], zone: str = "UTC", where: str = "budgets"
) -> tuple[BudgetSpec, ...]:
    """Return the budgets of a list of declarations; `zone` is for those that name none.

    Raises:
        ConfigurationError: a declaration is wrong, or two contradict each other; the message names the place.
    """
    if document is None:
        return ()
    if not isinstance(document, Sequence) or isinstance(document, (str, bytes)):
        raise ConfigurationError(f"{where}: must be a list of budgets")
    if len(document) > BUDGETS_MAX:
        raise ConfigurationError(f"{where}: {len(document)} budgets are more than the {BUDGETS_MAX} that are supported")
    zone_name(zone, f"{where}: the zone for all")
    budgets: list[BudgetSpec] = []
    places: dict[str, str] = {}
    for index, declared in enumerate(document):
        place = f"{where}[{index}]"
        budget = _declaration(declared, place, providers, zone)
        if budget.id in places:
            raise ConfigurationError(
                f"{place}: the name {budget.id!r} is taken by {places[budget.id]}; give it another `name`"
            )
        places[budget.id] = place
        budgets.append(budget)
    refuse_contradictions(budgets)
    return tuple(budgets)


def _declaration(declared: object, place: str, providers: Collection[str], zone: str) -> BudgetSpec:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f'{place}: must be a mapping such as {{project: acme, amount: "25.00", window: day}}')
    for key in declared:
        if key not in _KEYS:
            raise ConfigurationError(f"{place}: unknown key {key!r}; {_nearest(str(key))}")
    selector = _selector(declared, place, providers)
    window = _window(declared.get("window"), f"{place}.window")
    action: BudgetAction = choice(declared.get("action", "block"), f"{place}.action", ACTIONS)
    nano_usd = _amount(declared.get("amount"), f"{place}.amount", selector)
    return BudgetSpec(
        id=_name(declared.get("name"), f"{place}.name", selector, window),
        selector=selector,
        amount_nano_usd=nano_usd,
        window=window,
        zone=_zone(declared.get("zone"), f"{place}.zone", window, zone),
        thresholds=_thresholds(declared.get("thresholds"), f"{place}.thresholds", action),
        action=action,
        offline=choice(declared.get("offline", "last_lease"), f"{place}.offline", OFFLINE_POLICIES),
        sentence=_sentence(declared.get("sentence"), f"{place}.sentence", action),
        guards=parse_guards(
            declared.get("guards"), f"{place}.guards", window=window, action=action, amount_nano_usd=nano_usd
        ),
    )


def _selector(declared: Mapping[Any, Any], place: str, providers: Collection[str]) -> Selector:
    given: dict[str, str] = {}
    for scope in SCOPES:
        if scope not in declared:
            continue
        value = declared[scope]
        # A scope that is there and empty would make a project's budget the fleet's.
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{place}.{scope}: {value!r} is no text; leave it out to mean every {scope}")
        given[scope] = value
    return read_selector(given, place, providers=providers)


def _name(given: object, place: str, selector: Selector, window: WindowKind) -> str:
    if given is None:
        scopes = [getattr(selector, scope) for scope in SCOPES if getattr(selector, scope)] or ["fleet"]
        text = re.sub(r"[^a-z0-9._-]+", "-", ".".join(scopes).lower()).strip("-._")[:48] or "budget"
        return f"{text}.{window}"
    return read_name(given, place)


def _amount(given: object, place: str, selector: Selector) -> int:
    nano_usd = amount(given, place)
    least = SMALLEST_REQUEST_NANO_USD[selector.modality]
    if nano_usd < least:
        raise ConfigurationError(
            f"{place}: {given!r} is below one request's price (about {format_usd(least * PICO_PER_NANO)} USD): nothing "
            "would ever be admitted; to stop all requests, disable the provider"
        )
    return nano_usd


def _window(given: object, place: str) -> WindowKind:
    kinds = ", ".join(WINDOW_KINDS)
    if given is None or (isinstance(given, str) and given.strip().lower() in _ENDLESS):
        raise ConfigurationError(
            f"{place}: a window must end, and {given!r} never does; write one of {kinds}, "
            "where `total` is for an amount that is meant once and for all"
        )
    window: WindowKind = choice(given, place, WINDOW_KINDS)
    return window


def _zone(given: object, place: str, window: WindowKind, default: str) -> str:
    if window not in CALENDAR_KINDS:
        if given is not None:
            raise ConfigurationError(f"{place}: {window} knows no calendar, so no zone; leave it out")
        return "UTC"
    return zone_name(default if given is None else given, place)


def _thresholds(given: object, place: str, action: BudgetAction) -> tuple[int, ...]:
    if given is None:
        return THRESHOLDS_DEFAULT
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise ConfigurationError(f"{place}: must be a list of whole percents such as [50, 80, 100]")
    if len(given) > THRESHOLDS_MAX:
        raise ConfigurationError(f"{place}: more than {THRESHOLDS_MAX} thresholds")
    percents = tuple(whole(value, place, least=1, most=THRESHOLD_PERCENT_MAX) for value in given)
    if list(percents) != sorted(set(percents)):
        raise ConfigurationError(f"{place}: {list(percents)} must rise")
    if action in STOPPING and percents and percents[-1] > 100:
        raise ConfigurationError(
            f"{place}: {percents[-1]} is never reached, because the action {action!r} stops spending at 100"
        )
    return percents


def _sentence(given: object, place: str, action: BudgetAction) -> str:
    if given is None:
        return SENTENCE_DEFAULT
    if action not in STOPPING:
        raise ConfigurationError(f"{place}: nobody would hear it, because the action {action!r} refuses no turn")
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise ConfigurationError(f"{place}: {given!r} is no sentence that can be spoken; write one line of text")
    if len(given) > SENTENCE_CHARACTERS_MAX:
        raise ConfigurationError(
            f"{place}: {len(given)} characters are more than the {SENTENCE_CHARACTERS_MAX} that a caller listens to"
        )
    return given.strip()


def _nearest(key: str) -> str:
    if key == "session":
        return "to give each session a budget of its own, write `window: session`"
    return nearest(key, _KEYS) or f"known are {', '.join(_KEYS)}"
