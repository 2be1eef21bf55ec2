"""One simulated speech synthesis: a tone as SSE events with usage, or as plain bytes."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.server import abort
from voicegateway.testing.vendors.tokens import count_tokens
from voicegateway.testing.vendors.tone import MIME, encoded_tone, spoken_ms
from voicegateway.testing.vendors.truth import OK

SAMPLE_RATE: Final = 24_000
AUDIO_TOKENS_PER_S: Final = 20
"""Measured on gpt-4o-mini-tts: 10,785 audio tokens for 536 s."""
CHUNK_MS: Final = 200
CHUNK_EVERY_S: Final = 0.02
"""One chunk of 200 ms every 20 ms: ten times as fast as real time."""
CHARACTER_MODELS: Final = frozenset({"tts-1", "tts-1-hd"})
"""Models billed by the character; they also refuse `stream_format=sse`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """The parts of a speech request that the simulator heeds."""

    model: str
    text: str
    instructions: str
    response_format: str
    is_sse: bool

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self | None:
        """Return the request, or None if it is none the vendor would take."""
        model, text = body.get("model"), body.get("input")
        response_format = body.get("response_format") or "mp3"
        is_sse = body.get("stream_format") == "sse"
        if not isinstance(model, str) or not isinstance(text, str) or response_format not in MIME:
            return None
        if is_sse and model in CHARACTER_MODELS:
            return None
        return cls(
            model=model,
            text=text,
            instructions=str(body.get("instructions") or ""),
            response_format=response_format,
            is_sse=is_sse,
        )


class SpeechSynthesis:
    """Lives for one request. `usage()` is right at every instant, also when the client has just left."""

    def __init__(
        self,
        *,
        http: web.Request,
        asked: SpeechRequest,
        options: OpenAIOptions,
        rule: FaultRule | None,
        headers: Mapping[str, str],
        bills_characters: bool,
    ) -> None:
        self.fault_outcome: str | None = None
        content_type = "text/event-stream" if asked.is_sse else MIME[asked.response_format]
        self.response: web.StreamResponse = web.StreamResponse(headers={"Content-Type": content_type, **headers})
        self._http = http
        self._asked = asked
        self._first_chunk_s = options.speech_first_chunk_ms / 1000
        self._rule = rule
        self._bills_characters = bills_characters
        self._audio_ms = spoken_ms(asked.text)
        self._audio_ms_written = 0
        self._chunks_written = 0
        self._is_failed = False

    @property
    def is_billed(self) -> bool:
        """False for a stream that failed before any audio."""
        return self._chunks_written > 0 or not self._is_failed

    def usage(self) -> Mapping[str, int]:
        """Return what is billed if the request ends now."""
        if self._bills_characters:
            return {"characters_sent": len(self._asked.text)}
        audio_tokens = -(-self._audio_ms_written * AUDIO_TOKENS_PER_S // 1000)
        return {
            "characters_sent": len(self._asked.text),
            "input_tokens": count_tokens(self._asked.text) + count_tokens(self._asked.instructions),
            "output_tokens": audio_tokens,
            "output_audio_tokens": audio_tokens,
        }

    async def run(self) -> str | None:
        """Answer. Return the outcome, or None if a fault ended it (then `fault_outcome` says which)."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        audio = await asyncio.to_thread(
            encoded_tone,
            duration_ms=self._audio_ms,
            sample_rate=SAMPLE_RATE,
            response_format=self._asked.response_format,
        )
        await asyncio.sleep(self._first_chunk_s)
        await self.response.prepare(self._http)
        if not await self._write_audio(audio):
            return None
        if self._asked.is_sse:
            await self._write_event({"type": "speech.audio.done", "usage": self._usage_body()})
        await self.response.write_eof()
        return self.fault_outcome or OK

    async def _write_audio(self, audio: bytes) -> bool:
        """Write the chunks; return False if a fault broke them off."""
        if await self._strike():
            return False
        chunks = max(1, -(-self._audio_ms // CHUNK_MS))
        for number in range(1, chunks + 1):
            piece = audio[len(audio) * (number - 1) // chunks : len(audio) * number // chunks]
            if self._asked.is_sse:
                encoded = base64.b64encode(piece).decode()
                await self._write_event({"type": "speech.audio.delta", "audio": encoded})
            else:
                await self.response.write(piece)
            self._chunks_written = number
            self._audio_ms_written = min(self._audio_ms, number * CHUNK_MS)
            if await self._strike():
                return False
            await asyncio.sleep(CHUNK_EVERY_S)
        return True

    async def _strike(self) -> bool:
        """Let the fault happen if it is time; return True if it broke the stream."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._chunks_written != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        self._is_failed = True
        if rule.kind == "abort_mid_stream":
            abort(self._http)
        else:
            await self.response.write_eof()
        return True

    async def _write_event(self, event: Mapping[str, Any]) -> None:
        await self.response.write(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")

    def _usage_body(self) -> dict[str, int]:
        usage = self.usage()
        total = usage["input_tokens"] + usage["output_tokens"]
        return {
            "input_tokens": usage["input_tokens"],
            "output_tokens": usage["output_tokens"],
            "total_tokens": total,
        }
