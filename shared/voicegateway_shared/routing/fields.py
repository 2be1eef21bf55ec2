"""Readers for single values of a routing document: each returns the value or refuses it, naming the place."""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeGuard, cast, get_args

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest
from voicegateway_shared.routing.chain import Strategy

LIKE: Final = 0.75
"""From here on a provider's name looks like another's: `opnai`, `deepgramm`."""
OPTIONS_MAX: Final = 32
OPTION_DEPTH_MAX: Final = 3
"""Mappings and lists within an option, such as a voice's settings."""
STRATEGIES: Final[tuple[str, ...]] = get_args(Strategy)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SECRET: Final = re.compile(r"(.*_)?(key|token|secret|password|credentials?)")


def reference(value: object, place: str, providers: Collection[str]) -> str:
    """A chain's name or a model string."""
    if isinstance(value, str) and "/" in value:
        return model_string(value, place, providers)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigurationError(
            f"{place}: {value!r} is neither a chain's name nor a model such as openai/gpt-4.1-mini; several models "
            "are a chain: declare it under `chains:` and name it here"
        )
    return value


def model_string(value: object, place: str, providers: Collection[str]) -> str:
    """A model as people write it; a provider that looks like a known one is a slip, another may be a worker's own."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{place}: {value!r} is no model; write provider/model")
    text = value.strip()
    provider, slash, rest = text.partition("/")
    if not slash:
        raise ConfigurationError(
            f"{place}: {value!r} is no model, and a chain cannot name a chain; write provider/model such as "
            "openai/gpt-4.1-mini"
        )
    if not _PROVIDER.fullmatch(provider) or not rest or rest != rest.strip() or not text.isprintable():
        raise ConfigurationError(f"{place}: {value!r} is no model; write provider/model such as openai/gpt-4.1-mini")
    near = get_close_matches(provider, providers, n=1, cutoff=LIKE) if provider not in providers else []
    if near:
        raise ConfigurationError(f"{place}: unknown provider {provider!r}; did you mean {near[0]!r}?")
    return text


def strategy_of(given: object, place: str) -> Strategy:
    """How a chain's models are ordered; as declared where nothing is said."""
    if given is None:
        return "order"
    if not isinstance(given, str) or given not in STRATEGIES:
        mend = nearest(str(given), STRATEGIES) or ""
        raise ConfigurationError(f"{place}: {given!r} is none of {', '.join(STRATEGIES)}" + (mend and f"; {mend}"))
    return cast(Strategy, given)


def flag(given: object, place: str) -> bool:
    """True or false; false where nothing is said."""
    if given is None:
        return False
    if not isinstance(given, bool):
        raise ConfigurationError(f"{place}: {given!r} is neither true nor false")
    return given


def whole(given: object, place: str, *, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise ConfigurationError(f"{place}: {given!r} must be a whole number from {least:,} to {most:,}")
    return given


def mapping(value: object, place: str, example: str) -> Mapping[str, Any]:
    """A mapping; `example` shows what one looks like."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{place}: must be a mapping such as {example}")
    return value


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list, of whatever."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def check_name(name: object, place: str, noun: str) -> None:
    """Refuse what is no name of a chain or a stack."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        why = "; a name with '/' would be a model string" if isinstance(name, str) and "/" in name else ""
        raise ConfigurationError(
            f"{place}: {name!r} is no {noun}'s name: 1 to 64 letters, digits, '.', '_', '-', beginning with a letter "
            f"or digit{why}"
        )


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    """Refuse keys that mean nothing, and say which was meant."""
    for key in given:
        if key not in known:
            mend = nearest(str(key), known) or f"known are {', '.join(known)}"
            raise ConfigurationError(f"{place}: unknown key {key!r}; {mend}")


def options_of(declared: object, place: str) -> dict[str, object]:
    """A plugin's keyword arguments: plain values, and no secrets."""
    if declared is None:
        return {}
    options = mapping(declared, place, "{temperature: 0.2}")
    if len(options) > OPTIONS_MAX:
        raise ConfigurationError(f"{place}: more than {OPTIONS_MAX} options")
    for name, value in options.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigurationError(f"{place}: {name!r} is no keyword argument of a plugin")
        if _SECRET.fullmatch(name):
            raise ConfigurationError(
                f"{place}.{name}: keys and secrets are never declared, because a declaration is stored and shown in "
                "plain text; set the provider's environment variable on the workers"
            )
        if name == "model":
            raise ConfigurationError(f"{place}.model: the model stands beside `options:`, not in it")
        _refuse_odd_value(value, f"{place}.{name}", depth=0)
    return dict(options)


def _refuse_odd_value(value: object, place: str, *, depth: int) -> None:
    if depth > OPTION_DEPTH_MAX:
        raise ConfigurationError(f"{place}: nested too deep for an option")
    if isinstance(value, Mapping):
        for key, each in value.items():
            if not isinstance(key, str):
                raise ConfigurationError(f"{place}: the key {key!r} is no text")
            _refuse_odd_value(each, f"{place}.{key}", depth=depth + 1)
    elif is_list(value):
        for index, each in enumerate(value):
            _refuse_odd_value(each, f"{place}[{index}]", depth=depth + 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ConfigurationError(f"{place}: {value!r} is no plain value")
