"""Attach: meter the plugins of an agent session that were built without the gateway."""

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from voicegateway import tracing
from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway.registry import PROVIDERS, fingerprint, provider_of
from voicegateway.runtime import current_runtime
from voicegateway_shared.usage import Modality

_INNER: Final = ("_stt_instances", "_llm_instances", "_tts_instances")
"""Where LiveKit's FallbackAdapters keep the plugins that do the work."""
_WRAPPED: Final = ("_stt", "_wrapped_tts", "_tts")
"""Where LiveKit's StreamAdapters keep theirs."""


def attach(session: Any, *, project: str | None = None) -> Any:
    """Meter every STT, LLM and TTS of an `AgentSession`, and of each agent it runs, from now on.

    Call it before `session.start()`. Returns the session. Never raises: what cannot be metered is logged,
    and the call goes on. Plugins inside LiveKit's own FallbackAdapter and StreamAdapter are metered one by one.
    """
    try:
        tracing.configure_from_environment()
        current_runtime()
        _meter(session, project)
        session.start = _metering_agent(session.start, project)
        session.update_agent = _metering_agent(session.update_agent, project)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        current_runtime().hook_failed("attach", error)
    return session


def _metering_agent(method: Callable[..., Any], project: str | None) -> Callable[..., Any]:
    def metering_agent(*args: Any, **kwargs: Any) -> Any:
        agent = args[0] if args else kwargs.get("agent")
        if agent is not None:
            try:
                _meter(agent, project)
            except Exception as error:  # noqa: BLE001 - metering must not fail a call
                current_runtime().hook_failed("attach", error)
        return method(*args, **kwargs)

    return metering_agent


def _meter(owner: Any, project: str | None) -> None:
    for name in ("stt", "llm", "tts"):
        for plugin in _instances(getattr(owner, f"_{name}", None)):
            modality = _modality(plugin)
            if modality is None:
                continue
            provider = provider_of(plugin)
            facts = PluginFacts(provider=provider, modality=modality, project=project, key_id=_key_id(plugin, provider))
            instrument(plugin, facts)


def _instances(plugin: Any) -> Iterator[Any]:
    """The plugins that really talk to a vendor behind one that may be an adapter."""
    inner = next((getattr(plugin, name) for name in _INNER if hasattr(plugin, name)), None)
    if inner is not None:
        for member in inner:
            yield from _instances(member)
        return
    if type(plugin).__name__ == "StreamAdapter":
        wrapped = next((getattr(plugin, name) for name in _WRAPPED if hasattr(plugin, name)), None)
        if wrapped is not None:
            yield from _instances(wrapped)
        return
    if plugin is not None:
        yield plugin


def _modality(plugin: Any) -> Modality | None:
    from livekit.agents import llm, stt, tts

    if isinstance(plugin, stt.STT):
        return "stt"
    if isinstance(plugin, llm.LLM):
        return "llm"
    return "tts" if isinstance(plugin, tts.TTS) else None


def _key_id(plugin: Any, provider: str) -> str:
    key = getattr(plugin, "_api_key", None) or getattr(getattr(plugin, "_opts", None), "api_key", None)
    key = key or getattr(getattr(plugin, "_client", None), "api_key", None)
    if not isinstance(key, str) and provider in PROVIDERS:
        key = os.environ.get(PROVIDERS[provider].key_variable)
    return fingerprint(key if isinstance(key, str) else None)
