"""One simulated Cartesia socket and the contexts on it: counts characters, speaks, fails to order."""

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from voicegateway.testing.vendors.cartesia_wire import (
    SynthesisRequest,
    chunk_event,
    done_event,
    error_event,
    timestamps_event,
)
from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.server import abort, send_close
from voicegateway.testing.vendors.tone import spoken_ms, tone_pcm
from voicegateway.testing.vendors.truth import OK, AcceptedRequest

if TYPE_CHECKING:
    from voicegateway.testing.vendors.cartesia import CartesiaOptions, CartesiaSimulator

logger = logging.getLogger("voicegateway.testing.vendors")

CONTEXT_TRANSCRIPTS_MAX: Final = 1024
"""Sentences waiting in one context; a reply has a dozen. A fuller queue holds the socket back."""


class CartesiaConnection:
    """Lives from the handshake to the client's close. Ends every context it began."""

    def __init__(
        self,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        vendor: "CartesiaSimulator",
        options: "CartesiaOptions",
        request_id: str,
    ) -> None:
        self.options = options
        self.fault_outcome: str | None = None
        self._request = request
        self._socket = socket
        self._vendor = vendor
        self._request_id = request_id
        self._is_mute = False
        self._contexts: dict[str, CartesiaContext] = {}

    async def run(self) -> None:
        """Serve until the connection ends, reading all that the client sent."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            body = json.loads(message.data)
            if body.get("cancel"):
                await self._cancel(str(body.get("context_id") or ""))
                continue
            asked = SynthesisRequest.parse(body)
            if asked is None:
                context_id = str(body.get("context_id") or "")
                await self.send(error_event(context_id, status_code=400, message="not understood"))
                continue
            await self._context_of(asked).add(asked)

    async def aclose(self) -> None:
        """End what the client left unfinished."""
        for context in list(self._contexts.values()):
            await context.aclose(self.fault_outcome or self._vendor.outcome_of_break)

    def forget(self, context_id: str) -> None:
        """Drop an ended context; the same id begins a new one."""
        del self._contexts[context_id]

    async def send(self, event: dict[str, Any]) -> None:
        """Tell the client, unless the connection is already failing or the client is gone."""
        if self._is_mute:
            return
        try:
            await self._socket.send_json(event)
        except ConnectionError:
            # What the client sent before it left may still wait to be read, and is billed.
            logger.debug("cartesia client of %s left while being answered", self._request_id)
            self._is_mute = True

    async def fail(self, rule: FaultRule) -> None:
        """Break the whole connection; contexts on it end with this fault once the client's own close came."""
        self.fault_outcome = rule.outcome
        self._is_mute = True
        if rule.kind == "abort_mid_stream":
            abort(self._request)
        else:
            await send_close(self._socket, code=WSCloseCode.INTERNAL_ERROR, reason=b"simulated failure")

    def _context_of(self, asked: SynthesisRequest) -> "CartesiaContext":
        context = self._contexts.get(asked.context_id)
        if context is None:
            accepted = self._vendor.truth.accept(
                request_id=asked.context_id or self._request_id,
                modality="tts",
                model=asked.model,
                context=asked.price_context(),
            )
            rule = self._vendor.faults.next("tts_context")
            context = CartesiaContext(connection=self, first=asked, accepted=accepted, rule=rule)
            self._contexts[asked.context_id] = context
        return context

    async def _cancel(self, context_id: str) -> None:
        context = self._contexts.get(context_id)
        if context is not None:
            await context.aclose(self._vendor.outcome_of_break)
            await self.send(done_event(context_id))


class CartesiaContext:
    """One context: the unit that is billed. Ends when all is spoken, or when its connection does."""

    def __init__(
        self,
        *,
        connection: CartesiaConnection,
        first: SynthesisRequest,
        accepted: AcceptedRequest,
        rule: FaultRule | None,
    ) -> None:
        self._connection = connection
        self._options = connection.options
        self._id = first.context_id
        self._sample_rate = first.sample_rate
        self._wants_timestamps = first.wants_timestamps
        self._accepted = accepted
        self._rule = rule
        self._characters = 0
        self._chunks = 0
        self._audio_ms = 0
        # Transcripts to speak; None after the last.
        self._pending: asyncio.Queue[str | None] = asyncio.Queue(CONTEXT_TRANSCRIPTS_MAX)
        self._speaking: asyncio.Task[None] | None = None

    async def add(self, asked: SynthesisRequest) -> None:
        """Take one message of this context."""
        self._characters += len(asked.transcript)
        if self._rule is not None and self._rule.kind == "vendor_error":
            # The context is dead: each message to it is answered so, the last one ends it.
            await self._connection.send(error_event(self._id, status_code=500, message="simulated failure"))
            if not asked.has_more:
                self._end(self._rule.outcome)
            return
        if self._connection.fault_outcome is not None:
            return  # nothing speaks any more; only the bill still grows
        await self._pending.put(asked.transcript)
        if not asked.has_more:
            await self._pending.put(None)
        if self._speaking is None:
            self._speaking = asyncio.create_task(self._speak(), name=f"cartesia context {self._id}")

    async def aclose(self, outcome: str) -> None:
        """Stop speaking and end with this outcome."""
        if self._speaking is not None:
            self._speaking.cancel()
            (result,) = await asyncio.gather(self._speaking, return_exceptions=True)
            if isinstance(result, Exception):
                logger.error("cartesia context %s broke in the simulator", self._id, exc_info=result)
        if not self._accepted.is_ended:
            self._end(self._fault_outcome or outcome)

    @property
    def _fault_outcome(self) -> str | None:
        is_own = self._rule is not None and self._rule.kind in ("stall", "vendor_error")
        return self._rule.outcome if is_own and self._rule is not None else None

    async def _speak(self) -> None:
        if self._rule is not None and self._rule.kind == "stall":
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.first_chunk_ms / 1000)
        while (transcript := await self._pending.get()) is not None:
            if not await self._speak_one(transcript):
                return
        await self._connection.send(done_event(self._id))
        self._end(self._fault_outcome or OK)

    async def _speak_one(self, transcript: str) -> bool:
        """Speak one transcript; return False if a fault broke the connection."""
        start_ms = self._audio_ms
        end_ms = start_ms + spoken_ms(transcript)
        while True:
            if self._connection.fault_outcome is not None:
                return False
            if self._is_time_to_break() and self._rule is not None:
                await self._connection.fail(self._rule)
                return False
            if self._audio_ms >= end_ms:
                break
            await self._send_chunk(min(end_ms, self._audio_ms + self._options.chunk_ms))
        if self._wants_timestamps and transcript.strip():
            await self._connection.send(timestamps_event(self._id, transcript, start_ms=start_ms))
        return True

    async def _send_chunk(self, end_ms: int) -> None:
        pcm = tone_pcm(start_ms=self._audio_ms, end_ms=end_ms, sample_rate=self._sample_rate)
        await self._connection.send(chunk_event(self._id, pcm, step_ms=self._options.chunk_every_ms))
        self._audio_ms = end_ms
        self._chunks += 1
        await asyncio.sleep(self._options.chunk_every_ms / 1000)

    def _is_time_to_break(self) -> bool:
        rule = self._rule
        return (
            rule is not None
            and rule.kind in ("close_mid_stream", "abort_mid_stream")
            and self._chunks == rule.chunks_before
        )

    def _end(self, outcome: str) -> None:
        is_billed = self._audio_ms > 0 or not outcome.startswith("fault:")
        usage = {"characters_sent": self._characters}
        if not is_billed:
            usage["characters_failed"] = self._characters
        self._connection.forget(self._id)
        self._accepted.end(
            outcome=outcome,
            usage=usage,
            billed=is_billed,
            facts={"audio_ms_written": self._audio_ms},
        )
