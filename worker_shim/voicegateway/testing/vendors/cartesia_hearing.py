"""Simulated Cartesia connections that hear: `/stt/turns/websocket` of ink-2, and `/stt/websocket` of ink-whisper."""

import json
from typing import TYPE_CHECKING, Any

from voicegateway.testing.vendors.hearing import Hearing, PcmFormat, timed_words
from voicegateway.testing.vendors.utterances import Heard

if TYPE_CHECKING:
    from multidict import MultiMapping


def parse_format(query: "MultiMapping[str]") -> PcmFormat | None:
    """Return the format of the audio, or None if it is one the simulator cannot hear."""
    rate = query.get("sample_rate", "")
    if query.get("encoding") != "pcm_s16le" or not rate.isdecimal() or int(rate) == 0:
        return None
    return PcmFormat(sample_rate=int(rate))


class TurnsConnection(Hearing):
    """A connection to `/stt/turns/websocket`: the model finds the turns."""

    async def greet(self) -> None:
        """Say which request it is."""
        await self._say({"type": "connected"})

    async def obey(self, message: str) -> bool:
        """Follow a control message; return True when the conversation is over."""
        if json.loads(message).get("type") != "close":
            return False
        for heard in self.detector.flush():
            await self.tell(heard)
        if self.is_mute:
            return False
        await self.socket.close()
        return True

    async def tell(self, heard: Heard) -> None:
        """Say how the turn goes."""
        if heard.kind == "started":
            await self._say({"type": "turn.start"})
        elif heard.kind != "silence":
            kind = "turn.end" if heard.kind == "final" else "turn.update"
            await self._say({"type": kind, "transcript": heard.text})

    async def fail(self) -> None:
        """Say that the vendor has failed."""
        await self._say(
            {"type": "error", "status_code": 500, "title": "Simulated error", "message": "simulated failure"}
        )

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send({**message, "request_id": self.request_id})


class TranscriptsConnection(Hearing):
    """A connection to `/stt/websocket`: pieces of transcript; commands are bare words."""

    async def obey(self, message: str) -> bool:
        """Follow a command; return True when the conversation is over."""
        if message not in ("finalize", "close"):
            return False
        for heard in self.detector.flush():
            await self.tell(heard)
        await self._say({"type": "flush_done" if message == "finalize" else "done"})
        if message == "finalize" or self.is_mute:
            return False
        await self.socket.close()
        return True

    async def tell(self, heard: Heard) -> None:
        """Say a whole utterance; this model has no interim results."""
        if heard.kind != "final":
            return
        await self._say(
            {
                "type": "transcript",
                "is_final": True,
                "text": heard.text,
                "duration": (heard.end_ms - heard.start_ms) / 1000,
                "words": [
                    {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
                    for word in timed_words(heard)
                ],
            }
        )

    async def fail(self) -> None:
        """Say that the vendor has failed."""
        await self._say({"type": "error", "code": 500, "message": "simulated failure"})

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send({**message, "request_id": self.request_id})
