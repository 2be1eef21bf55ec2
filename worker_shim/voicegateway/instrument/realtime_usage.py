"""Realtime usage: what vendors tell of a response, in our meters. Pure."""

from collections.abc import Mapping
from typing import Any


def of_event(usage: Any) -> dict[str, int] | None:
    """Return the meters of a `response.done`; None where it tells nothing."""
    if not isinstance(usage, Mapping) or not isinstance(usage.get("input_tokens"), int):
        return None
    given, made = _part(usage, "input_token_details"), _part(usage, "output_token_details")
    return _meters(
        input_tokens=usage["input_tokens"],
        output_tokens=_count(usage, "output_tokens"),
        input_audio=_count(given, "audio_tokens"),
        cached=_count(given, "cached_tokens"),
        cached_audio=_count(_part(given, "cached_tokens_details"), "audio_tokens"),
        output_audio=_count(made, "audio_tokens"),
    )


def of_metrics(metrics: Any) -> dict[str, int] | None:
    """Return the meters of LiveKit's `RealtimeModelMetrics`; None where they tell nothing."""
    if not metrics.input_tokens and not metrics.output_tokens:
        return None
    given, made = metrics.input_token_details, metrics.output_token_details
    details = given.cached_tokens_details
    return _meters(
        input_tokens=metrics.input_tokens,
        output_tokens=metrics.output_tokens,
        input_audio=given.audio_tokens,
        cached=given.cached_tokens,
        cached_audio=0 if details is None else details.audio_tokens,
        output_audio=made.audio_tokens,
    )


def _meters(
    *, input_tokens: int, output_tokens: int, input_audio: int, cached: int, cached_audio: int, output_audio: int
) -> dict[str, int]:
    return {
        "input_tokens": input_tokens,
        "input_audio_tokens": input_audio,
        "cache_read_tokens": cached,
        "cache_read_audio_tokens": cached_audio,
        "output_tokens": output_tokens,
        "output_audio_tokens": output_audio,
    }


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = told.get(name)
    return part if isinstance(part, Mapping) else {}


def _count(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) else 0
