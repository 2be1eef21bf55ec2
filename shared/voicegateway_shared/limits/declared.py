"""Readers that every declaration shares, of limits and of budgets: whom it is about, what it is called."""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.selector import Selector
from voicegateway_shared.usage import Modality

MODALITIES: Final[tuple[Modality, ...]] = ("stt", "llm", "tts", "realtime")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def read_selector(given: Mapping[str, str], place: str, *, providers: Collection[str]) -> Selector:
    """Return whom it is about; refuse a provider or a modality that does not exist."""
    provider = given.get("provider")
    if provider is not None and provider not in providers:
        mend = nearest(provider, sorted(providers)) or f"known are {', '.join(sorted(providers))}"
        raise ConfigurationError(f"{place}.provider: unknown provider {provider!r}; {mend}")
    if given.get("modality", "llm") not in MODALITIES:
        raise ConfigurationError(f"{place}.modality: {given['modality']!r} is none of {', '.join(MODALITIES)}")
    return Selector(**given)


def read_name(given: object, place: str) -> str:
    """Return a name that may stand in a key."""
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ConfigurationError(
            f"{place}: {given!r} must be 1 to 64 of a-z, 0-9, '.', '_', '-', and begin with a letter or digit"
        )
    return given


def nearest(key: str, known: Sequence[str]) -> str | None:
    """Return the question whether a key that looks alike was meant; None when none does."""
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None
