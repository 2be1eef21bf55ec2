"""Simulated transcription of ElevenLabs: the socket of scribe realtime, and the answer to a recording."""

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicegateway.testing.vendors.hearing import Hearing, PcmFormat, TimedWord, timed_words
from voicegateway.testing.vendors.utterances import Heard

if TYPE_CHECKING:
    from multidict import MultiMapping

LANGUAGE = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeFormat(PcmFormat):
    """What the query string says about the audio and the answers wanted."""

    is_manual: bool
    """Transcripts are committed when the client says so, not when somebody falls silent."""
    is_sent_twice: bool
    """Each commit is followed by a copy with timestamps and language."""


def parse_realtime(query: "MultiMapping[str]") -> RealtimeFormat | None:
    """Return the format, or None if it is one the simulator cannot hear."""
    container, _, rate = query.get("audio_format", "").partition("_")
    if container != "pcm" or not rate.isdecimal() or int(rate) == 0:
        return None
    return RealtimeFormat(
        sample_rate=int(rate),
        is_manual=query.get("commit_strategy", "manual") == "manual",
        is_sent_twice="true" in (query.get("include_timestamps"), query.get("include_language_detection")),
    )


class ScribeConnection(Hearing):
    """A connection to `/v1/speech-to-text/realtime`: audio is base64 in JSON."""

    def __init__(self, *, audio: RealtimeFormat, **kwargs: Any) -> None:
        super().__init__(audio=audio, **kwargs)
        self._wanted = audio
        self._uncommitted: list[Heard] = []

    async def greet(self) -> None:
        """Say that the session has started."""
        await self.send({"message_type": "session_started", "session_id": self.request_id, "config": {}})

    async def obey(self, message: str) -> bool:
        """Take a chunk of audio, or the wish to commit; the client ends it by leaving."""
        body = json.loads(message)
        if body.get("message_type") != "input_audio_chunk":
            return False
        pcm = base64.b64decode(body.get("audio_base_64") or "")
        if pcm:
            await self.listen(pcm)
        if body.get("commit") and self._wanted.is_manual:
            await self._commit([*self._uncommitted, *self.detector.flush()])
            self._uncommitted = []
        return False

    async def tell(self, heard: Heard) -> None:
        """Say what was understood so far, and commit it when it is time."""
        if heard.kind == "interim":
            await self.send({"message_type": "partial_transcript", "text": heard.text})
        elif heard.kind == "final" and self._wanted.is_manual:
            self._uncommitted.append(heard)
        elif heard.kind == "final":
            await self._commit([heard])

    async def fail(self) -> None:
        """Say that the vendor has failed."""
        await self.send({"message_type": "transcriber_error", "error": "simulated failure"})

    async def _commit(self, utterances: list[Heard]) -> None:
        text = " ".join(heard.text for heard in utterances)
        await self.send({"message_type": "committed_transcript", "text": text})
        if self._wanted.is_sent_twice:
            words = [_word(word) for heard in utterances for word in timed_words(heard)]
            copy = {"message_type": "committed_transcript_with_timestamps", "text": text, "language_code": LANGUAGE}
            await self.send({**copy, "words": words})


def recorded_answer(text: str, *, audio_ms: int) -> dict[str, Any]:
    """Return what is answered to a recording."""
    heard = Heard(kind="final", text=text, start_ms=0, end_ms=audio_ms)
    words = [{**_word(word), "speaker_id": "speaker_0"} for word in timed_words(heard)]
    return {"language_code": LANGUAGE, "language_probability": 1.0, "text": text, "words": words}


def _word(word: TimedWord) -> dict[str, Any]:
    times = {"start": word.start_ms / 1000, "end": word.end_ms / 1000}
    return {"text": word.text, **times, "type": "word", "logprob": -0.01}
