"""One simulated transcription of a recording, and what it costs: tokens, or the time of its audio, by the model."""

import asyncio
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.tokens import count_tokens
from voicegateway.testing.vendors.truth import OK

AUDIO_TOKENS_PER_S: Final = 10
"""One token for each 100 ms of what a user says (developers.openai.com/api/docs/guides/realtime-costs)."""
TOKEN_MODELS: Final = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Models billed by the token; the others by the time of their audio."""


def heard_tokens(audio_ms: int) -> int:
    """Return the tokens of audio that was heard."""
    return -(-audio_ms * AUDIO_TOKENS_PER_S // 1000)


def transcription_usage(model: str, *, audio_ms: int, prompt: str, text: str) -> dict[str, int]:
    """Return what a transcription is billed by, in our meters."""
    if not model.startswith(TOKEN_MODELS):
        return {"audio_sent_ms": audio_ms}
    audio_tokens = heard_tokens(audio_ms)
    return {
        "audio_sent_ms": audio_ms,
        "input_tokens": audio_tokens + count_tokens(prompt),
        "input_audio_tokens": audio_tokens,
        "output_tokens": count_tokens(text),
    }


def usage_body(usage: Mapping[str, int]) -> dict[str, Any]:
    """Return how the vendor tells a usage."""
    if "input_tokens" not in usage:
        return {"type": "duration", "seconds": usage["audio_sent_ms"] / 1000}
    text_tokens = usage["input_tokens"] - usage["input_audio_tokens"]
    return {
        "type": "tokens",
        "input_tokens": usage["input_tokens"],
        "input_token_details": {"text_tokens": text_tokens, "audio_tokens": usage["input_audio_tokens"]},
        "output_tokens": usage["output_tokens"],
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """The parts of a transcription request that the simulator heeds."""

    model: str
    prompt: str
    language: str
    is_verbose: bool
    audio_ms: int

    @classmethod
    async def parse(cls, http: web.Request) -> Self | None:
        """Return the request, or None if it is none the vendor would take."""
        try:
            form = await http.post()
        except ValueError:
            return None
        file, model = form.get("file"), form.get("model")
        if not isinstance(file, web.FileField) or not isinstance(model, str):
            return None
        try:
            with wave.open(io.BytesIO(file.file.read())) as sound:
                audio_ms = sound.getnframes() * 1000 // sound.getframerate()
        except (wave.Error, EOFError):
            return None
        return cls(
            model=model,
            prompt=str(form.get("prompt") or ""),
            language=str(form.get("language") or "en"),
            is_verbose=form.get("response_format") == "verbose_json",
            audio_ms=audio_ms,
        )


class Transcription:
    """Lives for one request."""

    def __init__(
        self,
        *,
        asked: TranscriptionRequest,
        options: OpenAIOptions,
        rule: FaultRule | None,
        headers: Mapping[str, str],
        text: str,
        tells_usage: bool,
    ) -> None:
        self.fault_outcome: str | None = None
        self.response: web.StreamResponse = web.Response()
        self._asked = asked
        self._options = options
        self._rule = rule
        self._headers = headers
        self._text = text
        self._tells_usage = tells_usage

    @property
    def is_billed(self) -> bool:
        """Always: what was heard was heard."""
        return True

    def usage(self) -> Mapping[str, int]:
        """Return what is billed."""
        asked = self._asked
        return transcription_usage(asked.model, audio_ms=asked.audio_ms, prompt=asked.prompt, text=self._text)

    async def run(self) -> str | None:
        """Answer."""
        if self._rule is not None:
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.transcript_ms / 1000)
        body: dict[str, Any] = {"text": self._text}
        if self._tells_usage:
            body["usage"] = usage_body(self.usage())
        if self._asked.is_verbose:
            body |= {
                "task": "transcribe",
                "language": self._asked.language,
                "duration": self._asked.audio_ms / 1000,
                "segments": [],
                "words": [],
            }
        self.response = web.json_response(body, headers=self._headers)
        return self.fault_outcome or OK
