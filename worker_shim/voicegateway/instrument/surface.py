"""The private surface of livekit-agents that full metering needs; checked before use, pinned by a contract test."""

from functools import lru_cache
from typing import Final

# Instance attributes are set in constructors, so the constructor's names are what can be checked up front.
STREAM_ATTRIBUTES: Final = {
    "llm": ("_event_ch", "_task", "_metrics_task", "_run"),
    "stt": ("_event_ch", "_task", "_metrics_task", "_run", "_input_ch"),
    "tts": ("_event_ch", "_task", "_metrics_task", "_run", "_started_time", "_input_ch"),
}


@lru_cache(maxsize=8)
def missing(modality: str) -> tuple[str, ...]:
    """Names that this livekit-agents no longer has, of those full metering of a modality needs."""
    from livekit.agents import llm, stt, tts

    base = {"llm": llm.LLMStream, "stt": stt.RecognizeStream, "tts": tts.SynthesizeStream}[modality]
    known = {name for cls in base.__mro__ for name in vars(cls)}
    for cls in base.__mro__:
        known.update(_names(vars(cls).get("__init__")))
    return tuple(f"{base.__name__}.{name}" for name in STREAM_ATTRIBUTES[modality] if name not in known)


def _names(function: object) -> set[str]:
    code = getattr(function, "__code__", None)
    return set(code.co_names) if code is not None else set()
