"""Simulated Cartesia: voices at `/tts/websocket` with contexts and `POST /tts/bytes`, transcription at `/stt/…`.

Voices: bills about one credit per character of `transcript` received, blanks included, per context, and only on
success: a context that fails before any audio costs nothing (docs.cartesia.ai/pricing). A client that drops
the socket in the middle of a context pays for what it sent. Transcription: bills audio received, silence included.
A refused handshake is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.cartesia_connection import CartesiaConnection
from voicegateway.testing.vendors.cartesia_hearing import TranscriptsConnection, TurnsConnection, parse_format
from voicegateway.testing.vendors.cartesia_wire import SynthesisRequest
from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.hearing import Hearing, HearingOptions, serve
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import Vendor
from voicegateway.testing.vendors.voice import AudioFormat, SpokenAnswer, VoiceOptions
from voicegateway_shared.usage import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class CartesiaOptions(VoiceOptions):
    """How the simulated voice behaves, and the transcription."""

    hearing: HearingOptions = field(default_factory=HearingOptions)


class CartesiaSimulator(VendorSimulator):
    """Cartesia on this machine. Point `cartesia.TTS` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "cartesia"

    def __init__(self, surroundings: Surroundings, options: CartesiaOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the two ways to synthesize, and the two to transcribe."""
        return [
            web.get("/tts/websocket", self._socket),
            web.post("/tts/bytes", self._bytes),
            web.get("/stt/turns/websocket", self._listen_to_turns),
            web.get("/stt/websocket", self._listen),
        ]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return Cartesia's error body."""
        return {
            "error_code": "concurrency_limited" if status == 429 else None,
            "title": "Simulated refusal",
            "message": f"This request was refused with {status}.",
            "request_id": request_id,
        }

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        rule = self.faults.next("tts_socket")
        if refusal := self._refuse(request, request_id, model="", rule=rule):
            return refusal
        socket = await self.accept_socket(request, headers={"x-request-id": request_id})
        connection = CartesiaConnection(
            request=request, socket=socket, vendor=self, options=self._options, request_id=request_id
        )
        try:
            await connection.run()
        finally:
            await connection.aclose()
        return socket

    async def _listen_to_turns(self, request: web.Request) -> web.StreamResponse:
        return await self._hear(request, TurnsConnection)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        return await self._hear(request, TranscriptsConnection)

    async def _hear(self, request: web.Request, connection: type[Hearing]) -> web.StreamResponse:
        request_id = str(uuid4())
        model = request.query.get("model", "")
        rule = self.faults.next("turns_socket")
        if refusal := self._refuse(request, request_id, modality="stt", model=model, rule=rule):
            return refusal
        audio = parse_format(request.query)
        if audio is None:
            return self.refuse(request_id=request_id, modality="stt", model=model, status=400)
        socket = await self.accept_socket(request, headers={"x-request-id": request_id})
        accepted = self.truth.accept(
            request_id=request_id,
            modality="stt",
            model=model,
            context={"mode": "streaming", "language": request.query.get("language", "en")},
        )
        hearing = connection(
            request=request,
            socket=socket,
            request_id=request_id,
            audio=audio,
            options=self._options.hearing,
            first_transcript=self.seed,
            rule=rule,
        )
        return await serve(hearing, self, accepted)

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        rule = self.faults.next("tts_bytes")
        try:
            asked = SynthesisRequest.parse(await request.json())
        except ValueError:
            asked = None
        model = "" if asked is None else asked.model
        if refusal := self._refuse(request, request_id, model=model, rule=rule):
            return refusal
        if asked is None:
            return self.refuse(request_id=request_id, modality="tts", model="", status=400)
        accepted = self.truth.accept(request_id=request_id, modality="tts", model=model, context=asked.price_context())
        answer = SpokenAnswer(
            request=request,
            headers={"Content-Type": "audio/pcm", "x-request-id": request_id},
            text=asked.transcript,
            audio=AudioFormat(container="pcm", sample_rate=asked.sample_rate),
            options=self._options,
            rule=rule,
        )
        outcome = None
        try:
            outcome = await answer.run()
        finally:
            characters = len(asked.transcript)
            usage = {"characters_sent": characters}
            if answer.has_failed_silently:
                usage["characters_failed"] = characters
            accepted.end(
                outcome=outcome or answer.fault_outcome or self.outcome_of_break,
                usage=usage,
                billed=not answer.has_failed_silently,
                facts={"audio_ms_written": answer.audio_ms_written},
            )
        return answer.response

    def _refuse(
        self,
        request: web.Request,
        request_id: str,
        *,
        modality: Modality = "tts",
        model: str,
        rule: FaultRule | None,
    ) -> web.Response | None:
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality=modality, model=model, status=rule.refusal_status, rule=rule
            )
        if not (request.headers.get("X-API-Key") or request.query.get("api_key")):
            return self.refuse(request_id=request_id, modality=modality, model=model, status=401)
        return None
