"""Registry: from a model string to the native LiveKit plugin instance, by the signature of its class."""

from voicegateway.registry.finding import environment_key, key_id_of
from voicegateway.registry.listing import ProviderStatus, providers
from voicegateway.registry.owner import provider_of
from voicegateway.registry.provider import PluginClass, Provider
from voicegateway.registry.resolving import Resolved, look, parameters_of, resolve
from voicegateway_shared.fingerprints import fingerprint

__all__ = [
    "PluginClass",
    "Provider",
    "ProviderStatus",
    "Resolved",
    "environment_key",
    "fingerprint",
    "key_id_of",
    "look",
    "parameters_of",
    "provider_of",
    "providers",
    "resolve",
]
