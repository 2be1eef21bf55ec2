"""Owner: whose a plugin instance is that we did not make."""

from typing import Any


def provider_of(plugin: Any) -> str:
    """Our provider id of a plugin instance: the name of its `livekit.plugins.*` package.

    The plugin's own `.provider` is a host name behind a proxy and "livekit" for inference.
    """
    for cls in type(plugin).__mro__:
        parts = cls.__module__.split(".")
        if parts[:2] in (["livekit", "plugins"], ["voicegateway", "local"]) and len(parts) > 2:
            return parts[2].replace("_", "-")
    return str(getattr(plugin, "provider", "") or "unknown").lower()
