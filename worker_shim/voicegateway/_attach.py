"""Attach: meter the plugins of an agent session that were built without the gateway."""

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

from voicegateway import tracing
from voicegateway.identity import current_identity, current_job
from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway.registry import key_id_of, provider_of
from voicegateway.runtime import current_runtime
from voicegateway_shared.usage import Modality

_INNER: Final = ("_stt_instances", "_llm_instances", "_tts_instances")
"""Where LiveKit's FallbackAdapters keep the plugins that do the work."""
_WRAPPED: Final = ("_stt", "_wrapped_tts", "_tts")
"""Where LiveKit's StreamAdapters keep theirs."""


_ATTACHED: Final = "_voicegateway_attached"
"""Mark on a session or an agent whose plugins are metered as they come."""
_MODALITIES: Final[tuple[Modality, ...]] = ("stt", "llm", "tts")


def attach(session: Any, *, project: str | None = None) -> Any:
    """Meter every STT, LLM, TTS and realtime model of an `AgentSession`, and of each agent it runs, from now on.

    Call it before `session.start()`. Returns the session. Never raises: what cannot be metered is logged,
    and the call goes on. Plugins inside LiveKit's own FallbackAdapter and StreamAdapter are metered one by one.
    """
    try:
        tracing.configure_from_environment()
        current_runtime()
        _meter_session(session, project)
        _carry(session)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        current_runtime().hook_failed("attach", error)
    return session


def _carry(session: Any) -> None:
    """Let it be ended from elsewhere before it has made a request; without a loop its first request does that."""
    from livekit.agents import AgentSession

    if not isinstance(session, AgentSession):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    current_runtime().sessions.met(session, current_identity(), current_job())


def _meter_session(session: Any, project: str | None) -> None:
    if hasattr(session, _ATTACHED):
        return
    setattr(session, _ATTACHED, True)
    _meter_plugins(session, project)

    def meter_agent(*args: Any, **kwargs: Any) -> None:
        agent = args[0] if args else kwargs.get("agent")
        if agent is not None and not hasattr(agent, _ATTACHED):
            setattr(agent, _ATTACHED, True)
            _meter_plugins(agent, project)
            _precede(agent, "update_options", meter_options)

    def meter_options(**options: Any) -> None:
        for name in _MODALITIES:
            _meter_plugin(options.get(name), project)

    # Tasks that take over a call for a while come through the last one only.
    for name in ("start", "update_agent", "_update_activity"):
        _precede(session, name, meter_agent)


def _precede(owner: Any, name: str, look: Callable[..., None]) -> None:
    """Look at what a method is given before each call of it."""
    method = getattr(owner, name, None)
    if method is None:
        return

    @functools.wraps(method)
    def preceded(*args: Any, **kwargs: Any) -> Any:
        try:
            look(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("attach", error)
        return method(*args, **kwargs)

    setattr(owner, name, preceded)


def _meter_plugins(owner: Any, project: str | None) -> None:
    for name in _MODALITIES:
        _meter_plugin(getattr(owner, f"_{name}", None), project)


def _meter_plugin(plugin: Any, project: str | None) -> None:
    for inner in _instances(plugin):
        modality = _modality(inner)
        if modality is None:
            continue
        provider = provider_of(inner)
        facts = PluginFacts(provider=provider, modality=modality, project=project, key_id=key_id_of(inner, provider))
        instrument(inner, facts)


def _instances(plugin: Any) -> Iterator[Any]:
    """The plugins that really talk to a vendor behind one that may be an adapter."""
    inner = next((getattr(plugin, name) for name in _INNER if hasattr(plugin, name)), None)
    if type(plugin).__name__ == "RealtimeModelFallbackAdapter":
        inner = getattr(plugin, "_models", None)
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
    if isinstance(plugin, llm.RealtimeModel):
        return "realtime"
    return "tts" if isinstance(plugin, tts.TTS) else None
