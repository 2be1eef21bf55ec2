"""Simulated ElevenLabs: voices on sockets of many contexts and by POST, transcription (scribe) on a socket and by POST.

Voices are billed by the characters received, blanks included, interrupted and failed ones too: nothing else is
documented (elevenlabs.io/pricing/api). Answers to POSTs tell the vendor's own cost in `character-cost`, in credits:
half a credit a character with flash and turbo models, one with the others. Transcription is billed by the audio
received. A refused handshake or request is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.elevenlabs_hearing import ScribeConnection, parse_realtime, recorded_answer
from voicegateway.testing.vendors.elevenlabs_voice import ContextsConnection, DialogueConnection, parse_output
from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.hearing import HearingOptions, serve, wav_ms
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import OK, Vendor
from voicegateway.testing.vendors.voice import SpokenAnswer, VoiceOptions
from voicegateway_shared.usage import Modality

KEY_HEADER: Final = "xi-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevenLabsOptions:
    """How the simulated voices and transcriptions behave."""

    voice: VoiceOptions = field(default_factory=VoiceOptions)
    hearing: HearingOptions = field(default_factory=HearingOptions)


class ElevenLabsSimulator(VendorSimulator):
    """ElevenLabs on this machine. Point `elevenlabs.TTS` and `elevenlabs.STT` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "elevenlabs"
    base_path: ClassVar[str] = "/v1"

    def __init__(self, surroundings: Surroundings, options: ElevenLabsOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the ways to speak, and the ways to transcribe."""
        return [
            web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._speak),
            web.get("/v1/text-to-dialogue/multi-stream-input", self._speak),
            web.post("/v1/text-to-speech/{voice}/stream", self._speak_whole),
            web.post("/v1/text-to-dialogue/stream", self._speak_whole),
            web.get("/v1/speech-to-text/realtime", self._listen),
            web.post("/v1/speech-to-text", self._transcribe),
        ]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return ElevenLabs' error body."""
        code = {429: "rate_limit_exceeded", 401: "invalid_api_key"}.get(status, "simulated_refusal")
        return {"detail": {"status": code, "message": f"This request was refused with {status}."}}

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        request_id = uuid4().hex
        model = request.query.get("model_id", "")
        audio = parse_output(request.query.get("output_format", ""))
        rule = self.faults.next("multi_stream_socket")
        refusal = self._refuse(request, request_id, modality="tts", model=model, rule=rule, is_bad=audio is None)
        if refusal is not None or audio is None:
            return refusal or web.Response(status=400)
        socket = await self.accept_socket(request, headers={"x-trace-id": request_id})
        speaks = DialogueConnection if "voice" not in request.match_info else ContextsConnection
        connection = speaks(
            request=request,
            socket=socket,
            vendor=self,
            model=model,
            audio=audio,
            options=self._options.voice,
        )
        try:
            await connection.run()
        finally:
            await connection.aclose()
        return socket

    async def _speak_whole(self, request: web.Request) -> web.StreamResponse:
        request_id = uuid4().hex
        rule = self.faults.next("speech_bytes")
        body = await request.json()
        model = str(body.get("model_id") or "")
        inputs = body.get("inputs")
        texts = [body.get("text")] if inputs is None else [spoken.get("text") for spoken in inputs]
        audio = parse_output(request.query.get("output_format", ""))
        is_bad = audio is None or not all(isinstance(text, str) for text in texts)
        refusal = self._refuse(request, request_id, modality="tts", model=model, rule=rule, is_bad=is_bad)
        if refusal is not None or audio is None:
            return refusal or web.Response(status=400)
        text = "".join(texts)
        accepted = self.truth.accept(request_id=request_id, modality="tts", model=model)
        is_half = "flash" in model or "turbo" in model
        answer = SpokenAnswer(
            request=request,
            headers={
                "Content-Type": "audio/mpeg" if audio.container == "mp3" else "audio/pcm",
                "request-id": request_id,
                "x-trace-id": request_id,
                "character-cost": str((len(text) + 1) // 2 if is_half else len(text)),
            },
            text=text,
            audio=audio,
            options=self._options.voice,
            rule=rule,
        )
        outcome = None
        try:
            outcome = await answer.run()
        finally:
            accepted.end(
                outcome=outcome or answer.fault_outcome or self.outcome_of_break,
                usage={"characters_sent": len(text)},
                facts={"audio_ms_written": answer.audio_ms_written},
            )
        return answer.response

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        request_id = uuid4().hex
        model = request.query.get("model_id", "")
        wanted = parse_realtime(request.query)
        rule = self.faults.next("scribe_socket")
        refusal = self._refuse(request, request_id, modality="stt", model=model, rule=rule, is_bad=wanted is None)
        if refusal is not None or wanted is None:
            return refusal or web.Response(status=400)
        socket = await self.accept_socket(request, headers={"x-trace-id": request_id})
        accepted = self.truth.accept(request_id=request_id, modality="stt", model=model, context={"mode": "streaming"})
        hearing = ScribeConnection(
            request=request,
            socket=socket,
            request_id=request_id,
            audio=wanted,
            options=self._options.hearing,
            first_transcript=self.seed,
            rule=rule,
        )
        return await serve(hearing, self, accepted)

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        request_id = uuid4().hex
        rule = self.faults.next("scribe_recording")
        form = await request.post()
        model, recording = str(form.get("model_id") or ""), form.get("file")
        audio_ms = wav_ms(recording.file.read()) if isinstance(recording, web.FileField) else None
        refusal = self._refuse(request, request_id, modality="stt", model=model, rule=rule, is_bad=audio_ms is None)
        if refusal is not None or audio_ms is None:
            return refusal or web.Response(status=400)
        accepted = self.truth.accept(request_id=request_id, modality="stt", model=model, context={"mode": "batch"})
        outcome = None
        try:
            script = self._options.hearing.transcripts
            text = script[self.seed % len(script)]
            await self.stall(rule)
            outcome = OK if rule is None else rule.outcome
            return web.json_response(
                recorded_answer(text, audio_ms=audio_ms),
                headers={"request-id": request_id, "x-trace-id": request_id},
            )
        finally:
            accepted.end(outcome=outcome or self.outcome_of_break, usage={"audio_sent_ms": audio_ms})

    def _refuse(
        self,
        request: web.Request,
        request_id: str,
        *,
        modality: Modality,
        model: str,
        rule: FaultRule | None,
        is_bad: bool,
    ) -> web.Response | None:
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality=modality, model=model, status=rule.refusal_status, rule=rule
            )
        if is_bad or not request.headers.get(KEY_HEADER):
            return self.refuse(request_id=request_id, modality=modality, model=model, status=400 if is_bad else 401)
        return None
