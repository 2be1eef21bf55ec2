"""Region: the host that a plugin talks to, where it is not its vendor's usual one."""

import inspect
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from voicegateway.registry.provider import PluginClass, Provider

ADDRESS_NAMES: Final = (
    "base_url", "ws_url", "websocket_url", "endpoint_url", "model_endpoint", "speech_endpoint", "azure_endpoint",
    "invoke_url", "slng_base_url", "server", "speech_host", "endpoint", "url",
)  # fmt: skip
"""How constructors name an address."""
REGION_NAMES: Final = ("region", "speech_region", "location", "region_override")
"""How they name a vendor's own region."""
OWN_MACHINE: Final = "localhost"
"""Region of what runs on the worker's own machine."""


def region_of(
    provider: Provider,
    plugin_class: PluginClass,
    parameters: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, Any],
) -> str:
    """Return `host[:port]` of an address that is not the vendor's own, or the region that was asked for; else "".

    An argument says it before the environment does, and a client of the caller's own before both.
    """
    if provider.is_local:
        return OWN_MACHINE
    defaults = [host_of(parameters[name].default) for name in ADDRESS_NAMES if name in parameters]
    # What is served on the worker's own machine by default is not the same everywhere.
    own = [host for host in defaults if host.partition(":")[0] == OWN_MACHINE]
    usual = {*provider.hosts, *defaults} - {*own}
    client = arguments.get("client")
    addresses = [getattr(client, "base_url", None)] if client is not None else []
    addresses += [arguments.get(name) for name in ADDRESS_NAMES]
    variable = provider.address_variable if plugin_class.address_variable is None else plugin_class.address_variable
    host = next((found for address in addresses if (found := host_of(address))), "")
    host = host or host_of(os.environ.get(variable) if variable else None) or next(iter(own), "")
    if host and host not in usual:
        return host
    regions = (arguments.get(name) for name in REGION_NAMES)
    return next((region for region in regions if isinstance(region, str) and region), "")


def host_of(address: object) -> str:
    """Return the host and port of an address, in lower case; "" of what is none."""
    if address is None or not (isinstance(address, str) or hasattr(address, "host")):
        return ""
    text = str(address).strip().lower()
    try:
        return urlsplit(text if "://" in text else f"//{text}").netloc.rpartition("@")[2]
    except ValueError:
        return ""
