"""What simulated transcriptions have in common: they hear audio, count it, answer by a script and fail to order."""

import asyncio
import io
import logging
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import VendorSimulator, abort, send_close
from voicegateway.testing.vendors.truth import OK, AcceptedRequest
from voicegateway.testing.vendors.utterances import SAMPLE_BYTES, Heard, UtteranceDetector

logger = logging.getLogger("voicegateway.testing.vendors")

CONFIDENCE: Final = 0.99

_TRANSCRIPTS: Final = (
    "Hi, I'd like to know when my order will arrive.",
    "The number is four seven one nine.",
    "Could you send it to my office instead?",
    "Great, and what does that cost?",
    "No, that's all. Thank you very much.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingOptions:
    """How a simulated transcription behaves. Each connection cycles through the transcripts."""

    transcripts: tuple[str, ...] = _TRANSCRIPTS
    endpointing_ms: int = 250
    """Trailing silence in the audio that ends an utterance."""
    interim_every_ms: int = 300
    idle_s_max: float = 10.0
    """Without audio or any other message for so long, a vendor closes the socket; with Deepgram that is NET-0001."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmFormat:
    """16-bit samples."""

    sample_rate: int
    channels: int = 1


class Hearing:
    """One connection. Lives from the handshake to the client's close; its caller writes the truth line from it.

    A vendor says how it greets, tells what it heard, and obeys its client's messages.
    """

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        request_id: str,
        audio: PcmFormat,
        options: HearingOptions,
        first_transcript: int,
        rule: FaultRule | None,
    ) -> None:
        self.audio_bytes = 0
        self.fault_outcome: str | None = None
        self.socket = socket
        self.request_id = request_id
        self.audio = audio
        self.is_mute = False
        self.detector = UtteranceDetector(
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            script=options.transcripts,
            first=first_transcript,
            endpointing_ms=options.endpointing_ms,
            interim_every_ms=options.interim_every_ms,
        )
        self._request = request
        self._idle_s_max = options.idle_s_max
        self._rule = rule
        self._silent_until = 0.0

    async def greet(self) -> None:
        """Say what the vendor says first."""

    async def tell(self, heard: Heard) -> None:
        """Say what was heard."""
        raise NotImplementedError

    async def obey(self, message: str) -> bool:
        """Follow a text message; return True when the conversation is over."""
        raise NotImplementedError

    async def fail(self) -> None:
        """Say that the vendor has failed; its socket is closed then."""

    @property
    def audio_ms(self) -> int:
        """Whole milliseconds of audio received, rounded down once."""
        return self.audio_bytes * 1000 // (self.audio.sample_rate * self.audio.channels * SAMPLE_BYTES)

    def usage(self) -> Mapping[str, int]:
        """Return what this connection is billed for."""
        return {"audio_sent_ms": self.audio_ms}

    async def run(self) -> str | None:
        """Serve until the connection ends. Return `ok` after an end in order, a fault's outcome, or else None."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            self._silent_until = asyncio.get_running_loop().time() + self._rule.stall_s
        await self.greet()
        while True:
            try:
                message = await self.socket.receive(timeout=self._idle_s_max)
            except TimeoutError:
                await self.socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"NET-0001")
                return self.fault_outcome
            if message.type is WSMsgType.BINARY:
                await self.listen(message.data)
            elif message.type is WSMsgType.TEXT:
                if await self.obey(message.data):
                    return self.fault_outcome or OK
            else:
                return self.fault_outcome

    async def listen(self, pcm: bytes) -> None:
        """Hear more audio, and break if it is time to."""
        self.audio_bytes += len(pcm)
        for heard in self.detector.push(pcm):
            await self.tell(heard)
        rule = self._rule
        if rule is None or self.fault_outcome or self.audio_ms < rule.after_audio_ms:
            return
        if rule.kind == "vendor_error":
            await self.fail()
        self.fault_outcome = rule.outcome
        self.is_mute = True
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await send_close(self.socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")

    async def send(self, message: dict[str, Any]) -> None:
        """Tell the client, unless the vendor is failing or the client is gone."""
        if self.is_mute or asyncio.get_running_loop().time() < self._silent_until:
            return
        try:
            await self.socket.send_json(message)
        except ConnectionError:
            # The client is gone, yet what it sent may still wait to be read, and is billed.
            logger.debug("client of %s left while being answered", self.request_id)
            self.is_mute = True


async def serve(hearing: Hearing, vendor: VendorSimulator, accepted: AcceptedRequest) -> web.WebSocketResponse:
    """Serve a connection to its end and write what it came to."""
    outcome = None
    try:
        outcome = await hearing.run()
    except asyncio.CancelledError:
        await hearing.socket.close()
        raise
    finally:
        accepted.end(
            outcome=outcome or hearing.fault_outcome or vendor.outcome_of_break,
            usage=hearing.usage(),
            facts={"audio_bytes": hearing.audio_bytes},
        )
    return hearing.socket


def wav_ms(recording: bytes) -> int | None:
    """Whole milliseconds of a recording's audio, rounded down; None for what is no WAV."""
    try:
        with wave.open(io.BytesIO(recording)) as wav:
            return int(wav.getnframes() * 1000 // wav.getframerate())
    except (wave.Error, EOFError):
        return None


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word of an utterance."""

    text: str
    start_ms: int
    end_ms: int


def timed_words(heard: Heard) -> list[TimedWord]:
    """Spread the words evenly over the utterance."""
    words = heard.text.split()
    length_ms = heard.end_ms - heard.start_ms
    return [
        TimedWord(
            word,
            heard.start_ms + length_ms * position // len(words),
            heard.start_ms + length_ms * (position + 1) // len(words),
        )
        for position, word in enumerate(words)
    ]
