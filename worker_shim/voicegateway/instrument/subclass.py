"""Dynamic subclass in place: an instrumented instance stays what it was, for isinstance, repr and its own state."""

import logging
from typing import Any

from voicegateway.budgets import pricing
from voicegateway.instrument import events, lent_key, llm, realtime, stt, surface, tts, vendor_signals
from voicegateway.record import PluginFacts
from voicegateway.routing.route import Route
from voicegateway.runtime import current_runtime

logger = logging.getLogger("voicegateway")

FACTS = "_voicegateway_facts"
ROUTE = "_voicegateway_route"

_classes: dict[type, type] = {}
_said: set[str] = set()
_METHODS = {"llm": llm.methods, "stt": stt.methods, "tts": tts.methods, "realtime": realtime.methods}


def is_instrumented(plugin: Any) -> bool:
    """True when every request of this instance is metered already."""
    return hasattr(plugin, FACTS)


def instrument(plugin: Any, facts: PluginFacts) -> Any:
    """Meter every request of a plugin instance from now on; returns the same instance, idempotent.

    Never raises: where livekit-agents or the class does not allow the full hooks, it degrades to the
    plugin's own metrics events, says so once, and the call goes on.
    """
    if is_instrumented(plugin):
        return plugin
    try:
        setattr(plugin, FACTS, facts)
        missing = surface.missing(facts.modality)
        if missing:
            _say_once(facts.modality, missing)
            events.subscribe(plugin, facts)
            return plugin
        plugin.__class__ = _subclass(type(plugin), facts.modality)
        vendor_signals.watch_http(plugin)
        pricing.plugin_met((facts.provider, str(getattr(plugin, "model", "") or "unknown"), facts.modality))
    except Exception as error:  # noqa: BLE001 - whatever a foreign class refuses, the call must go on
        current_runtime().hook_failed(f"instrument({type(plugin).__name__})", error)
    return plugin


def stand_together(route: Route) -> None:
    """Let each request of a route's front be served by whichever member may, and closing it close them all."""
    plugin = route.front.plugin
    aclose = plugin.aclose

    async def close_all() -> None:
        try:
            await aclose()
        finally:
            await route.aclose()

    setattr(plugin, ROUTE, route)
    plugin.aclose = close_all


def _say_once(modality: str, missing: tuple[str, ...]) -> None:
    if modality in _said:
        return
    _said.add(modality)
    logger.warning(
        "voicegateway: livekit-agents has no %s: %s is metered by events only, and requests that end early are not "
        "seen; use livekit-agents 1.8",
        ", ".join(missing),
        modality,
    )


def _subclass(cls: type, modality: str) -> type:
    found = _classes.get(cls)
    if found is None:
        namespace = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__doc__": cls.__doc__,
            ROUTE: None,
            lent_key.LOAN: None,
            **_METHODS[modality](cls),
        }
        found = _classes[cls] = type(cls.__name__, (cls,), namespace)
    return found
