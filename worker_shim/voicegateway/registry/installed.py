"""Installed: whether a plugin's package is here, found without importing it."""

import importlib.util
import sys

from voicegateway.registry.provider import PluginClass


def is_installed(plugin_class: PluginClass) -> bool:
    """Whether the package of a class, and all it needs, is here."""
    return all(is_here(module) for module in (plugin_class.module, *plugin_class.needs))


def is_here(module: str) -> bool:
    """Whether a module can be imported; imports at most the packages around it."""
    if module in sys.modules:
        return sys.modules[module] is not None
    if module not in _seen and _is_found(module):
        _seen.add(module)
    return module in _seen


_seen: set[str] = set()
"""Modules that were found: what is installed stays so, what is not may come. As many as there are plugins here."""


def _is_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
