"""One simulated Deepgram connection: reads audio and control messages, counts, answers with the script."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort, send_close
from voicegateway.testing.vendors.truth import OK
from voicegateway.testing.vendors.utterances import SAMPLE_BYTES, Heard, UtteranceDetector

if TYPE_CHECKING:
    from multidict import MultiMapping

    from voicegateway.testing.vendors.deepgram import DeepgramOptions

logger = logging.getLogger("voicegateway.testing.vendors")

CONFIDENCE: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenFormat:
    """What the query string says about the audio and the answers wanted."""

    sample_rate: int
    channels: int
    interim_results: bool
    vad_events: bool
    utterance_end_ms: int | None
    has_diarize: bool
    has_keyterm: bool

    @classmethod
    def parse(cls, query: "MultiMapping[str]") -> Self | None:
        """Return the format, or None if it is one the simulator cannot hear."""
        rate, channels = query.get("sample_rate", ""), query.get("channels", "1")
        end_ms = query.get("utterance_end_ms", "")
        if query.get("encoding") != "linear16" or not rate.isdecimal() or not channels.isdecimal():
            return None
        if int(rate) == 0 or int(channels) == 0:
            return None
        return cls(
            sample_rate=int(rate),
            channels=int(channels),
            interim_results=query.get("interim_results") == "true",
            vad_events=query.get("vad_events") == "true",
            utterance_end_ms=int(end_ms) if end_ms.isdecimal() else None,
            has_diarize=query.get("diarize") == "true",
            has_keyterm="keyterm" in query,
        )


class ListenConnection:
    """Lives from the handshake to the client's close; its caller writes the truth line from it."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        request_id: str,
        audio: ListenFormat,
        options: "DeepgramOptions",
        first_transcript: int,
        rule: FaultRule | None,
    ) -> None:
        self.audio_bytes = 0
        self.fault_outcome: str | None = None
        self._request = request
        self._socket = socket
        self._request_id = request_id
        self._audio = audio
        self._idle_s_max = options.idle_s_max
        self._rule = rule
        self._is_mute = False
        self._silent_until = 0.0
        self._end_reported_ms = 0
        self._detector = UtteranceDetector(
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            script=options.transcripts,
            first=first_transcript,
            endpointing_ms=options.endpointing_ms,
            interim_every_ms=options.interim_every_ms,
        )

    @property
    def audio_ms(self) -> int:
        """Whole milliseconds of audio received, rounded down once."""
        return self.audio_bytes * 1000 // (self._audio.sample_rate * self._audio.channels * SAMPLE_BYTES)

    def usage(self) -> Mapping[str, int]:
        """Return what this connection is billed for, add-ons included."""
        usage = {"audio_sent_ms": self.audio_ms}
        if self._audio.has_diarize:
            usage["diarize_ms"] = self.audio_ms
        if self._audio.has_keyterm:
            usage["keyterm_ms"] = self.audio_ms
        return usage

    async def run(self) -> str | None:
        """Serve until the connection ends. Return `ok` after a CloseStream, a fault's outcome, else None."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            self._silent_until = asyncio.get_running_loop().time() + self._rule.stall_s
        while True:
            try:
                message = await self._socket.receive(timeout=self._idle_s_max)
            except TimeoutError:
                await self._socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"NET-0001")
                return self.fault_outcome
            if message.type is WSMsgType.BINARY:
                self.audio_bytes += len(message.data)
                await self._listen(message.data)
            elif message.type is WSMsgType.TEXT:
                if await self._obey(json.loads(message.data)):
                    return self.fault_outcome or OK
            else:
                return self.fault_outcome

    async def _listen(self, pcm: bytes) -> None:
        for heard in self._detector.push(pcm):
            await self._tell(heard)
        rule = self._rule
        if rule is None or self.fault_outcome or self.audio_ms < rule.after_audio_ms:
            return
        if rule.kind == "close_mid_stream":
            self.fault_outcome = rule.outcome
            self._is_mute = True
            await send_close(self._socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")
        elif rule.kind == "abort_mid_stream":
            self.fault_outcome = rule.outcome
            self._is_mute = True
            abort(self._request)

    async def _obey(self, control: dict[str, Any]) -> bool:
        """Follow a control message; return True when the conversation is over."""
        kind = control.get("type")
        if kind not in ("Finalize", "CloseStream"):
            return False
        for heard in self._detector.flush():
            await self._tell(heard, from_finalize=kind == "Finalize")
        if kind == "Finalize" or self._is_mute:
            return False
        await self._send(self._metadata())
        await self._socket.close()
        return True

    async def _tell(self, heard: Heard, *, from_finalize: bool = False) -> None:
        if heard.kind == "started":
            self._end_reported_ms = 0
            if self._audio.vad_events:
                await self._send({"type": "SpeechStarted", "channel": [0], "timestamp": heard.start_ms / 1000})
        elif heard.kind == "silence":
            await self._tell_utterance_end(heard)
        elif heard.kind == "final" or self._audio.interim_results:
            await self._send(self._results(heard, from_finalize=from_finalize))

    async def _tell_utterance_end(self, heard: Heard) -> None:
        wanted = self._audio.utterance_end_ms
        if wanted is None or self._end_reported_ms or heard.end_ms - heard.start_ms < wanted:
            return
        self._end_reported_ms = heard.end_ms
        await self._send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": heard.start_ms / 1000})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._is_mute or asyncio.get_running_loop().time() < self._silent_until:
            return
        try:
            await self._socket.send_json(message)
        except ConnectionError:
            # The client is gone, yet what it sent may still wait to be read, and is billed.
            logger.debug("deepgram client of %s left while being answered", self._request_id)
            self._is_mute = True

    def _results(self, heard: Heard, *, from_finalize: bool) -> dict[str, Any]:
        is_final = heard.kind == "final"
        alternative = {
            "transcript": heard.text,
            "confidence": CONFIDENCE if heard.text else 0.0,
            "words": _words(heard),
        }
        return {
            "type": "Results",
            "channel_index": [0, self._audio.channels],
            "duration": (heard.end_ms - heard.start_ms) / 1000,
            "start": heard.start_ms / 1000,
            "is_final": is_final,
            "speech_final": is_final,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": self._request_id,
                "model_info": {"name": "simulated", "version": "1", "arch": "simulated"},
                "model_uuid": "00000000-0000-0000-0000-000000000000",
            },
            "from_finalize": from_finalize,
        }

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": "",
            "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": self.audio_ms / 1000,
            "channels": self._audio.channels,
        }


def _words(heard: Heard) -> list[dict[str, Any]]:
    """Spread the words evenly over the utterance."""
    words = heard.text.split()
    length_ms = heard.end_ms - heard.start_ms
    return [
        {
            "word": word.strip(".,?!").lower(),
            "punctuated_word": word,
            "start": (heard.start_ms + length_ms * position // len(words)) / 1000,
            "end": (heard.start_ms + length_ms * (position + 1) // len(words)) / 1000,
            "confidence": CONFIDENCE,
        }
        for position, word in enumerate(words)
    ]
