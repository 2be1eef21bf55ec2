"""One simulated chat completion, streamed token by token, and what it costs so far."""

import asyncio
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.server import abort
from voicegateway.testing.vendors.tokens import count_prompt_tokens, message_text, split_tokens
from voicegateway.testing.vendors.truth import OK

RATE_LIMIT_HEADERS: Final = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999000",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "30ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The parts of a chat request that the simulator heeds."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any]
    is_streamed: bool
    wants_usage: bool
    output_tokens_max: int | None
    service_tier: str
    """By which it is served: what was asked for, or the vendor's usual one."""

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, service_tier: str) -> Self | None:
        """Return the request, or None if it is none."""
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not isinstance(messages, list):
            return None
        if not all(isinstance(message, dict) for message in messages):
            return None
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        tier = body.get("service_tier")
        return cls(
            model=model,
            messages=messages,
            tools=body.get("tools") or [],
            is_streamed=bool(body.get("stream")),
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            output_tokens_max=limit if isinstance(limit, int) else None,
            service_tier=tier if isinstance(tier, str) and tier != "auto" else service_tier,
        )


def choose_reply(messages: Sequence[Mapping[str, Any]], *, replies: Sequence[str], seed: int) -> str:
    """Return the reply to a conversation; the same conversation and seed get the same reply."""
    said = [message_text(message) for message in messages if message.get("role") == "user"]
    key = f"{seed}\0{len(said)}\0{said[-1] if said else ''}"
    return replies[zlib.crc32(key.encode()) % len(replies)]


class ChatCompletion:
    """Lives for one request. `usage()` is right at every instant, also when the client has just left."""

    def __init__(
        self,
        *,
        http: web.Request,
        call_id: str,
        asked: ChatRequest,
        cached_tokens: int,
        options: OpenAIOptions,
        seed: int,
        rule: FaultRule | None,
        headers: Mapping[str, str],
    ) -> None:
        self.response_id = f"chatcmpl-{call_id}"
        self.fault_outcome: str | None = None
        self.response: web.StreamResponse = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                **RATE_LIMIT_HEADERS,
                **headers,
            }
        )
        self._http = http
        self._asked = asked
        self._options = options
        self._rule = rule
        self._created = int(time.time())
        self._prompt_tokens = count_prompt_tokens(asked.messages, asked.tools)
        self._cached_tokens = cached_tokens
        tokens = split_tokens(choose_reply(asked.messages, replies=options.replies, seed=seed))
        self._tokens = tokens[: asked.output_tokens_max]
        self._finish_reason = "stop" if len(self._tokens) == len(tokens) else "length"
        self._tokens_written = 0
        self._is_failed = False

    @property
    def is_billed(self) -> bool:
        """False for a stream that failed before its first token."""
        return self._tokens_written > 0 or not self._is_failed

    def usage(self) -> Mapping[str, int]:
        """Return what is billed if the request ends now."""
        return {
            "input_tokens": self._prompt_tokens,
            "cache_read_tokens": self._cached_tokens,
            "output_tokens": self._tokens_written,
        }

    async def run(self) -> str | None:
        """Answer. Return the outcome, or None if a fault ended it (then `fault_outcome` says which)."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.ttft_ms / 1000)
        if not self._asked.is_streamed:
            return self._answer_whole()
        await self.response.prepare(self._http)
        if not await self._write_tokens():
            return None
        await self._write(self._chunk({}, finish_reason=self._finish_reason))
        if self._asked.wants_usage:
            await self._write({**self._chunk(None), "usage": self._usage_body()})
        await self.response.write(b"data: [DONE]\n\n")
        await self.response.write_eof()
        return self.fault_outcome or OK

    async def _write_tokens(self) -> bool:
        """Write the reply; return False if a fault broke it off."""
        if await self._strike():
            return False
        await self._write(self._chunk({"role": "assistant", "content": ""}))
        for token in self._tokens:
            await self._write(self._chunk({"content": token}))
            self._tokens_written += 1
            if await self._strike():
                return False
            await asyncio.sleep(self._options.token_ms / 1000)
        return True

    async def _strike(self) -> bool:
        """Let the fault happen if it is time; return True if it broke the stream."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._tokens_written != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        self._is_failed = True
        if rule.kind == "abort_mid_stream":
            abort(self._http)
        else:
            if rule.kind == "vendor_error":
                await self._write({"error": {"message": "simulated stream error", "type": "server_error"}})
            await self.response.write_eof()
        return True

    def _answer_whole(self) -> str:
        self._tokens_written = len(self._tokens)
        message = {"role": "assistant", "content": "".join(self._tokens), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        body = {**self._head("chat.completion"), "choices": [choice], "usage": self._usage_body()}
        headers = {key: value for key, value in self.response.headers.items() if key != "Content-Type"}
        self.response = web.json_response(body, headers=headers)
        return self.fault_outcome or OK

    async def _write(self, event: Mapping[str, Any]) -> None:
        await self.response.write(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.response_id,
            "object": kind,
            "created": self._created,
            "model": self._asked.model,
            "service_tier": self._asked.service_tier,
            "system_fingerprint": "fp_simulated",
        }

    def _chunk(self, delta: Mapping[str, Any] | None, *, finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [] if delta is None else [choice]}

    def _usage_body(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._tokens_written,
            "total_tokens": self._prompt_tokens + self._tokens_written,
            "prompt_tokens_details": {"cached_tokens": self._cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }
