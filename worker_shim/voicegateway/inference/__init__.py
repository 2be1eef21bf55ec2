"""`livekit.agents.inference` with one import line changed: the same calls, answered by the vendors' own plugins.

`STT`, `LLM` and `TTS` return native, metered plugins of the vendor that the model string names. Everything else that
LiveKit's module has is LiveKit's own, loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What is written for LiveKit's module must be right for ours, also for type checkers.
    from livekit.agents.inference import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
    from livekit.agents.inference import LLM, STT, TTS, llm_from_model_string

__all__ = ["LLM", "STT", "TTS", "llm_from_model_string"]

_HOMES = {"STT": "stt", "LLM": "llm", "TTS": "tts", "llm_from_model_string": "llm"}


def __getattr__(name: str) -> Any:
    """Load a name on its first use (PEP 562): ours, or LiveKit's."""
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(f"voicegateway.inference.{_HOMES[name]}"), name)
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    livekits = importlib.import_module("livekit.agents.inference")
    if name not in livekits.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(livekits, name)


def __dir__() -> list[str]:
    import importlib

    return sorted({*__all__, *importlib.import_module("livekit.agents.inference").__all__})
