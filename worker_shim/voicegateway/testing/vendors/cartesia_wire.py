"""Cartesia's messages: what a synthesis request says, and the events that answer it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from voicegateway.testing.vendors.tone import spoken_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRequest:
    """One message of a context, or one `POST /tts/bytes`."""

    model: str
    transcript: str
    language: str
    voice: str
    sample_rate: int
    context_id: str
    has_more: bool
    """`continue`: more text will follow in this context."""
    wants_timestamps: bool

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self | None:
        """Return the request, or None if the simulator cannot speak it (raw 16-bit samples only)."""
        output = body.get("output_format") or {}
        voice = body.get("voice") or {}
        model, transcript, rate = body.get("model_id"), body.get("transcript"), output.get("sample_rate")
        if not isinstance(model, str) or not isinstance(transcript, str) or not isinstance(rate, int):
            return None
        if (output.get("container"), output.get("encoding")) != ("raw", "pcm_s16le") or rate <= 0:
            return None
        return cls(
            model=model,
            transcript=transcript,
            language=str(body.get("language") or ""),
            voice=str(voice.get("id") or ""),
            sample_rate=rate,
            context_id=str(body.get("context_id") or ""),
            has_more=bool(body.get("continue")),
            wants_timestamps=bool(body.get("add_timestamps")),
        )

    def price_context(self) -> dict[str, str]:
        """Return what else a price may depend on."""
        return {"language": self.language, "voice": self.voice}


def chunk_event(context_id: str, pcm: bytes, *, step_ms: int) -> dict[str, Any]:
    """Audio."""
    return {
        "type": "chunk",
        "status_code": 206,
        "done": False,
        "context_id": context_id,
        "data": base64.b64encode(pcm).decode(),
        "step_time": step_ms,
    }


def timestamps_event(context_id: str, text: str, *, start_ms: int) -> dict[str, Any]:
    """When each word of one transcript is said; evenly spread, as the tone is the same all along."""
    words = text.split()
    length_ms = spoken_ms(text)
    edges = [(start_ms + length_ms * n // max(1, len(words))) / 1000 for n in range(len(words) + 1)]
    return {
        "type": "timestamps",
        "status_code": 206,
        "done": False,
        "context_id": context_id,
        "word_timestamps": {"words": words, "start": edges[:-1], "end": edges[1:]},
    }


def done_event(context_id: str) -> dict[str, Any]:
    """The end of a context."""
    return {"type": "done", "status_code": 200, "done": True, "context_id": context_id}


def flush_done_event(context_id: str, flush_id: int) -> dict[str, Any]:
    """The end of what was sent before a flush."""
    return {
        "type": "flush_done",
        "status_code": 206,
        "done": False,
        "flush_done": True,
        "flush_id": flush_id,
        "context_id": context_id,
    }


def error_event(context_id: str, *, status_code: int, message: str) -> dict[str, Any]:
    """A failed context. `done` is always true on Cartesia's errors."""
    return {
        "type": "error",
        "status_code": status_code,
        "done": True,
        "context_id": context_id,
        "title": "Simulated error",
        "message": message,
        "error_code": None,
        "error": message,
    }
