"""Simulated AssemblyAI: streaming transcription at `/v3/ws`, and voices at `/v1/ws`.

Transcription is billed by the session's wall clock, from `Begin` to the socket's end, idle time included
(www.assemblyai.com/docs/faq/how-does-universal-streaming-session-based-pricing-work). Voices are billed by the
characters of `Generate`, one line a session. What the vendor refuses of its voices, it refuses in the open socket:
a bad key with 1008, too many sessions with 3009; a handshake fails only by `server_error`. Refusals are free.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.assemblyai_hearing import UniversalConnection, parse_format
from voicegateway.testing.vendors.assemblyai_voice import SpeechSession, parse_voice
from voicegateway.testing.vendors.faults import FaultKind
from voicegateway.testing.vendors.hearing import HearingOptions, serve
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import Vendor
from voicegateway.testing.vendors.voice import VoiceOptions

SESSION_S: Final = 3 * 3600
"""A session may last so long."""
REFUSED_IN_SOCKET: Final[Mapping[FaultKind, tuple[int, str]]] = {
    "unauthorized": (1008, "unauthorized"),
    "rate_limited": (3009, "too_many_sessions"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyAIOptions:
    """How the simulated transcription and voices behave."""

    voice: VoiceOptions = field(default_factory=VoiceOptions)
    hearing: HearingOptions = field(default_factory=HearingOptions)


class AssemblyAISimulator(VendorSimulator):
    """AssemblyAI on this machine. Point `assemblyai.STT` and `assemblyai.TTS` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "assemblyai"

    def __init__(self, surroundings: Surroundings, options: AssemblyAIOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the two sockets."""
        return [web.get("/v3/ws", self._listen), web.get("/v1/ws", self._speak)]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return AssemblyAI's error body."""
        return {"error": f"This request was refused with {status}."}

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        session_id = str(uuid4())
        model = request.query.get("speech_model", "")
        rule = self.faults.next("universal")
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=session_id, modality="stt", model=model, status=rule.refusal_status, rule=rule
            )
        audio = parse_format(request.query)
        if audio is None or not request.headers.get("Authorization"):
            status = 400 if audio is None else 401
            return self.refuse(request_id=session_id, modality="stt", model=model, status=status)
        socket = await self.accept_socket(request, headers={})
        accepted = self.truth.accept(request_id=session_id, modality="stt", model=model, context={"mode": "streaming"})
        hearing = UniversalConnection(
            request=request,
            socket=socket,
            request_id=session_id,
            audio=audio,
            options=self._options.hearing,
            first_transcript=self.seed,
            rule=rule,
        )
        return await serve(hearing, self, accepted)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        session_id = str(uuid4())
        model = request.query.get("model_id", "")
        rule = self.faults.next("voice_socket")
        if rule is not None and rule.kind == "server_error":
            return self.refuse(
                request_id=session_id, modality="tts", model=model, status=rule.refusal_status, rule=rule
            )
        audio = parse_voice(request.query)
        if audio is None:
            return self.refuse(request_id=session_id, modality="tts", model=model, status=400)
        kind: FaultKind | None = None if rule is None else rule.kind
        if kind is None and not request.headers.get("Authorization"):
            kind = "unauthorized"
        if kind is not None:
            code, error_type = REFUSED_IN_SOCKET[kind]
            retry_s = rule.retry_after_s if rule is not None and kind == "rate_limited" else None
            self.truth.reject(
                request_id=session_id, modality="tts", model=model, fault=None if rule is None else kind, status=code
            )
            socket = await self.accept_socket(request, headers={})
            await socket.send_json(
                {
                    "type": "Error",
                    "error_code": code,
                    "error_type": error_type,
                    "error": "simulated refusal",
                    "retryable": retry_s is not None,
                    "retry_after_seconds": retry_s,
                }
            )
            await socket.close(code=code)
            return socket
        socket = await self.accept_socket(request, headers={})
        accepted = self.truth.accept(request_id=session_id, modality="tts", model=model)
        session = SpeechSession(
            request=request,
            socket=socket,
            vendor=self,
            session_id=session_id,
            audio=audio,
            options=self._options.voice,
            accepted=accepted,
            expires_at=int(time.time()) + SESSION_S,
        )
        try:
            await session.run()
        finally:
            await session.aclose()
        return socket
