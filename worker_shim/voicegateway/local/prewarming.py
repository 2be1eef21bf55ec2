"""Load a local model before the first call needs it."""

from typing import Any

from voicegateway_shared.errors import ConfigurationError


def prewarm_model(model: str, **options: Any) -> None:
    """Load a local model into this process and return when it is there; for LiveKit's `setup_fnc` (`prewarm_fnc`).

    Give it what the agent gives `gateway.stt` or `gateway.tts`: the same options find the same loaded model. Every job
    process loads its own: LiveKit forks its processes from a server that has none loaded.

    Raises:
        ConfigurationError: no such local model, a file or a package is missing, or the engine refused the file.
    """
    from voicegateway import registry

    provider = model.partition("/")[0]
    modalities = {"whisper": "stt", "kokoro": "tts", "piper": "tts"}
    if provider not in modalities:
        raise ConfigurationError(f"{model}: no local model; local are {', '.join(sorted(modalities))}")
    plugin = registry.resolve(model, "stt" if modalities[provider] == "stt" else "tts", **options).plugin
    plugin.load()
