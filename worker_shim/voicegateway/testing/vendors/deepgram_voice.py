"""Simulated Deepgram connections that speak: `/v1/speak` of Aura, and `/v2/speak` of Flux."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort, send_close
from voicegateway.testing.vendors.truth import OK, AcceptedRequest
from voicegateway.testing.vendors.voice import AudioFormat, Voice, VoiceOptions

if TYPE_CHECKING:
    from multidict import MultiMapping

    from voicegateway.testing.vendors.deepgram import DeepgramSimulator

logger = logging.getLogger("voicegateway.testing.vendors")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakFormat:
    """What the query string says about the voice and its audio."""

    model: str
    audio: AudioFormat

    @classmethod
    def parse(cls, query: "MultiMapping[str]") -> Self | None:
        """Return the format, or None if it is one the simulator cannot speak (raw 16-bit samples only)."""
        model, rate = query.get("model", ""), query.get("sample_rate", "")
        if not model or query.get("encoding") != "linear16" or not rate.isdecimal() or int(rate) == 0:
            return None
        return cls(model=model, audio=AudioFormat(container="pcm", sample_rate=int(rate)))


class SpeakConnection:
    """A connection to `/v1/speak`: the unit that is billed. Lives from the handshake to the client's close."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        vendor: "DeepgramSimulator",
        request_id: str,
        spoken: SpeakFormat,
        options: VoiceOptions,
        accepted: AcceptedRequest,
    ) -> None:
        self.request_id = request_id
        self.model = spoken.model
        self._request = request
        self._socket = socket
        self._vendor = vendor
        self._accepted = accepted
        self._characters = 0
        self._flushes = 0
        self._is_speaking = False
        self._is_mute = False
        self._outcome: str | None = None
        self._voice = Voice(options=options, audio=spoken.audio, send=self._send_audio, strike=self._break)

    async def greet(self) -> None:
        """Say what Deepgram says first."""
        await self.send({"type": "Metadata", "request_id": self.request_id, "model_name": self.model})

    async def turn_began(self) -> None:
        """Say that the first text since a flush has come."""

    async def turn_ended(self) -> None:
        """Say that everything before a flush is spoken."""
        await self.send({"type": "Flushed", "sequence_id": self._flushes})
        self._flushes += 1

    async def run(self) -> None:
        """Serve until the connection ends, reading all that the client sent."""
        await self.greet()
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            body = json.loads(message.data)
            kind = body.get("type")
            if kind == "Speak":
                await self._speak(str(body.get("text", "")))
            elif kind == "Flush":
                self._is_speaking = False
                await self._voice.then(self.turn_ended)
            elif kind == "Close" and not self._is_mute:
                self._outcome = OK
                await self._socket.close()

    async def aclose(self) -> None:
        """Fall silent and write the bill."""
        await self._voice.aclose()
        self._accepted.end(
            outcome=self._voice.fault_outcome or self._outcome or self._vendor.outcome_of_break,
            usage={"characters_sent": self._characters},
            billed=self._characters > 0,
            facts={"audio_ms_written": self._voice.audio_ms},
        )

    async def send(self, message: dict[str, Any]) -> None:
        """Tell the client, unless the connection is failing or the client is gone."""
        if self._is_mute:
            return
        try:
            await self._socket.send_json(message)
        except ConnectionError:
            # What the client sent before it left may still wait to be read, and is billed.
            logger.debug("deepgram client of %s left while being answered", self.request_id)
            self._is_mute = True

    async def _speak(self, text: str) -> None:
        self._characters += len(text)
        if self._is_mute:
            return  # nothing speaks any more; only the bill still grows
        if not self._is_speaking:
            self._is_speaking = True
            rule = self._vendor.faults.next("speak_turn")

            async def began() -> None:
                self._voice.begin(rule)
                await self.turn_began()

            await self._voice.then(began)
        await self._voice.say(text)

    async def _send_audio(self, pcm: bytes) -> None:
        if self._is_mute:
            return
        try:
            await self._socket.send_bytes(pcm)
        except ConnectionError:
            self._is_mute = True

    async def _break(self, rule: FaultRule) -> None:
        if rule.kind == "vendor_error":
            await self.send({"type": "Error", "description": "simulated failure", "code": "INTERNAL_SERVER_ERROR"})
        self._is_mute = True
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await send_close(self._socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")


class FluxVoiceConnection(SpeakConnection):
    """A connection to `/v2/speak`: turns have ids, and end with their metadata."""

    async def greet(self) -> None:
        """Say which request it is."""
        await self.send({"type": "Connected", "request_id": self.request_id})

    async def turn_began(self) -> None:
        """Say which turn's audio follows."""
        await self.send({"type": "SpeechStarted", "speech_id": self._speech_id})

    async def turn_ended(self) -> None:
        """Say that the turn is spoken, and that its flush is done."""
        await self.send({"type": "SpeechMetadata", "speech_id": self._speech_id})
        await super().turn_ended()

    @property
    def _speech_id(self) -> str:
        return f"{self.request_id}-{self._flushes}"
