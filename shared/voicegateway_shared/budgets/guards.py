"""Guards, as they are declared: what one session may do at most."""

from collections.abc import Mapping
from typing import Final

from voicegateway_shared.budgets.budget import STOPPING, BudgetAction, Guards, LoopGuard
from voicegateway_shared.budgets.fields import AMOUNT_NANO_USD_MAX, amount, whole
from voicegateway_shared.budgets.window import WindowKind
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import PICO_PER_NANO, format_usd

DURATION_S_MIN: Final = 10
"""Less than a greeting takes."""
DURATION_S_MAX: Final = 24 * 3600
LOOP_REPEATS_MIN: Final = 2
LOOP_REPEATS_MAX: Final = 100
LOOP_WITHIN_S_MAX: Final = 3600
"""Also what a worker remembers of each session."""

_KEYS: Final = ("max_cost", "max_cost_per_min", "max_duration_s", "loop")
_LOOP_KEYS: Final = ("repeats", "within_s")


def parse_guards(
    given: object, place: str, *, window: WindowKind, action: BudgetAction, amount_nano_usd: int
) -> Guards:
    """Return the guards of one budget; window, action and amount are the budget's.

    Raises:
        ConfigurationError: a guard is wrong, or can never be reached.
    """
    if given is None:
        return Guards()
    known = _mapping(given, place, _KEYS)
    if not known:
        raise ConfigurationError(f"{place}: guards nothing; known are {', '.join(_KEYS)}")
    if "max_cost" in known and window == "session":
        raise ConfigurationError(f"{place}.max_cost: the budget's amount already says what a session may cost")
    max_cost = amount(known["max_cost"], f"{place}.max_cost") if "max_cost" in known else 0
    per_min = amount(known["max_cost_per_min"], f"{place}.max_cost_per_min") if "max_cost_per_min" in known else 0
    duration_s = 0
    if "max_duration_s" in known:
        duration_s = whole(
            known["max_duration_s"], f"{place}.max_duration_s", least=DURATION_S_MIN, most=DURATION_S_MAX
        )
    if action in STOPPING:
        # A session outlasts an hour or a day, and spends again in the next one. Only these two windows outlast it.
        session_most = amount_nano_usd if window in ("session", "total") else AMOUNT_NANO_USD_MAX
        _refuse_unreachable(max_cost, session_most, f"{place}.max_cost", "the budget's amount")
        _refuse_unreachable(
            per_min, max_cost or session_most, f"{place}.max_cost_per_min", "what a session may cost at all"
        )
    loop = _loop(known["loop"], f"{place}.loop") if "loop" in known else None
    return Guards(max_cost_nano_usd=max_cost, max_cost_per_min_nano_usd=per_min, max_duration_s=duration_s, loop=loop)


def _loop(given: object, place: str) -> LoopGuard:
    known = _mapping(given, place, _LOOP_KEYS)
    for key in _LOOP_KEYS:
        if key not in known:
            raise ConfigurationError(f"{place}.{key}: is missing; write {{repeats: 5, within_s: 60}}")
    return LoopGuard(
        repeats=whole(known["repeats"], f"{place}.repeats", least=LOOP_REPEATS_MIN, most=LOOP_REPEATS_MAX),
        within_s=whole(known["within_s"], f"{place}.within_s", least=1, most=LOOP_WITHIN_S_MAX),
    )


def _mapping(given: object, place: str, keys: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{place}: must be a mapping of {', '.join(keys)}")
    known: dict[str, object] = {}
    for key, value in given.items():
        if key not in keys:
            raise ConfigurationError(f"{place}: unknown key {key!r}; known are {', '.join(keys)}")
        known[key] = value
    return known


def _refuse_unreachable(nano_usd: int, most_nano_usd: int, place: str, reason: str) -> None:
    if nano_usd > most_nano_usd:
        raise ConfigurationError(
            f"{place}: {format_usd(nano_usd * PICO_PER_NANO)} is above {reason} "
            f"({format_usd(most_nano_usd * PICO_PER_NANO)}), so it can never be reached; lower it"
        )
