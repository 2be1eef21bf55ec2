"""Typical usage: what models are compared by where the cheapest is asked for."""

from collections.abc import Mapping
from typing import Final

TYPICAL_USAGE: Final[Mapping[str, Mapping[str, int]]] = {
    "llm": {"requests": 1, "input_tokens": 1_000, "output_tokens": 100},
    "stt": {"requests": 1, "audio_pushed_ms": 60_000, "audio_sent_ms": 60_000, "socket_open_ms": 60_000},
    "tts": {"requests": 1, "characters_pushed": 200, "characters_sent": 200, "input_tokens": 50, "output_tokens": 300},
    "realtime": {
        "requests": 1,
        "input_tokens": 1_500,
        "input_audio_tokens": 500,
        "output_tokens": 300,
        "output_audio_tokens": 200,
    },
}
"""A turn of a call, a minute heard, a reply spoken, a turn of speech to speech."""
