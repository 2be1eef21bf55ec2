"""Listing: every provider that this process can name, for people."""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from voicegateway.registry.installed import is_installed
from voicegateway.registry.keys import key_variables, set_key
from voicegateway.registry.livekit_plugins import LIVEKIT, NOT_MODELS, guessed
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import Provider, Source
from voicegateway.registry.third_party import third_parties
from voicegateway_shared.usage import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """What can be said of a provider here and now without importing its plugin."""

    name: str
    modalities: tuple[Modality, ...]
    """What it does; empty: a plugin that nobody told us of, and that has not been looked into."""
    installed: tuple[Modality, ...]
    """Those of it whose package is here."""
    has_key: bool | None
    """Whether one of its key's variables is set; None: it has no key, or none that we know of."""
    key_variables: tuple[str, ...]
    install: str
    """What to `pip install` for it."""
    source: Source


def providers() -> tuple[ProviderStatus, ...]:
    """Return every provider's status: those we name, then the others by name. Loads third parties' entry points."""
    others = {**third_parties(), **LIVEKIT}
    known = [*NAMED.values(), *(others[name] for name in sorted(others) if name not in NAMED)]
    return tuple(_status(provider) for provider in (*known, *_not_told_of(known)))


def _status(provider: Provider) -> ProviderStatus:
    classes = [each for of_modality in provider.classes.values() for each in of_modality]
    variables = tuple(dict.fromkeys(name for each in classes for name in key_variables(provider, each)))
    return ProviderStatus(
        name=provider.name,
        modalities=() if provider.source == "guess" else provider.modalities,
        installed=tuple(name for name in provider.modalities if any(map(is_installed, provider.classes[name]))),
        has_key=set_key(variables) is not None if variables else None,
        key_variables=variables,
        install=provider.install,
        source=provider.source,
    )


def _not_told_of(known: list[Provider]) -> Iterator[Provider]:
    """Plugins that are installed and in none of our tables."""
    try:
        spec = find_spec("livekit.plugins")
    except ImportError:
        return
    told_of = {each.module for provider in known for of in provider.classes.values() for each in of}
    for module in sorted(pkgutil.iter_modules((spec and spec.submodule_search_locations) or []), key=lambda m: m.name):
        if f"livekit.plugins.{module.name}" not in told_of and module.name not in NOT_MODELS:
            yield guessed(module.name.replace("_", "-"))
