"""Simulated transcription of AssemblyAI: the socket `/v3/ws`."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voicegateway.testing.vendors.hearing import CONFIDENCE, Hearing, PcmFormat, timed_words
from voicegateway.testing.vendors.utterances import Heard

if TYPE_CHECKING:
    from multidict import MultiMapping

SESSION_S = 3 * 3600
"""A session that nobody terminates ends by itself, and is billed for all of it."""
NS_PER_MS = 1_000_000


def parse_format(query: "MultiMapping[str]") -> PcmFormat | None:
    """Return the format of the audio, or None if it is one the simulator cannot hear."""
    rate = query.get("sample_rate", "")
    if query.get("encoding", "pcm_s16le") != "pcm_s16le" or not rate.isdecimal() or int(rate) == 0:
        return None
    return PcmFormat(sample_rate=int(rate))


class UniversalConnection(Hearing):
    """A session: what is billed is the time that it is open."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._began_ns = time.monotonic_ns()
        self._turn = 0

    @property
    def session_ms(self) -> int:
        """Whole milliseconds since the session began."""
        return (time.monotonic_ns() - self._began_ns) // NS_PER_MS

    def usage(self) -> Mapping[str, int]:
        """Return what the session is billed for up to now."""
        return {"session_ms": self.session_ms}

    async def greet(self) -> None:
        """Say which session it is."""
        await self.send({"type": "Begin", "id": self.request_id, "expires_at": int(time.time()) + SESSION_S})

    async def obey(self, message: str) -> bool:
        """Follow a control message; return True when the conversation is over."""
        kind = json.loads(message).get("type")
        if kind in ("Terminate", "ForceEndpoint"):
            for heard in self.detector.flush():
                await self.tell(heard)
        if kind != "Terminate" or self.is_mute:
            return False
        await self.send(
            {
                "type": "Termination",
                "audio_duration_seconds": self.audio_ms // 1000,
                "session_duration_seconds": self.session_ms // 1000,
            }
        )
        await self.socket.close()
        return True

    async def tell(self, heard: Heard) -> None:
        """Say how the turn goes."""
        if heard.kind == "started":
            await self.send({"type": "SpeechStarted", "timestamp": heard.start_ms})
        elif heard.kind != "silence":
            await self.send(self._turn_event(heard))
            self._turn += heard.kind == "final"

    def _turn_event(self, heard: Heard) -> dict[str, Any]:
        is_final = heard.kind == "final"
        words = [
            {
                "text": word.text,
                "start": word.start_ms,
                "end": word.end_ms,
                "confidence": CONFIDENCE,
                "word_is_final": is_final,
            }
            for word in timed_words(heard)
        ]
        return {
            "type": "Turn",
            "turn_order": self._turn,
            "turn_is_formatted": is_final,
            "end_of_turn": is_final,
            "end_of_turn_confidence": CONFIDENCE if is_final else 0.1,
            "transcript": heard.text,
            "utterance": heard.text if is_final else "",
            "words": words,
        }
