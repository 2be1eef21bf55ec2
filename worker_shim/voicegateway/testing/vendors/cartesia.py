"""Simulated Cartesia text-to-speech: WebSocket `/tts/websocket` with contexts, and `POST /tts/bytes`.

Bills about one credit per character of `transcript` received, blanks included, per context, and only on
success: a context that fails before any audio costs nothing (docs.cartesia.ai/pricing). A client that drops
the socket in the middle of a context pays for what it sent. A refused handshake is free.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.cartesia_connection import CartesiaConnection
from voicegateway.testing.vendors.cartesia_wire import SynthesisRequest
from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator, abort
from voicegateway.testing.vendors.tone import spoken_ms, tone_pcm
from voicegateway.testing.vendors.truth import OK, Vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class CartesiaOptions:
    """How the simulated voice behaves: it makes chunks of `chunk_ms`, one each `chunk_every_ms`."""

    first_chunk_ms: int = 80
    chunk_ms: int = 200
    chunk_every_ms: int = 100
    """Twice as fast as real time: slow enough that a caller can interrupt a voice that is still coming."""


class CartesiaSimulator(VendorSimulator):
    """Cartesia on this machine. Point `cartesia.TTS` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "cartesia"

    def __init__(self, surroundings: Surroundings, options: CartesiaOptions) -> None:
        super().__init__(surroundings)
        self._options = options

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the two ways to synthesize."""
        return [web.get("/tts/websocket", self._socket), web.post("/tts/bytes", self._bytes)]

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
        synthesis = _BytesSynthesis(
            request=request, request_id=request_id, asked=asked, options=self._options, rule=rule
        )
        outcome = None
        try:
            outcome = await synthesis.run()
        except ConnectionError:
            # Writing failed: the client left. The bill below says so.
            return synthesis.response
        finally:
            characters = len(asked.transcript)
            usage = {"characters_sent": characters}
            if not synthesis.is_billed:
                usage["characters_failed"] = characters
            accepted.end(
                outcome=outcome or synthesis.fault_outcome or self.outcome_of_break,
                usage=usage,
                billed=synthesis.is_billed,
                facts={"audio_ms_written": synthesis.audio_ms_written},
            )
        return synthesis.response

    def _refuse(
        self, request: web.Request, request_id: str, *, model: str, rule: FaultRule | None
    ) -> web.Response | None:
        if rule is not None and rule.is_refusal:
            return self.refuse(
                request_id=request_id, modality="tts", model=model, status=rule.refusal_status, rule=rule
            )
        if not (request.headers.get("X-API-Key") or request.query.get("api_key")):
            return self.refuse(request_id=request_id, modality="tts", model=model, status=401)
        return None


class _BytesSynthesis:
    """One `POST /tts/bytes`: raw samples, as fast as a context's."""

    def __init__(
        self,
        *,
        request: web.Request,
        request_id: str,
        asked: SynthesisRequest,
        options: CartesiaOptions,
        rule: FaultRule | None,
    ) -> None:
        self.audio_ms_written = 0
        self.fault_outcome: str | None = None
        self.response = web.StreamResponse(headers={"Content-Type": "audio/pcm", "x-request-id": request_id})
        self._request = request
        self._asked = asked
        self._options = options
        self._rule = rule
        self._chunks = 0

    @property
    def is_billed(self) -> bool:
        """False if the vendor failed before any audio."""
        return self.audio_ms_written > 0 or self.fault_outcome is None

    async def run(self) -> str | None:
        """Answer. Return the outcome, or None if a fault ended it (then `fault_outcome` says which)."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.first_chunk_ms / 1000)
        await self.response.prepare(self._request)
        audio_ms = spoken_ms(self._asked.transcript)
        while not await self._strike() and self.audio_ms_written < audio_ms:
            end_ms = min(audio_ms, self.audio_ms_written + self._options.chunk_ms)
            await self.response.write(
                tone_pcm(start_ms=self.audio_ms_written, end_ms=end_ms, sample_rate=self._asked.sample_rate)
            )
            self.audio_ms_written = end_ms
            self._chunks += 1
            await asyncio.sleep(self._options.chunk_every_ms / 1000)
        is_broken = self.fault_outcome is not None and self.audio_ms_written < audio_ms
        if not is_broken:
            await self.response.write_eof()
        return None if is_broken else self.fault_outcome or OK

    async def _strike(self) -> bool:
        """Let the fault happen if it is time; return True if it broke the stream."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._chunks != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await self.response.write_eof()
        return True
