"""The private surface of livekit-agents that full metering needs; checked before use, pinned by a contract test."""

import importlib
from functools import lru_cache
from typing import Final

# Instance attributes are set in constructors, so the constructor's names are what can be checked up front.
STREAM_ATTRIBUTES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "llm": {"LLMStream": ("_event_ch", "_task", "_metrics_task", "_run")},
    "stt": {"RecognizeStream": ("_event_ch", "_task", "_metrics_task", "_run", "_input_ch")},
    "tts": {
        "SynthesizeStream": ("_event_ch", "_task", "_metrics_task", "_run", "_started_time", "_input_ch"),
        "ChunkedStream": ("_event_ch", "_synthesize_task", "_metrics_task", "_run", "_started_time"),
    },
    # A realtime session is metered by its events, those that are private to a vendor where it has them.
    "realtime": {},
}


@lru_cache(maxsize=8)
def missing(modality: str) -> tuple[str, ...]:
    """Names that this livekit-agents no longer has, of those full metering of a modality needs."""
    if not STREAM_ATTRIBUTES[modality]:
        return ()
    package = importlib.import_module(f"livekit.agents.{modality}")
    return tuple(
        f"{class_name}.{name}"
        for class_name, names in STREAM_ATTRIBUTES[modality].items()
        for name in names
        if name not in _known(getattr(package, class_name, object))
    )


def _known(base: type) -> set[str]:
    known = {name for cls in base.__mro__ for name in vars(cls)}
    for cls in base.__mro__:
        known |= _names(vars(cls).get("__init__"))
    return known


def _names(function: object) -> set[str]:
    code = getattr(function, "__code__", None)
    return set(code.co_names) if code is not None else set()
