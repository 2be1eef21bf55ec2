"""Meters: the counted units. A usage is a mapping of meter name to a whole number in the meter's base unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Unit = Literal["ms", "token", "character", "request", "byte", "chunk"]
Modality = Literal["stt", "llm", "tts", "realtime"]
Outcome = Literal["ok", "cancelled", "interrupted", "error"]
Usage = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Meter:
    """One counted unit and what exactly is counted."""

    name: str
    unit: Unit
    description: str


_ALL: Final = (
    # stt
    Meter("audio_sent_ms", "ms", "Audio handed to the vendor's socket or request body, silence included."),
    Meter("audio_pushed_ms", "ms", "Audio the agent pushed into the plugin's stream; not all of it need be sent."),
    Meter("socket_open_ms", "ms", "Wall clock from the vendor's socket opening to its closing."),
    # tts
    Meter("characters_sent", "character", "Characters of text sent to the vendor, retries included."),
    Meter("characters_failed", "character", "Part of characters_sent whose attempt failed before any audio came."),
    Meter("characters_pushed", "character", "Characters the agent pushed into the plugin's stream."),
    Meter("audio_received_ms", "ms", "Audio the vendor generated and we received."),
    # llm and realtime; totals include their parts
    Meter("input_tokens", "token", "All input tokens, cached and audio ones included."),
    Meter("cache_read_tokens", "token", "Part of input_tokens read from the vendor's cache."),
    Meter("cache_write_tokens", "token", "Part of input_tokens written to the vendor's cache (no stated lifetime)."),
    Meter("cache_write_5m_tokens", "token", "Part of input_tokens written to a cache that lives 5 minutes."),
    Meter("cache_write_1h_tokens", "token", "Part of input_tokens written to a cache that lives 1 hour."),
    Meter("input_audio_tokens", "token", "Part of input_tokens that is audio, cached audio included."),
    Meter("cache_read_audio_tokens", "token", "Part of input_audio_tokens read from the vendor's cache."),
    Meter("output_tokens", "token", "All output tokens, reasoning and audio ones included."),
    Meter("output_audio_tokens", "token", "Part of output_tokens that is audio."),
    Meter("reasoning_tokens", "token", "Part of output_tokens spent on reasoning."),
    # everything else
    Meter("chunks_received", "chunk", "Chunks, events or frames received from the vendor."),
    Meter("requests", "request", "Requests; always 1 on a span unless it stands for several."),
    Meter("credits", "request", "The vendor's own credits, where it reports them per request."),
    Meter("node_busy_ms", "ms", "Time a local model's slot was busy with this request."),
    Meter("session_ms", "ms", "Wall clock of the vendor's session, for vendors that bill it."),
    Meter("participant_ms", "ms", "Wall clock of one participant, agent session or call leg."),
    Meter("diarize_ms", "ms", "Audio sent with the diarization add-on switched on."),
    Meter("keyterm_ms", "ms", "Audio sent with the keyterm add-on switched on."),
)

METERS: Final[Mapping[str, Meter]] = MappingProxyType({meter.name: meter for meter in _ALL})

PART_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "characters_failed": "characters_sent",
        "cache_read_tokens": "input_tokens",
        "cache_write_tokens": "input_tokens",
        "cache_write_5m_tokens": "input_tokens",
        "cache_write_1h_tokens": "input_tokens",
        "input_audio_tokens": "input_tokens",
        "cache_read_audio_tokens": "input_audio_tokens",
        "output_audio_tokens": "output_tokens",
        "reasoning_tokens": "output_tokens",
        "diarize_ms": "audio_sent_ms",
        "keyterm_ms": "audio_sent_ms",
    }
)
"""Meters that count part of another: never more than their whole."""
