"""Simulated voices of AssemblyAI: a session on the socket `/v1/ws` serves one speaker after another."""

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort, send_close
from voicegateway.testing.vendors.tone import spoken_ms
from voicegateway.testing.vendors.truth import OK, AcceptedRequest
from voicegateway.testing.vendors.voice import AudioFormat, Voice, VoiceOptions

if TYPE_CHECKING:
    from multidict import MultiMapping

    from voicegateway.testing.vendors.assemblyai import AssemblyAISimulator

logger = logging.getLogger("voicegateway.testing.vendors")

INTERNAL_ERROR = 3005
"""The vendor's code for what is its own fault."""


def parse_voice(query: "MultiMapping[str]") -> AudioFormat | None:
    """Return the format of the audio, or None if the simulator cannot write it."""
    rate = query.get("sample_rate", "")
    if query.get("encoding") != "pcm_s16le" or not rate.isdecimal() or int(rate) == 0:
        return None
    return AudioFormat(container="pcm", sample_rate=int(rate))


class SpeechSession:
    """The unit that is billed. Lives from the handshake to the client's close."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        vendor: "AssemblyAISimulator",
        session_id: str,
        audio: AudioFormat,
        options: VoiceOptions,
        accepted: AcceptedRequest,
        expires_at: int,
    ) -> None:
        self._request = request
        self._socket = socket
        self._vendor = vendor
        self._session_id = session_id
        self._accepted = accepted
        self._expires_at = expires_at
        self._characters = 0
        self._flush_id = 0
        self._pending: list[str] = []
        self._is_mute = False
        self._outcome: str | None = None
        self._audio = audio
        self._options = options
        self._audio_ms_before = 0
        self._voice = self._new_voice()

    async def run(self) -> None:
        """Serve until the connection ends, reading all that the client sent."""
        configuration = {"word_boundaries": self._request.query.get("word_boundaries") == "true"}
        await self._send(
            {
                "type": "Begin",
                "id": self._session_id,
                "expires_at": self._expires_at,
                "configuration": configuration,
            }
        )
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            kind = frame.get("type")
            if kind == "Generate":
                self._characters += len(frame["text"])
                self._pending.append(frame["text"])
            elif kind == "Flush":
                await self._speak()
            elif kind == "Cancel":
                await self._cancel()
            elif kind == "Terminate" and not self._is_mute:
                self._outcome = OK
                await self._send({"type": "Termination"})
                await self._socket.close()

    async def aclose(self) -> None:
        """Fall silent and write the bill."""
        await self._voice.aclose()
        self._accepted.end(
            outcome=self._voice.fault_outcome or self._outcome or self._vendor.outcome_of_break,
            usage={"characters_sent": self._characters},
            billed=self._characters > 0,
            facts={"audio_ms_written": self._audio_ms_before + self._voice.audio_ms},
        )

    def _new_voice(self) -> Voice:
        return Voice(options=self._options, audio=self._audio, send=self._send_audio, strike=self._break)

    async def _speak(self) -> None:
        text, self._pending = "".join(self._pending), []
        if self._is_mute:
            return  # nothing speaks any more; only the bill still grows
        rule = self._vendor.faults.next("voice_text")
        start_ms = 0

        async def begin() -> None:
            nonlocal start_ms
            self._voice.begin(rule)
            start_ms = self._audio_ms_before + self._voice.audio_ms

        async def end() -> None:
            done = {"flush_id": self._flush_id, "audio_start_ms": start_ms}
            await self._send({"type": "FlushDone", "audio_duration_ms": spoken_ms(text), **done})
            await self._send({"type": "WordBoundaries", "words": _words(text, start_ms), **done})
            self._flush_id += 1

        await self._voice.then(begin)
        await self._voice.say(text)
        await self._voice.then(end)

    async def _cancel(self) -> None:
        self._pending = []
        await self._voice.aclose()
        self._audio_ms_before += self._voice.audio_ms
        if not self._is_mute:
            self._voice = self._new_voice()
            self._flush_id += 1
        await self._send({"type": "Cancelled"})

    async def _send_audio(self, pcm: bytes) -> None:
        await self._send({"type": "Audio", "flush_id": self._flush_id, "audio": base64.b64encode(pcm).decode()})

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._is_mute:
            return
        try:
            await self._socket.send_json(frame)
        except ConnectionError:
            # What the client sent before it left may still wait to be read, and is billed.
            logger.debug("assemblyai client of %s left while being answered", self._session_id)
            self._is_mute = True

    async def _break(self, rule: FaultRule) -> None:
        if rule.kind == "vendor_error":
            error = {"error_code": INTERNAL_ERROR, "error_type": "internal_error", "error": "simulated failure"}
            await self._send({"type": "Error", **error, "retryable": True})
        self._is_mute = True
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await send_close(self._socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")


def _words(text: str, start_ms: int) -> list[dict[str, Any]]:
    """Spread the words evenly over their audio, on the session's clock."""
    words = text.split()
    edges = [start_ms + spoken_ms(text) * position // max(1, len(words)) for position in range(len(words) + 1)]
    return [
        {"word": word, "start": start, "end": end, "confidence": 0.99}
        for word, start, end in zip(words, edges, edges[1:], strict=False)
    ]
