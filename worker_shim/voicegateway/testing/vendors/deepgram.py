"""Simulated Deepgram: `/v1/listen`, `/v2/listen` (Flux) and the voices of `/v1/speak` and `/v2/speak`.

Speech to text is billed per audio second *sent*, silence included; `KeepAlive`, `Finalize` and the time the socket
stands open are free (deepgram.com/pricing; Deepgram staff in github.com/livekit/agents/issues/736). Here in whole
milliseconds: the bytes of a connection are summed and divided once, rounded down. Audio that arrived before a
connection broke is billed, whoever broke it. Voices are billed by the characters received, one line a connection,
interrupted ones too. A refused handshake or request is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.deepgram_connection import (
    DeepgramHearing,
    FluxConnection,
    ListenConnection,
    ListenFormat,
    recorded_answer,
)
from voicegateway.testing.vendors.deepgram_voice import FluxVoiceConnection, SpeakConnection, SpeakFormat
from voicegateway.testing.vendors.faults import Endpoint, FaultRule
from voicegateway.testing.vendors.hearing import HearingOptions, serve, wav_ms
from voicegateway.testing.vendors.server import API_KEY, PluginKwargs, Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import OK, Vendor
from voicegateway.testing.vendors.voice import SpokenAnswer, VoiceOptions
from voicegateway_shared.usage import Modality

PluginClass = Literal["STT", "STTv2", "TTS", "TTSv2"]
PATHS: Final[dict[PluginClass, str]] = {
    "STT": "/v1/listen",
    "STTv2": "/v2/listen",
    "TTS": "/v1/speak",
    "TTSv2": "/v2/speak",
}
"""The plugin's classes take the whole path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepgramOptions(HearingOptions):
    """How the simulated speech-to-text behaves, and the voices. Each connection cycles through the transcripts."""

    voice: VoiceOptions = field(default_factory=VoiceOptions)


class DeepgramSimulator(VendorSimulator):
    """Deepgram on this machine. `plugin_kwargs()` points `deepgram.STT` at it, `plugin_kwargs("TTS")` its voice."""

    vendor: ClassVar[Vendor] = "deepgram"
    base_path: ClassVar[str] = PATHS["STT"]

    def __init__(self, surroundings: Surroundings, options: DeepgramOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def plugin_kwargs(self, name: PluginClass = "STT") -> PluginKwargs:
        """Return the arguments that point one of the plugin's classes here."""
        return PluginKwargs(base_url=self.base_url.removesuffix(self.base_path) + PATHS[name], api_key=API_KEY)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the streaming endpoints, and those that take a whole recording or text."""
        return [
            web.get("/v1/listen", self._listen),
            web.post("/v1/listen", self._transcribe),
            web.get("/v2/listen", self._listen_to_turns),
            web.get("/v1/speak", self._speak),
            web.get("/v2/speak", self._speak),
            web.post("/v1/speak", self._speak_whole),
            web.post("/v2/speak", self._speak_whole),
        ]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return Deepgram's error body."""
        return {"err_code": f"SIMULATED_{status}", "err_msg": "simulated refusal", "request_id": request_id}

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        return await self._hear(request, "listen", ListenConnection)

    async def _listen_to_turns(self, request: web.Request) -> web.StreamResponse:
        return await self._hear(request, "flux", FluxConnection)

    async def _hear(
        self, request: web.Request, endpoint: Endpoint, connection: type[DeepgramHearing]
    ) -> web.StreamResponse:
        request_id = str(uuid4())
        model = request.query.get("model", "base-general")
        rule = self.faults.next(endpoint)
        audio = ListenFormat.parse(request.query)
        refusal = self._refuse(request, request_id, modality="stt", model=model, rule=rule, is_bad=audio is None)
        if refusal is not None or audio is None:
            return refusal or web.Response(status=400)
        socket = await self.accept_socket(request, headers={"dg-request-id": request_id})
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
            options=self._options,
            first_transcript=self.seed,
            rule=rule,
        )
        return await serve(hearing, self, accepted)

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        model = request.query.get("model", "base-general")
        rule = self.faults.next("listen_recording")
        audio_ms = wav_ms(await request.read())
        refusal = self._refuse(request, request_id, modality="stt", model=model, rule=rule, is_bad=audio_ms is None)
        if refusal is not None or audio_ms is None:
            return refusal or web.Response(status=400)
        accepted = self.truth.accept(
            request_id=request_id,
            modality="stt",
            model=model,
            context={"mode": "batch", "language": request.query.get("language", "en")},
        )
        outcome = None
        try:
            await self.stall(rule)
            outcome = OK if rule is None else rule.outcome
            script = self._options.transcripts
            answer = recorded_answer(script[self.seed % len(script)], request_id=request_id, audio_ms=audio_ms)
            return web.json_response(answer, headers={"dg-request-id": request_id})
        finally:
            accepted.end(outcome=outcome or self.outcome_of_break, usage={"audio_sent_ms": audio_ms})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        spoken = SpeakFormat.parse(request.query)
        refusal = self._refuse(
            request,
            request_id,
            modality="tts",
            model=request.query.get("model", ""),
            rule=self.faults.next("speak_socket"),
            is_bad=spoken is None,
        )
        if refusal is not None or spoken is None:
            return refusal or web.Response(status=400)
        socket = await self.accept_socket(request, headers={"dg-request-id": request_id})
        accepted = self.truth.accept(request_id=request_id, modality="tts", model=spoken.model)
        speaks = FluxVoiceConnection if request.path.startswith("/v2") else SpeakConnection
        connection = speaks(
            request=request,
            socket=socket,
            vendor=self,
            request_id=request_id,
            spoken=spoken,
            options=self._options.voice,
            accepted=accepted,
        )
        try:
            await connection.run()
        finally:
            await connection.aclose()
        return socket

    async def _speak_whole(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        rule = self.faults.next("speak_bytes")
        spoken = SpeakFormat.parse(request.query)
        model = request.query.get("model", "")
        text = (await request.json()).get("text")
        is_bad = spoken is None or not isinstance(text, str)
        refusal = self._refuse(request, request_id, modality="tts", model=model, rule=rule, is_bad=is_bad)
        if refusal is not None or spoken is None:
            return refusal or web.Response(status=400)
        accepted = self.truth.accept(request_id=request_id, modality="tts", model=model)
        answer = SpokenAnswer(
            request=request,
            headers={
                "Content-Type": "audio/pcm",
                "dg-request-id": request_id,
                "dg-model-name": model,
                "dg-char-count": str(len(text)),
            },
            text=text,
            audio=spoken.audio,
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
        if is_bad or not request.headers.get("Authorization"):
            return self.refuse(request_id=request_id, modality=modality, model=model, status=400 if is_bad else 401)
        return None
