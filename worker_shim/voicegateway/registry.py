"""Registry: from a model string to the native LiveKit plugin instance, by the signature of its class."""

import hashlib
import importlib
import inspect
import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from voicegateway.model_id import ModelId
from voicegateway_shared.errors import ConfigurationError, MissingKey, MissingPackage, UnknownModel
from voicegateway_shared.usage import Modality

CLASS_NAMES: Final = MappingProxyType({"stt": "STT", "llm": "LLM", "tts": "TTS"})

# How plugins name the same parameter; found by reading every livekit-plugins-* constructor of 1.8.
MODEL_NAMES: Final = ("model", "model_id")
VOICE_NAMES: Final = ("voice", "voice_id", "speaker", "voice_name", "voice_uuid", "reference_id")
LANGUAGE_NAMES: Final = ("language", "language_code", "language_codes", "languages", "lang_code")
KEY_NAMES: Final = ("api_key", "api_token", "speech_key", "secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One vendor: its plugin module, the variable that holds its key, and the extra that installs it."""

    name: str
    key_variable: str
    modalities: tuple[Modality, ...]

    @property
    def module(self) -> str:
        return f"livekit.plugins.{self.name.replace('-', '_')}"


PROVIDERS: Final = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            Provider(name="deepgram", key_variable="DEEPGRAM_API_KEY", modalities=("stt", "tts")),
            Provider(name="openai", key_variable="OPENAI_API_KEY", modalities=("stt", "llm", "tts")),
            Provider(name="cartesia", key_variable="CARTESIA_API_KEY", modalities=("stt", "tts")),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A fresh plugin instance and what we know of it."""

    plugin: Any
    model_id: ModelId
    key_id: str


def resolve(text: str, modality: Modality, **kwargs: Any) -> Resolved:
    """Build the plugin for a model string; keyword arguments go straight to its constructor.

    Does no I/O beyond importing the plugin's package, which must happen on the main thread.

    Raises:
        UnknownModel: no such provider, or it does not do this modality.
        MissingPackage: the provider's plugin is not installed; names the extra.
        MissingKey: no API key given and none in the environment; names the variable.
        ConfigurationError: the plugin refused an argument.
    """
    model_id = ModelId.parse(text, modality)
    provider = _provider(model_id, modality)
    cls = _plugin_class(provider, modality)
    arguments = _arguments(cls, model_id, modality, kwargs)
    key = _key(provider, arguments)
    try:
        plugin = cls(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{model_id}: {cls.__module__}.{cls.__name__} refused: {error}") from error
    return Resolved(plugin=plugin, model_id=model_id, key_id=fingerprint(key))


def fingerprint(key: str | None) -> str:
    """A short one-way name for a vendor key, so that two keys' costs can be told apart; empty without a key."""
    if not key:
        return ""
    return hashlib.blake2b(key.encode(), digest_size=6, person=b"voicegw-key").hexdigest()


def provider_of(plugin: Any) -> str:
    """Our provider id of a plugin instance: the name of its `livekit.plugins.*` package.

    The plugin's own `.provider` is a host name behind a proxy and "livekit" for inference.
    """
    for cls in type(plugin).__mro__:
        parts = cls.__module__.split(".")
        if parts[:2] == ["livekit", "plugins"] and len(parts) > 2:
            return parts[2].replace("_", "-")
    return str(getattr(plugin, "provider", "") or "unknown").lower()


def _provider(model_id: ModelId, modality: Modality) -> Provider:
    provider = PROVIDERS.get(model_id.provider)
    known = ", ".join(sorted(PROVIDERS))
    if provider is None:
        raise UnknownModel(f"{model_id}: unknown provider {model_id.provider!r}; known are {known}")
    if modality not in provider.modalities:
        raise UnknownModel(f"{model_id}: {provider.name} has no {modality}; it does {', '.join(provider.modalities)}")
    return provider


def _plugin_class(provider: Provider, modality: Modality) -> type:
    try:
        module = importlib.import_module(provider.module)
    except ImportError as error:
        if error.name and not provider.module.startswith(error.name):
            raise
        raise MissingPackage(
            f"{provider.name}: its LiveKit plugin is not installed; pip install 'voicegateway[{provider.name}]'"
        ) from error
    except RuntimeError as error:
        # Plugins register themselves when they are imported, which LiveKit allows on the main thread only.
        raise ConfigurationError(
            f"{provider.name}: {error}; write `import {provider.module}` at the top of the agent's module"
        ) from error
    cls = getattr(module, CLASS_NAMES[modality])
    if not isinstance(cls, type):
        raise UnknownModel(f"{provider.module} has no class {CLASS_NAMES[modality]}")
    return cls


def _arguments(cls: type, model_id: ModelId, modality: Modality, given: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters
    arguments = dict(given)
    model_name = _first(parameters, MODEL_NAMES)
    if model_name is not None:
        arguments.setdefault(model_name, model_id.model)
    if model_id.variant is not None:
        names = LANGUAGE_NAMES if modality == "stt" else VOICE_NAMES
        name = _first(parameters, names)
        if name is None:
            raise UnknownModel(f"{model_id}: {cls.__module__} takes no {names[0]}; leave out ':…'")
        plural = name.endswith("s")
        arguments.setdefault(name, [model_id.variant] if plural else model_id.variant)
    return arguments


def _key(provider: Provider, arguments: dict[str, Any]) -> str | None:
    for name in KEY_NAMES:
        value = arguments.get(name)
        if isinstance(value, str) and value:
            return value
    key = os.environ.get(provider.key_variable)
    if not key and "client" not in arguments:
        raise MissingKey(f"{provider.name}: no API key; set {provider.key_variable} or pass api_key=…")
    return key


def _first(parameters: Any, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in parameters), None)
