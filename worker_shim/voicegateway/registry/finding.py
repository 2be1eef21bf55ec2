"""Finding a provider by its id: those we name, LiveKit's other plugins, third parties', and any other plugin here."""

from voicegateway.registry.keys import set_key
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import Provider


def find_provider(name: str) -> Provider | None:
    """Return what is known of a provider; None where nobody has heard of it."""
    return NAMED.get(name)


def known_names() -> list[str]:
    """Return the ids that an error message names."""
    return sorted(NAMED)


def environment_key(name: str) -> str | None:
    """Return the key that is set for a provider, where one is."""
    provider = find_provider(name)
    return None if provider is None else set_key(provider.key_variables)
