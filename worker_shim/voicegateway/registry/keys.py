"""Keys of vendors: where they are found, and the short names by which they are told apart."""

import inspect
import os
from collections.abc import Mapping
from typing import Any, Final

from voicegateway.registry.provider import PluginClass, Provider
from voicegateway_shared.errors import MissingKey

KEY_NAMES: Final = ("api_key", "api_token", "speech_key", "secret")
"""How constructors name a key."""
CREDENTIAL_NAMES: Final = (
    "client", "session", "credentials", "credentials_info", "credentials_file", "access_token", "token_provider",
    "azure_ad_token", "azure_ad_token_provider", "speech_auth_token", "entra_token", "jwt_token",
)  # fmt: skip
"""How they name what makes a key needless."""


def key_variables(provider: Provider, plugin_class: PluginClass | None = None) -> tuple[str, ...]:
    """Return the environment variables of a provider's key; one class may have other ones than the rest."""
    own = None if plugin_class is None else plugin_class.key_variables
    return provider.key_variables if own is None else own


def set_key(variables: tuple[str, ...]) -> str | None:
    """Return the first key that is set."""
    return next((os.environ[name] for name in variables if os.environ.get(name)), None)


def find_key(provider: Provider, plugin_class: PluginClass, given: Mapping[str, Any]) -> str | None:
    """Return the key that the plugin will use, if it is one that can be seen.

    Raises:
        MissingKey: it needs one, and none was passed nor set; names the variable.
    """
    for name in KEY_NAMES:
        if isinstance(given.get(name), str) and given[name]:
            return str(given[name])
    if any(given.get(name) is not None for name in CREDENTIAL_NAMES):
        key = getattr(given.get("client"), "api_key", None)
        return key if isinstance(key, str) else None
    variables = key_variables(provider, plugin_class)
    key = set_key(variables)
    if key is None and variables and provider.is_key_needed:
        raise MissingKey(f"{provider.name}: no API key; set {' or '.join(variables)} or pass api_key=…")
    return key


def has_credentials(given: Mapping[str, Any]) -> bool:
    """Whether the caller brings a key, or what makes one needless."""
    return any(given.get(name) for name in KEY_NAMES) or any(given.get(name) is not None for name in CREDENTIAL_NAMES)


def key_name(parameters: Mapping[str, inspect.Parameter]) -> str | None:
    """Return how a constructor names its key; None where it takes none."""
    name = next((name for name in KEY_NAMES if name in parameters), None)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    return name or (KEY_NAMES[0] if takes_any else None)


def key_in(plugin: Any) -> str | None:
    """Return the key that a plugin instance holds, where plugins keep it; None where it is not seen."""
    holders = (getattr(plugin, name, None) for name in ("_opts", "_client"))
    found = (getattr(plugin, "_api_key", None), *(getattr(holder, "api_key", None) for holder in holders))
    return next((key for key in found if isinstance(key, str) and key), None)
