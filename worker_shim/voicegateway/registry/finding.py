"""Finding a provider by its id: those we name, LiveKit's other plugins, third parties', and any other plugin here."""

import re
from typing import Final

from voicegateway.registry.installed import is_here
from voicegateway.registry.keys import set_key
from voicegateway.registry.livekit_plugins import ALIASES, LIVEKIT, NOT_MODELS, guessed
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import Provider
from voicegateway.registry.third_party import third_parties

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
