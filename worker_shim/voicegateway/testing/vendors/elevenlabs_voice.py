"""Simulated voices of ElevenLabs: sockets of many contexts, in the words of text-to-speech and of text-to-dialogue."""

import base64
import itertools
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort, send_close
from voicegateway.testing.vendors.tone import spoken_ms
from voicegateway.testing.vendors.truth import OK, AcceptedRequest
from voicegateway.testing.vendors.voice import AudioFormat, Voice, VoiceOptions

if TYPE_CHECKING:
    from voicegateway.testing.vendors.elevenlabs import ElevenLabsSimulator

logger = logging.getLogger("voicegateway.testing.vendors")

CONTAINERS: Final = ("pcm", "mp3")


def parse_output(output_format: str) -> AudioFormat | None:
    """Return what `pcm_24000` or `mp3_22050_32` asks for, or None if the simulator cannot write it."""
    container, rate = [*output_format.split("_"), ""][:2]
    if container not in CONTAINERS or not rate.isdecimal() or int(rate) == 0:
        return None
    return AudioFormat(container="pcm" if container == "pcm" else "mp3", sample_rate=int(rate))


class ContextsConnection:
    """A connection to `text-to-speech/{voice}/multi-stream-input`. Ends every context it began."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        vendor: "ElevenLabsSimulator",
        model: str,
        audio: AudioFormat,
        options: VoiceOptions,
    ) -> None:
        self.audio = audio
        self.options = options
        self.fault_outcome: str | None = None
        self._request = request
        self._socket = socket
        self._vendor = vendor
        self._model = model
        self._is_mute = False
        self._contexts: dict[str, VoiceContext] = {}

    def texts_of(self, packet: Mapping[str, Any]) -> list[str]:
        """Return the texts of one message."""
        return [packet["text"]] if isinstance(packet.get("text"), str) else []

    def audio_event(self, context_id: str, audio: bytes, alignment: Mapping[str, Any] | None) -> dict[str, Any]:
        """Audio, and when the characters of a text that begins with it are said."""
        return {
            "audio": base64.b64encode(audio).decode(),
            "contextId": context_id,
            "isFinal": None,
            "alignment": alignment,
            "normalizedAlignment": alignment,
        }

    def final_event(self, context_id: str) -> dict[str, Any]:
        """The end of a context."""
        return {"isFinal": True, "contextId": context_id}

    def alignment(self, text: str, *, start_ms: int) -> dict[str, Any]:
        """When each character is said, on the context's clock."""
        times = _character_times(text, start_ms=start_ms)
        return {"chars": list(text), "charStartTimesMs": times, "charDurationsMs": _durations(times, text, start_ms)}

    def error_event(self, context_id: str) -> dict[str, Any]:
        """A failed context."""
        return {"error": "simulated_failure", "message": "simulated failure", "code": 1008, "context_id": context_id}

    async def run(self) -> None:
        """Serve until the connection ends, reading all that the client sent."""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._obey(json.loads(message.data))

    async def aclose(self) -> None:
        """End what the client left unfinished."""
        for context in list(self._contexts.values()):
            await context.aclose(self.fault_outcome or self._vendor.outcome_of_break)

    def forget(self, context_id: str) -> None:
        """Drop an ended context; the same id begins a new one."""
        del self._contexts[context_id]

    async def send(self, event: dict[str, Any]) -> None:
        """Tell the client, unless the connection is failing or the client is gone."""
        if self._is_mute:
            return
        try:
            await self._socket.send_json(event)
        except ConnectionError:
            # What the client sent before it left may still wait to be read, and is billed.
            logger.debug("an elevenlabs client left while being answered")
            self._is_mute = True

    async def fail(self, rule: FaultRule) -> None:
        """Break the whole connection."""
        self.fault_outcome = rule.outcome
        self._is_mute = True
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await send_close(self._socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")

    async def _obey(self, packet: Mapping[str, Any]) -> None:
        context_id = str(packet.get("context_id") or "")
        context = self._contexts.get(context_id)
        if packet.get("close_context"):
            if context is not None:
                await context.close()
            return
        if packet.get("keep_alive"):
            return
        if context is None:
            accepted = self._vendor.truth.accept(request_id=context_id, modality="tts", model=self._model)
            rule = self._vendor.faults.next("multi_stream_context")
            context = VoiceContext(connection=self, context_id=context_id, accepted=accepted, rule=rule)
            self._contexts[context_id] = context
        for text in self.texts_of(packet):
            await context.say(text)


class DialogueConnection(ContextsConnection):
    """A connection to `text-to-dialogue/multi-stream-input`: other names for the same, and clocks that restart."""

    def texts_of(self, packet: Mapping[str, Any]) -> list[str]:
        """Return the texts of one message."""
        return [str(spoken.get("text") or "") for spoken in packet.get("inputs") or ()]

    def audio_event(self, context_id: str, audio: bytes, alignment: Mapping[str, Any] | None) -> dict[str, Any]:
        """Audio, and when the characters of a text that begins with it are said."""
        return {"audio": base64.b64encode(audio).decode(), "context_id": context_id, "alignment": alignment}

    def final_event(self, context_id: str) -> dict[str, Any]:
        """The end of a context."""
        return {"is_final": True, "context_id": context_id}

    def alignment(self, text: str, *, start_ms: int) -> dict[str, Any]:
        """When each character is said, on the message's clock."""
        times = _character_times(text, start_ms=0)
        return {"chars": list(text), "char_start_times_ms": times, "char_durations_ms": _durations(times, text, 0)}


class VoiceContext:
    """One context: the unit that is billed. Ends when the client closed it and all is spoken, or with its socket."""

    def __init__(
        self,
        *,
        connection: ContextsConnection,
        context_id: str,
        accepted: AcceptedRequest,
        rule: FaultRule | None,
    ) -> None:
        self._connection = connection
        self._id = context_id
        self._accepted = accepted
        self._characters = 0
        self._is_closing = False
        self._aligned: list[dict[str, Any]] = []
        self._voice = Voice(
            options=connection.options, audio=connection.audio, send=self._send_audio, strike=self._break
        )
        self._voice.begin(rule)

    async def say(self, text: str) -> None:
        """Take one text of this context; a blank opens it and is not spoken."""
        self._characters += len(text)
        if self._connection.fault_outcome is not None or self._voice.fault_outcome == "fault:vendor_error":
            return  # nothing speaks any more; only the bill still grows
        if text.strip():

            async def aligned() -> None:
                self._aligned.append(self._connection.alignment(text, start_ms=self._voice.audio_ms))

            await self._voice.then(aligned)
            await self._voice.say(text)

    async def close(self) -> None:
        """Speak what is left, then end."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._voice.fault_outcome == "fault:vendor_error":
            self._end(self._voice.fault_outcome)
            return
        await self._voice.then(self._final)

    async def aclose(self, outcome: str) -> None:
        """Stop speaking and end with this outcome."""
        await self._voice.aclose()
        if not self._accepted.is_ended:
            self._end(self._voice.fault_outcome or outcome)

    async def _final(self) -> None:
        await self._connection.send(self._connection.final_event(self._id))
        self._end(self._voice.fault_outcome or OK)

    async def _send_audio(self, audio: bytes) -> None:
        alignment = self._aligned.pop(0) if self._aligned else None
        await self._connection.send(self._connection.audio_event(self._id, audio, alignment))

    async def _break(self, rule: FaultRule) -> None:
        if rule.kind == "vendor_error":
            # The context is dead; the client closes it, which ends it.
            await self._connection.send(self._connection.error_event(self._id))
            if self._is_closing:
                self._end(rule.outcome)
        else:
            await self._connection.fail(rule)

    def _end(self, outcome: str) -> None:
        self._voice.stop()
        self._connection.forget(self._id)
        self._accepted.end(
            outcome=outcome,
            usage={"characters_sent": self._characters},
            facts={"audio_ms_written": self._voice.audio_ms},
        )


def _character_times(text: str, *, start_ms: int) -> list[int]:
    """Spread the characters evenly over the text's audio."""
    return [start_ms + spoken_ms(text) * position // len(text) for position in range(len(text))]


def _durations(times: list[int], text: str, start_ms: int) -> list[int]:
    edges = [*times, start_ms + spoken_ms(text)]
    return [after - before for before, after in itertools.pairwise(edges)]
