"""One simulated realtime response: spoken in pieces, cancelled at any of them, and what it costs so far."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.realtime_conversation import Conversation, Item, spoken_tokens, usage_body
from voicegateway.testing.vendors.tokens import count_tokens, split_tokens
from voicegateway.testing.vendors.tone import spoken_ms, tone_pcm
from voicegateway.testing.vendors.truth import CLIENT_CLOSED, OK, AcceptedRequest

SAMPLE_RATE: Final = 24_000
CHUNK_MS: Final = 200
Tell = Callable[..., Awaitable[None]]
ERROR_CODES: Final[Mapping[int, str]] = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


class RealtimeResponse:
    """Lives from its creation until it is done. `usage()` is right at every instant."""

    def __init__(
        self,
        *,
        conversation: Conversation,
        reply: str,
        instructions: str | None,
        metadata: Any,
        has_audio: bool,
        options: OpenAIOptions,
        rule: FaultRule | None,
        tell: Tell,
    ) -> None:
        self.id = f"resp_{uuid4().hex}"
        self.is_cancelled = asyncio.Event()
        self.cancelled_by = "client_cancelled"
        self.is_done = False
        self.accepted: AcceptedRequest | None = None
        self._conversation, self._reply, self._has_audio = conversation, reply, has_audio
        self._metadata, self._options, self._rule, self._tell = metadata, options, rule, tell
        self._item_id = f"item_{uuid4().hex}"
        self._input = conversation.input_usage(instructions)
        self._audio_ms = 0
        self._text = ""
        self._chunks = 0
        self._is_failed = False

    @property
    def is_billed(self) -> bool:
        """False for a response that failed before anything was said."""
        return self._chunks > 0 or not self._is_failed

    def usage(self) -> dict[str, int]:
        """Return what is billed if it ends now."""
        audio_tokens = spoken_tokens(self._audio_ms)
        output = {"output_tokens": audio_tokens + count_tokens(self._text), "output_audio_tokens": audio_tokens}
        return {**self._input, **output}

    def end(self, outcome: str) -> None:
        """Write the bill, once."""
        if self.accepted is None or self.accepted.is_ended:
            return
        is_billed = self.is_billed
        self.accepted.end(outcome=outcome, usage=self.usage() if is_billed else {}, billed=is_billed)

    async def run(self, break_off: Callable[[bool], Awaitable[None]]) -> None:
        """Say the reply, and then that it is done; a fault may end it, or the whole connection."""
        rule = self._rule
        await self._tell("response.created", response=self._body("in_progress"))
        if rule is not None and (rule.is_refusal or (rule.kind == "vendor_error" and not rule.chunks_before)):
            await self._fail(rule)
            return
        if rule is not None and rule.kind == "stall":
            await self._pause(rule.stall_s)
        await self._pause(self._options.ttft_ms / 1000)
        if not self.is_cancelled.is_set() and not await self._speak(break_off):
            return
        await self._finish()

    async def _speak(self, break_off: Callable[[bool], Awaitable[None]]) -> bool:
        """Say the reply until its end or until it is cancelled; return False if a fault has ended everything."""
        await self._open_item()
        place = {"response_id": self.id, "item_id": self._item_id, "output_index": 0, "content_index": 0}
        total_ms = spoken_ms(self._reply)
        words = split_tokens(self._reply)
        chunks = max(1, -(-total_ms // CHUNK_MS))
        for number in range(1, chunks + 1):
            text = "".join(words[len(words) * (number - 1) // chunks : len(words) * number // chunks])
            end_ms = min(total_ms, number * CHUNK_MS)
            # Counted first: what is being sent when somebody leaves has been made.
            start_ms, self._text, self._chunks = self._audio_ms, self._text + text, number
            if self._has_audio:
                self._audio_ms = end_ms
                await self._tell("response.output_audio_transcript.delta", **place, delta=text)
                pcm = tone_pcm(start_ms=start_ms, end_ms=end_ms, sample_rate=SAMPLE_RATE)
                await self._tell("response.output_audio.delta", **place, delta=base64.b64encode(pcm).decode())
            else:
                await self._tell("response.output_text.delta", **place, delta=text)
            if self._rule is not None and self._rule.kind != "stall" and number == self._rule.chunks_before:
                if self._rule.kind == "vendor_error":
                    await self._fail(self._rule)
                else:
                    self._is_failed = True
                    self.end(self._rule.outcome)
                    await break_off(self._rule.kind == "abort_mid_stream")
                return False
            await self._pause(self._options.token_ms / 1000)
            if self.is_cancelled.is_set():
                break
        kind = "audio" if self._has_audio else "text"
        await self._tell(f"response.output_{kind}.done", **place)
        item = self._item("completed" if not self.is_cancelled.is_set() else "incomplete")
        await self._tell("response.output_item.done", response_id=self.id, output_index=0, item=item)
        return True

    async def _open_item(self) -> None:
        previous = self._conversation.last_id
        said = Item(id=self._item_id, role="assistant", text_tokens=0)
        self._conversation.items[self._item_id] = said
        item = self._item("in_progress")
        await self._tell("response.output_item.added", response_id=self.id, output_index=0, item=item)
        await self._tell("conversation.item.added", previous_item_id=previous, item=item)
        part = {"type": "audio", "transcript": ""} if self._has_audio else {"type": "text", "text": ""}
        place = {"response_id": self.id, "item_id": self._item_id, "output_index": 0, "content_index": 0}
        await self._tell("response.content_part.added", **place, part=part)

    async def _finish(self) -> None:
        self.is_done = True
        usage = self.usage()
        if (said := self._conversation.items.get(self._item_id)) is not None:
            said.audio_tokens = usage["output_audio_tokens"]
            said.text_tokens = usage["output_tokens"] - usage["output_audio_tokens"]
        is_cancelled = self.is_cancelled.is_set()
        self.end(CLIENT_CLOSED if is_cancelled else OK)
        await self._tell("response.done", response=self._body("cancelled" if is_cancelled else "completed"))

    async def _fail(self, rule: FaultRule) -> None:
        self.is_done = self._is_failed = True
        self.end(rule.outcome)
        code = ERROR_CODES.get(rule.refusal_status if rule.is_refusal else 500, "server_error")
        await self._tell("response.done", response=self._body("failed", code=code))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless it is cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self.is_cancelled.wait()
        except TimeoutError:
            return

    def _item(self, status: str) -> dict[str, Any]:
        kind = "output_audio" if self._has_audio else "output_text"
        name = "transcript" if self._has_audio else "text"
        content = [{"type": kind, name: self._text}] if status != "in_progress" else []
        head = {"id": self._item_id, "object": "realtime.item", "type": "message"}
        return {**head, "role": "assistant", "status": status, "content": content}

    def _body(self, status: str, *, code: str = "") -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if status == "cancelled":
            details = {"type": "cancelled", "reason": self.cancelled_by}
        elif status == "failed":
            details = {"type": "failed", "error": {"type": code, "code": code}}
        is_told = status != "in_progress" and self.is_billed
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [],
            "metadata": self._metadata,
            "usage": usage_body(self.usage()) if is_told else None,
        }
