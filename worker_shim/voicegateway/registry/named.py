"""The eleven providers we name: what LiveKit's plugins of 1.8 and our own local ones need to be told."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from voicegateway.model_id import ModelId
from voicegateway.registry.provider import PluginClass, Provider

OLLAMA_PORT: Final = 11434
AURA_LANGUAGE: Final = "en"
"""Of Deepgram's voices that are named without one."""


def _flux(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """Flux hears English, or any language with a hint at some; only the latter is told to the vendor."""
    model = "flux-general-en" if model_id.model == "flux-general" else model_id.model
    if model == "flux-general-multi" and model_id.variant not in (None, "multi"):
        return {"model": model, "language_hint": [model_id.variant]}
    return {"model": model}


def _aura(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """Deepgram's voices are models of their own: `aura-2:andromeda` is its `aura-2-andromeda-en`."""
    if model_id.variant is None:
        model = {"aura": "aura-asteria-en", "aura-2": "aura-2-andromeda-en"}.get(model_id.model, model_id.model)
        return {"model": model}
    voice = model_id.variant if "-" in model_id.variant else f"{model_id.variant}-{AURA_LANGUAGE}"
    return {"model": f"{model_id.model}-{voice}"}


def _universal_streaming(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """AssemblyAI's first streaming models are one for English and one for all else; neither takes a language."""
    if model_id.model != "universal-streaming":
        return {"model": model_id.model}
    is_english = (model_id.variant or "en").partition("-")[0].lower() == "en"
    return {"model": "universal-streaming-english" if is_english else "universal-streaming-multilingual"}


def _ollama(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """OLLAMA_HOST is written as Ollama's own programs take it: with or without scheme and port."""
    arguments: dict[str, Any] = {"model": model_id.model}
    written = os.environ.get("OLLAMA_HOST", "").strip()
    if written and "client" not in given:
        parts = urlsplit(written if "://" in written else f"http://{written}")
        # What a server listens on is no address to call.
        host = {"0.0.0.0": "localhost", "": "localhost"}.get(parts.hostname or "", parts.hostname)  # nosec B104
        port = parts.port or (443 if parts.scheme == "https" else OLLAMA_PORT)
        path = parts.path.rstrip("/") or "/v1"
        arguments["base_url"] = f"{parts.scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}{path}"
    return arguments


def _plugin(name: str, cls: str, **facts: Any) -> tuple[PluginClass, ...]:
    return (PluginClass(path=f"livekit.plugins.{name}:{cls}", **facts),)


_NAMED: Final = (
    Provider(
        name="openai",
        classes={
            "stt": _plugin("openai", "STT"),
            "llm": (
                *_plugin("openai", "LLM"),
                # Its websocket goes to OpenAI whatever OPENAI_BASE_URL says.
                *_plugin("openai", "responses.LLM", api="responses", address_variable=""),
            ),
            "tts": _plugin("openai", "TTS"),
            "realtime": _plugin("openai", "realtime.RealtimeModel"),
        },
        install="voicegateway[openai]",
        key_variables=("OPENAI_API_KEY",),
        hosts=("api.openai.com",),
        address_variable="OPENAI_BASE_URL",
        source="voicegateway",
    ),
    Provider(
        name="deepgram",
        classes={
            "stt": (
                *_plugin("deepgram", "STTv2", models=("flux-*",), adapt=_flux),
                *_plugin("deepgram", "STT"),
            ),
            "tts": (
                *_plugin("deepgram", "TTSv2", models=("flux", "flux-*"), adapt=_aura),
                *_plugin("deepgram", "TTS", adapt=_aura),
            ),
        },
        install="voicegateway[deepgram]",
        key_variables=("DEEPGRAM_API_KEY",),
        hosts=("api.deepgram.com",),
        source="voicegateway",
    ),
    Provider(
        name="cartesia",
        classes={"stt": _plugin("cartesia", "STT"), "tts": _plugin("cartesia", "TTS")},
        install="voicegateway[cartesia]",
        key_variables=("CARTESIA_API_KEY",),
        hosts=("api.cartesia.ai",),
        source="voicegateway",
    ),
    Provider(
        name="anthropic",
        classes={"llm": _plugin("anthropic", "LLM")},
        install="voicegateway[anthropic]",
        key_variables=("ANTHROPIC_API_KEY",),
        hosts=("api.anthropic.com",),
        address_variable="ANTHROPIC_BASE_URL",
        source="voicegateway",
    ),
    Provider(
        name="groq",
        classes={"stt": _plugin("groq", "STT"), "llm": _plugin("groq", "LLM"), "tts": _plugin("groq", "TTS")},
        install="voicegateway[groq]",
        key_variables=("GROQ_API_KEY",),
        hosts=("api.groq.com",),
        source="voicegateway",
    ),
    Provider(
        name="elevenlabs",
        classes={"stt": _plugin("elevenlabs", "STT"), "tts": _plugin("elevenlabs", "TTS")},
        install="voicegateway[elevenlabs]",
        key_variables=("ELEVEN_API_KEY",),
        hosts=("api.elevenlabs.io",),
        source="voicegateway",
    ),
    Provider(
        name="assemblyai",
        classes={
            "stt": (
                *_plugin("assemblyai", "STT", models=("universal-streaming*",), adapt=_universal_streaming),
                *_plugin("assemblyai", "STT"),
            ),
            "tts": _plugin("assemblyai", "TTS"),
        },
        install="voicegateway[assemblyai]",
        key_variables=("ASSEMBLYAI_API_KEY",),
        hosts=("streaming.assemblyai.com", "tts.us.assemblyai.com"),
        source="voicegateway",
    ),
    Provider(
        name="ollama",
        classes={"llm": _plugin("openai", "LLM.with_ollama", adapt=_ollama)},
        install="voicegateway[ollama]",
        address_variable="OLLAMA_HOST",
        source="voicegateway",
    ),
    Provider(
        name="whisper",
        classes={"stt": (PluginClass(path="voicegateway.local.whisper:STT", needs=("faster_whisper",)),)},
        install="voicegateway[whisper]",
        is_local=True,
        source="voicegateway",
    ),
    Provider(
        name="kokoro",
        classes={"tts": (PluginClass(path="voicegateway.local.kokoro:TTS", needs=("kokoro_onnx",)),)},
        install="voicegateway[kokoro]",
        is_local=True,
        source="voicegateway",
    ),
    Provider(
        name="piper",
        classes={"tts": (PluginClass(path="voicegateway.local.piper:TTS", needs=("piper",)),)},
        install="voicegateway[piper]",
        is_local=True,
        source="voicegateway",
    ),
)
NAMED: Final[Mapping[str, Provider]] = MappingProxyType({provider.name: provider for provider in _NAMED})
