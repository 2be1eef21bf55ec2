"""Simulated Anthropic: `/v1/messages` as server-sent events, with usage that counts up and a cache that is marked.

All input is billed: what was read from the cache, what was written to it (for five minutes, or an hour), and the rest,
which alone is what the vendor calls `input_tokens`. The output tokens of `message_delta` are those of the whole message
so far (platform.claude.com/docs/en/build-with-claude/streaming). A client that leaves is billed what was written.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from uuid import uuid4

from aiohttp import web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_chat import choose_reply
from voicegateway.testing.vendors.openai_options import OpenAIOptions
from voicegateway.testing.vendors.openai_protocol import json_body
from voicegateway.testing.vendors.server import Surroundings, VendorSimulator, abort
from voicegateway.testing.vendors.tokens import MESSAGE_TOKENS, PRIMING_TOKENS, count_tokens, split_tokens
from voicegateway.testing.vendors.truth import OK, Vendor

CACHE_MIN_TOKENS: Final = 1024
"""Anthropic caches no shorter prefix; some models none below 2048 or 4096."""
CACHE_PREFIXES_MAX: Final = 10_000
ORGANIZATION: Final = "org-simulated"
START_TOKENS: Final = 1
"""What `message_start` tells of the output: a token or a few, before any text has come."""
ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
RATE_LIMIT_HEADERS: Final = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:00Z",
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "1999000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:00Z",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of a prompt, in the order in which the cache sees it; `lifetime` where a cache mark ends with it."""

    text: str
    tokens: int
    lifetime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRequest:
    """The parts of a request that the simulator heeds."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    blocks: Sequence[Block]
    output_tokens_max: int

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self | None:
        """Return the request, or None if it is none the vendor would take."""
        model, messages, limit = body.get("model"), body.get("messages"), body.get("max_tokens")
        if not isinstance(model, str) or not isinstance(messages, list) or not isinstance(limit, int):
            return None
        if not messages or not body.get("stream"):
            return None
        return cls(model=model, messages=messages, blocks=list(_blocks(body)), output_tokens_max=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a prompt is billed as."""

    fresh: int
    read: int
    written_5m: int
    written_1h: int

    @property
    def total(self) -> int:
        """All input tokens."""
        return self.fresh + self.read + self.written_5m + self.written_1h


class MarkedCache:
    """Remembers marked prefixes of prompts. Lives as long as its simulator."""

    def __init__(self) -> None:
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()

    def visit(self, asked: MessagesRequest) -> Prompt:
        """Return what of a prompt was cached, and remember what it marks."""
        digest = hashlib.sha256(asked.model.encode())
        total = read = written = 0
        lifetimes = {"5m": 0, "1h": 0}
        for block in asked.blocks:
            digest.update(block.text.encode())
            total += block.tokens
            if not block.lifetime or total < CACHE_MIN_TOKENS:
                continue
            key = digest.digest()
            if key in self._prefixes:
                read, written, lifetimes = total, total, {"5m": 0, "1h": 0}
                continue
            self._prefixes[key] = None
            lifetimes[block.lifetime] += total - written
            written = total
        while len(self._prefixes) > CACHE_PREFIXES_MAX:
            self._prefixes.popitem(last=False)
        total += PRIMING_TOKENS
        return Prompt(
            fresh=total - read - lifetimes["5m"] - lifetimes["1h"],
            read=read,
            written_5m=lifetimes["5m"],
            written_1h=lifetimes["1h"],
        )


class Message:
    """Lives for one request. `usage()` is right at every instant, also when the client has just left."""

    def __init__(
        self,
        *,
        http: web.Request,
        asked: MessagesRequest,
        prompt: Prompt,
        options: OpenAIOptions,
        seed: int,
        rule: FaultRule | None,
        headers: Mapping[str, str],
    ) -> None:
        self.message_id = f"msg_{uuid4().hex}"
        self.fault_outcome: str | None = None
        self.response: web.StreamResponse = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", **RATE_LIMIT_HEADERS, **headers}
        )
        self._http = http
        self._asked = asked
        self._prompt = prompt
        self._options = options
        self._rule = rule
        tokens = split_tokens(choose_reply(asked.messages, replies=options.replies, seed=seed))
        self._tokens = tokens[: asked.output_tokens_max]
        self._is_whole = len(tokens) == len(self._tokens)
        self._written = 0
        self._is_failed = False

    @property
    def is_billed(self) -> bool:
        """False for a message that failed before its first token."""
        return self._written > 0 or not self._is_failed

    def usage(self) -> Mapping[str, int]:
        """Return what is billed if the request ends now."""
        return {
            "input_tokens": self._prompt.total,
            "cache_read_tokens": self._prompt.read,
            "cache_write_5m_tokens": self._prompt.written_5m,
            "cache_write_1h_tokens": self._prompt.written_1h,
            "output_tokens": self._written,
        }

    async def run(self) -> str | None:
        """Answer. Return the outcome, or None if a fault ended it."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.ttft_ms / 1000)
        await self.response.prepare(self._http)
        await self._tell("message_start", message=self._head())
        await self._tell("content_block_start", index=0, content_block={"type": "text", "text": ""})
        await self._tell("ping")
        if await self._strike():
            return None
        for token in self._tokens:
            await self._tell("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
            self._written += 1
            if await self._strike():
                return None
            await asyncio.sleep(self._options.token_ms / 1000)
        await self._tell("content_block_stop", index=0)
        reason = "end_turn" if self._is_whole else "max_tokens"
        await self._tell(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={**self._input_usage(), "output_tokens": self._written},
        )
        await self._tell("message_stop")
        await self.response.write_eof()
        return self.fault_outcome or OK

    async def _strike(self) -> bool:
        """Let the fault happen if it is time; return True if it broke the stream."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._written != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        self._is_failed = True
        if rule.kind == "abort_mid_stream":
            abort(self._http)
            return True
        if rule.kind == "vendor_error":
            await self._tell("error", error={"type": "overloaded_error", "message": "Overloaded"})
        await self.response.write_eof()
        return True

    async def _tell(self, kind: str, **facts: Any) -> None:
        event = json.dumps({"type": kind, **facts}, separators=(",", ":"))
        await self.response.write(f"event: {kind}\ndata: {event}\n\n".encode())

    def _head(self) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                **self._input_usage(),
                "cache_creation": {
                    "ephemeral_5m_input_tokens": self._prompt.written_5m,
                    "ephemeral_1h_input_tokens": self._prompt.written_1h,
                },
                "output_tokens": START_TOKENS,
                "service_tier": "standard",
            },
        }

    def _input_usage(self) -> dict[str, int]:
        prompt = self._prompt
        return {
            "input_tokens": prompt.fresh,
            "cache_creation_input_tokens": prompt.written_5m + prompt.written_1h,
            "cache_read_input_tokens": prompt.read,
        }


class AnthropicSimulator(VendorSimulator):
    """Anthropic on this machine. Point `anthropic.LLM` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "anthropic"
    cancels_on_disconnect: ClassVar[bool] = True

    def __init__(self, surroundings: Surroundings, options: OpenAIOptions) -> None:
        super().__init__(surroundings)
        self._options = options
        self._cache = MarkedCache()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return messages, and the list of models, which the plugin asks for to warm its connection."""
        return [web.post("/v1/messages", self._messages), web.get("/v1/models", self._models)]

    def refusal_body(self, status: int, request_id: str) -> dict[str, Any]:
        """Return Anthropic's error body."""
        kind = ERROR_TYPES.get(status, "api_error")
        message = {"type": kind, "message": f"simulated refusal {request_id}"}
        return {"type": "error", "error": message, "request_id": request_id}

    def refusal_headers(self, status: int) -> dict[str, str]:
        """Return Anthropic's rate limit headers; a 429 has used all requests."""
        return RATE_LIMIT_HEADERS | ({"anthropic-ratelimit-requests-remaining": "0"} if status == 429 else {})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        request_id = f"req_{uuid4().hex}"
        rule = self.faults.next("messages")
        asked = MessagesRequest.parse(await json_body(request))
        status = 0
        if rule is not None and rule.is_refusal:
            status = rule.refusal_status
        elif not request.headers.get("x-api-key"):
            status = 401
        if status or asked is None:
            model = "" if asked is None else asked.model
            return self.refuse(request_id=request_id, modality="llm", model=model, status=status or 400, rule=rule)
        message = Message(
            http=request,
            asked=asked,
            prompt=self._cache.visit(asked),
            options=self._options,
            seed=self.seed,
            rule=rule,
            headers={"request-id": request_id, "anthropic-organization-id": ORGANIZATION},
        )
        accepted = self.truth.accept(
            request_id=message.message_id, modality="llm", model=asked.model, context={"service_tier": "standard"}
        )
        outcome = None
        try:
            outcome = await message.run()
        except ConnectionError:
            # Writing failed: the client left.
            return message.response
        finally:
            accepted.end(
                outcome=outcome or message.fault_outcome or self.outcome_of_break,
                usage=message.usage() if message.is_billed else {},
                billed=message.is_billed,
                facts={"http_request_id": request_id},
            )
        return message.response

    async def _models(self, request: web.Request) -> web.Response:
        head = {"type": "model", "display_name": "simulated", "created_at": "2026-01-01T00:00:00Z"}
        models = [{"id": name, **head} for name in ("claude-haiku-4-5", "claude-sonnet-4-6")]
        return web.json_response({"data": models, "has_more": False, "first_id": None, "last_id": None})


def _blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """Tools, system, messages: the order of Anthropic's cache."""
    for tool in body.get("tools") or ():
        text = json.dumps({key: value for key, value in tool.items() if key != "cache_control"})
        yield Block(text=text, tokens=count_tokens(text), lifetime=_lifetime(tool))
    system = body.get("system") or ()
    for part in [{"text": system}] if isinstance(system, str) else system:
        yield _block(part, beside=0)
    for message in body["messages"]:
        content = message.get("content") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        for number, part in enumerate(parts):
            yield _block(part, beside=0 if number else MESSAGE_TOKENS)


def _block(part: Mapping[str, Any], *, beside: int) -> Block:
    text = str(part.get("text") or json.dumps(part.get("input") or part.get("content") or ""))
    return Block(text=text, tokens=count_tokens(text) + beside, lifetime=_lifetime(part))


def _lifetime(part: Mapping[str, Any]) -> str:
    mark = part.get("cache_control")
    return "" if not isinstance(mark, dict) else "1h" if mark.get("ttl") == "1h" else "5m"
