"""VoiceGateway's worker shim: metered native LiveKit plugins, and what each call costs.

Importing it is light: no LiveKit, socket, thread or file before the first request.
"""

from typing import TYPE_CHECKING, Any

from voicegateway_shared.errors import (
    ConfigurationError,
    MissingKey,
    MissingPackage,
    NoCandidate,
    UnknownModel,
    VoiceGatewayError,
)

if TYPE_CHECKING:
    from voicegateway._attach import attach
    from voicegateway._gateway import Gateway
    from voicegateway.options import Options
    from voicegateway_shared.routing import ChainModel

    gateway: Gateway

__all__ = [
    "ChainModel",
    "ConfigurationError",
    "Gateway",
    "MissingKey",
    "MissingPackage",
    "NoCandidate",
    "Options",
    "UnknownModel",
    "VoiceGatewayError",
    "attach",
    "gateway",
]

_HOMES = {"ChainModel": "routing.asked", "Gateway": "_gateway", "Options": "options", "attach": "_attach"}


def __getattr__(name: str) -> Any:
    """Load the public names on first use (PEP 562); `gateway` is the process's default `Gateway`."""
    import importlib
    import sys

    module = sys.modules[__name__]
    if name == "gateway":
        value: Any = importlib.import_module("voicegateway._gateway").Gateway()
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"voicegateway.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    setattr(module, name, value)
    return value
