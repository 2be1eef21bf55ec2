"""Third parties: providers that other distributions bring, by the entry point group `voicegateway.providers`.

An entry point's name is the provider's id, its object a `Provider`, or a function without arguments that returns one.
"""

import logging
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from types import MappingProxyType
from typing import Final

from voicegateway.registry.provider import Provider

logger = logging.getLogger("voicegateway")

GROUP: Final = "voicegateway.providers"
THIRD_PARTIES_MAX: Final = 100
"""Far more than anybody installs; the rest is told and left out."""


@cache
def third_parties() -> Mapping[str, Provider]:
    """Return the providers of the distributions that are installed, by id; loaded once per process.

    One that cannot be loaded, or is no `Provider` of its entry point's name, is logged and left out: other people's
    packages must not take a worker's models away.
    """
    found: dict[str, Provider] = {}
    points = sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    if len(points) > THIRD_PARTIES_MAX:
        logger.error("voicegateway: %d entry points in %s; %d are read", len(points), GROUP, THIRD_PARTIES_MAX)
    for point in points[:THIRD_PARTIES_MAX]:
        provider = _loaded(point)
        if provider is not None and found.setdefault(provider.name, provider) is not provider:
            logger.error("voicegateway: provider %s: a second one, %s, is left out", point.name, point.value)
    return MappingProxyType(found)


def _loaded(point: metadata.EntryPoint) -> Provider | None:
    try:
        given = point.load()
        provider = given() if callable(given) and not isinstance(given, Provider) else given
    except Exception:  # a package of somebody else's
        logger.exception("voicegateway: provider %s (%s) cannot be loaded and is left out", point.name, point.value)
        return None
    if not isinstance(provider, Provider) or provider.name != point.name:
        logger.error(
            "voicegateway: provider %s (%s) is left out: it must be a voicegateway.registry.Provider of that name",
            point.name, point.value,
        )  # fmt: skip
        return None
    return provider
