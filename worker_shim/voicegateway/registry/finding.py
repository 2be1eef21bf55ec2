"""Finding a provider by its id: those we name, LiveKit's other plugins, third parties', and any other plugin here."""

import re
from typing import Any, Final

from voicegateway.registry.installed import is_here
from voicegateway.registry.keys import key_in, key_variables, set_key
from voicegateway.registry.livekit_plugins import ALIASES, LIVEKIT, NOT_MODELS, guessed
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import Provider
from voicegateway.registry.third_party import third_parties
from voicegateway_shared.fingerprints import fingerprint

_PLUGIN_NAME: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def find_provider(name: str) -> Provider | None:
    """Return what is known of a provider; None where nobody has heard of it.

    Ours and LiveKit's come before third parties', so that installing a package changes nothing that worked.
    """
    name = ALIASES.get(name, name)
    provider = NAMED.get(name) or LIVEKIT.get(name) or third_parties().get(name)
    if provider is not None or not _PLUGIN_NAME.fullmatch(name):
        return provider
    module = name.replace("-", "_")
    if module in NOT_MODELS or not is_here(f"livekit.plugins.{module}"):
        return None
    return guessed(module.replace("_", "-"))


def environment_key(name: str) -> str | None:
    """Return the key that is set for a provider, where one is."""
    provider = find_provider(name)
    return None if provider is None else set_key(provider.key_variables)


def key_id_of(plugin: Any, name: str) -> str:
    """Return the fingerprint of the key of a plugin that we did not make, as it would be had we made it."""
    provider = find_provider(name)
    if provider is not None and provider.source != "guess":
        classes = (each for of_modality in provider.classes.values() for each in of_modality)
        if not any(key_variables(provider, each) for each in classes):
            # Ollama's plugin holds a word that OpenAI's client wants, and nobody checks.
            return ""
    return fingerprint(key_in(plugin) or environment_key(name))
