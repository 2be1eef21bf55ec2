"""Owner: whose a plugin instance is that we did not make."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from voicegateway.registry.livekit_plugins import LIVEKIT
from voicegateway.registry.named import NAMED
from voicegateway.registry.region import host_of

_OURS: Final = (["livekit", "plugins"], ["voicegateway", "local"])
_OPENAI: Final = "livekit.plugins.openai"
_AZURE_SUFFIX: Final = ".openai.azure.com"


def provider_of(plugin: Any) -> str:
    """Our provider id of a plugin instance: the name of its `livekit.plugins.*` package.

    The plugin's own `.provider` is a host name behind a proxy and "livekit" for inference. Only for those who speak
    OpenAI's protocol, and whom its plugin is made for as well, does the host decide.
    """
    for cls in type(plugin).__mro__:
        parts = cls.__module__.split(".")
        if parts[:2] in _OURS and len(parts) > 2:
            name = parts[2].replace("_", "-")
            return name if name != "openai" else _by_host(str(getattr(plugin, "provider", "")).lower())
    return str(getattr(plugin, "provider", "") or "unknown").lower()


def _by_host(host: str) -> str:
    return "azure" if host.endswith(_AZURE_SUFFIX) else _speakers_of_openais_protocol().get(host, "openai")


@cache
def _speakers_of_openais_protocol() -> Mapping[str, str]:
    """Those whom the OpenAI plugin has a factory for, by the host in it."""
    from livekit.plugins import openai

    found: dict[str, str] = {}
    for provider in (*NAMED.values(), *LIVEKIT.values()):
        for each in (each for classes in provider.classes.values() for each in classes):
            cls, _, factory = each.path.removeprefix(f"{_OPENAI}:").partition(".")
            make = getattr(getattr(openai, cls, None), factory, None) if each.module == _OPENAI else None
            if factory.startswith("with_") and make is not None:
                found[host_of(inspect.signature(make).parameters["base_url"].default)] = provider.name
    # Of Azure's there is none: each customer has an own one.
    return {host: name for host, name in found.items() if host}
