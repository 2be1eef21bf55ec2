"""Simulated Deepgram speech-to-text: the WebSocket `/v1/listen`.

Bills per audio second *sent*, silence included; `KeepAlive`, `Finalize` and the time the socket stands open
are free (deepgram.com/pricing; Deepgram staff in github.com/livekit/agents/issues/736). Here in whole
milliseconds: the bytes of a connection are summed and divided once, rounded down. Audio that arrived before
a connection broke is billed, whoever broke it. A refused handshake is free.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.deepgram_connection import ListenConnection, ListenFormat
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator
from voicegateway.testing.vendors.truth import Vendor

_TRANSCRIPTS: Final = (
    "Hi, I'd like to know when my order will arrive.",
    "The number is four seven one nine.",
    "Could you send it to my office instead?",
    "Great, and what does that cost?",
    "No, that's all. Thank you very much.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepgramOptions:
    """How the simulated speech-to-text behaves. Each connection cycles through the transcripts."""

    transcripts: tuple[str, ...] = _TRANSCRIPTS
    endpointing_ms: int = 250
    """Trailing silence in the audio that ends an utterance."""
    interim_every_ms: int = 300
    idle_s_max: float = 10.0
    """Without audio or KeepAlive for so long, Deepgram closes the socket (NET-0001)."""


class DeepgramSimulator(VendorSimulator):
    """Deepgram on this machine. Point `deepgram.STT` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "deepgram"
    base_path: ClassVar[str] = "/v1/listen"

    def __init__(self, surroundings: Surroundings, options: DeepgramOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the streaming endpoint."""
        return [web.get("/v1/listen", self._listen)]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return Deepgram's error body."""
        return {"err_code": f"SIMULATED_{status}", "err_msg": "simulated refusal", "request_id": request_id}

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid4())
        model = request.query.get("model", "base-general")
        rule = self.faults.next("listen")
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality="stt", model=model, status=rule.refusal_status, rule=rule
            )
        audio = ListenFormat.parse(request.query)
        if audio is None or not request.headers.get("Authorization"):
            status = 400 if audio is None else 401
            return self.refuse(request_id=request_id, modality="stt", model=model, status=status)
        socket = await self.accept_socket(request, headers={"dg-request-id": request_id})
        connection = ListenConnection(
            request=request,
            socket=socket,
            request_id=request_id,
            audio=audio,
            options=self._options,
            first_transcript=self.seed,
            rule=rule,
        )
        accepted = self.truth.accept(
            request_id=request_id,
            modality="stt",
            model=model,
            context={"mode": "streaming", "language": request.query.get("language", "en")},
        )
        outcome = None
        try:
            outcome = await connection.run()
        except asyncio.CancelledError:
            await socket.close()
            raise
        finally:
            accepted.end(
                outcome=outcome or connection.fault_outcome or self.outcome_of_break,
                usage=connection.usage(),
                facts={"audio_bytes": connection.audio_bytes},
            )
        return socket
