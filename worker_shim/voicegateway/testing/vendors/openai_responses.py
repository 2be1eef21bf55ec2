"""Simulated Responses API of OpenAI: one response as events, over SSE or over a websocket that serves many.

It bills as chat does. A request that goes on from an earlier response is billed the whole conversation behind it.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from aiohttp import WSMsgType, web

from voicegateway.testing.vendors.faults import FaultRule
from voicegateway.testing.vendors.openai_chat import RATE_LIMIT_HEADERS, choose_reply
from voicegateway.testing.vendors.server import abort
from voicegateway.testing.vendors.tokens import count_prompt_tokens, split_tokens
from voicegateway.testing.vendors.truth import OK

if TYPE_CHECKING:
    from voicegateway.testing.vendors.openai import OpenAISimulator

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
CODES: Final[Mapping[int, str]] = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
CONVERSATIONS_MAX: Final = 1_000
"""Conversations that can be gone on from; the oldest are forgotten first."""


class ResponsesBook:
    """What was said before each response. Lives as long as its simulator."""

    def __init__(self) -> None:
        self._by_response: OrderedDict[str, Sequence[Mapping[str, Any]]] = OrderedDict()

    def before(self, response_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return a conversation, its last reply included."""
        return self._by_response.get(response_id)

    def keep(self, response_id: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Remember a conversation."""
        self._by_response[response_id] = messages
        if len(self._by_response) > CONVERSATIONS_MAX:
            self._by_response.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest:
    """The parts of a request that the simulator heeds."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    """All of the conversation."""
    tools: Sequence[Any]
    output_tokens_max: int | None
    service_tier: str

    @classmethod
    def parse(cls, body: Mapping[str, Any], book: ResponsesBook) -> Self | None:
        """Return the request, or None if it is none."""
        model, given = body.get("model"), body.get("input")
        if not isinstance(model, str) or not isinstance(given, list):
            return None
        previous = body.get("previous_response_id")
        before = book.before(previous) if isinstance(previous, str) else ()
        if before is None:
            return None
        limit, tier = body.get("max_output_tokens"), body.get("service_tier")
        return cls(
            model=model,
            messages=[*before, *given],
            tools=body.get("tools") or [],
            output_tokens_max=limit if isinstance(limit, int) else None,
            service_tier=tier if isinstance(tier, str) and tier != "auto" else "default",
        )


class Response:
    """Lives for one request. `usage()` is right at every instant, also when the client has just left."""

    def __init__(
        self, sim: "OpenAISimulator", book: ResponsesBook, asked: ResponseRequest, rule: FaultRule | None
    ) -> None:
        self.response_id = f"resp_{uuid4().hex}"
        self.fault_outcome: str | None = None
        self._book = book
        self._asked = asked
        self._options = sim.options
        self._rule = rule
        self._created = int(time.time())
        self._input_tokens = count_prompt_tokens(asked.messages, asked.tools)
        self._cached_tokens = sim.cache.visit(asked.model, asked.messages, asked.tools)
        reply = choose_reply(asked.messages, replies=sim.options.replies, seed=sim.seed)
        self._tokens = split_tokens(reply)[: asked.output_tokens_max]
        self._written = 0
        self._is_failed = False
        self._number = 0

    @property
    def is_billed(self) -> bool:
        """False for a response that failed before its first token."""
        return self._written > 0 or not self._is_failed

    def usage(self) -> Mapping[str, int]:
        """Return what is billed if the request ends now."""
        return {
            "input_tokens": self._input_tokens,
            "cache_read_tokens": self._cached_tokens,
            "output_tokens": self._written,
        }

    async def run(self, send: Send, break_off: Callable[[bool], Awaitable[None]]) -> str | None:
        """Answer by events. Return the outcome, or None if a fault ended it."""
        if self._rule is not None and self._rule.kind == "stall":
            self.fault_outcome = self._rule.outcome
            await asyncio.sleep(self._rule.stall_s)
        await asyncio.sleep(self._options.ttft_ms / 1000)

        async def tell(kind: str, **facts: Any) -> None:
            await send({"type": kind, "sequence_number": self._number, **facts})
            self._number += 1

        await tell("response.created", response=self._body("in_progress"))
        place = {"item_id": f"msg_{self.response_id}", "output_index": 0, "content_index": 0}
        await tell("response.output_item.added", output_index=0, item=self._item("in_progress"))
        if await self._strike(tell, break_off):
            return None
        for token in self._tokens:
            await tell("response.output_text.delta", **place, delta=token, logprobs=[])
            self._written += 1
            if await self._strike(tell, break_off):
                return None
            await asyncio.sleep(self._options.token_ms / 1000)
        await tell("response.output_item.done", output_index=0, item=self._item("completed"))
        await tell("response.completed", response=self._body("completed"))
        said = {"role": "assistant", "content": "".join(self._tokens)}
        self._book.keep(self.response_id, [*self._asked.messages, said])
        return self.fault_outcome or OK

    async def _strike(self, tell: Any, break_off: Callable[[bool], Awaitable[None]]) -> bool:
        """Let the fault happen if it is time; return True if it ended the response."""
        rule = self._rule
        if rule is None or rule.kind == "stall" or self._written != rule.chunks_before:
            return False
        self.fault_outcome = rule.outcome
        self._is_failed = True
        if rule.kind == "vendor_error":
            await tell("response.failed", response=self._body("failed"))
        else:
            await break_off(rule.kind == "abort_mid_stream")
        return True

    def _item(self, status: str) -> dict[str, Any]:
        text = "".join(self._tokens[: self._written])
        content = [{"type": "output_text", "text": text, "annotations": []}] if text else []
        item_id = f"msg_{self.response_id}"
        return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}

    def _body(self, status: str) -> dict[str, Any]:
        is_over = status == "completed"
        error = {"code": "server_error", "message": "simulated stream error"} if status == "failed" else None
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": error,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": self._asked.model,
            "output": [self._item(status)] if is_over else [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "service_tier": self._asked.service_tier,
            "usage": self._usage_body() if is_over else None,
        }

    def _usage_body(self) -> dict[str, Any]:
        return {
            "input_tokens": self._input_tokens,
            "input_tokens_details": {"cached_tokens": self._cached_tokens, "cache_write_tokens": 0},
            "output_tokens": self._written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._input_tokens + self._written,
        }


async def answer_stream(
    sim: "OpenAISimulator",
    book: ResponsesBook,
    http: web.Request,
    call_id: str,
    asked: ResponseRequest,
    rule: FaultRule | None,
) -> web.StreamResponse:
    """Answer one request with server-sent events, and write its bill."""
    stream = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", **RATE_LIMIT_HEADERS, **sim.answer_headers(call_id)}
    )
    await stream.prepare(http)

    async def send(event: Mapping[str, Any]) -> None:
        await stream.write(f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode())

    async def break_off(is_abrupt: bool) -> None:
        if is_abrupt:
            abort(http)
        else:
            await stream.write_eof()

    await _answer(sim, Response(sim, book, asked, rule), asked, call_id, send, break_off)
    return stream


async def answer_socket(
    sim: "OpenAISimulator", book: ResponsesBook, http: web.Request, socket: web.WebSocketResponse
) -> None:
    """Answer requests that come over a websocket, one after the other, until it closes."""

    async def send(event: Mapping[str, Any]) -> None:
        await socket.send_str(json.dumps(event, separators=(",", ":")))

    async def break_off(is_abrupt: bool) -> None:
        if is_abrupt:
            abort(http)
        else:
            await socket.close()

    async for message in socket:
        if message.type != WSMsgType.TEXT:
            return
        call_id = uuid4().hex
        rule = sim.faults.next("responses")
        asked = ResponseRequest.parse(json.loads(message.data), book)
        if asked is None or (rule is not None and rule.is_refusal):
            status = 400 if asked is None or rule is None else rule.refusal_status
            kind = None if rule is None else rule.kind
            model = "" if asked is None else asked.model
            sim.truth.reject(request_id=f"req_{call_id}", modality="llm", model=model, fault=kind, status=status)
            error = {"type": "invalid_request_error", "code": CODES.get(status, "server_error"), "message": "refused"}
            await send({"type": "error", "status": status, "error": {**error, "param": None}})
            continue
        # Whoever leaves while it is answered is seen by reading, not by writing.
        answering = asyncio.create_task(
            _answer(sim, Response(sim, book, asked, rule), asked, call_id, send, break_off), name="response"
        )
        await _until_answered_or_left(answering, http)


async def _until_answered_or_left(answering: "asyncio.Task[None]", http: web.Request) -> None:
    """Wait for an answer; it is cancelled when the client's connection has gone."""
    while not answering.done():
        if http.transport is None or http.transport.is_closing():
            answering.cancel()
        await asyncio.wait((answering,), timeout=LEFT_LOOK_S)
    if not answering.cancelled():
        answering.result()


LEFT_LOOK_S: Final = 0.02
"""How often it is looked whether the client is still there."""


async def _answer(
    sim: "OpenAISimulator",
    response: Response,
    asked: ResponseRequest,
    call_id: str,
    send: Send,
    break_off: Callable[[bool], Awaitable[None]],
) -> None:
    accepted = sim.truth.accept(
        request_id=response.response_id,
        modality="llm",
        model=asked.model,
        context={"service_tier": asked.service_tier},
    )
    outcome = None
    try:
        outcome = await response.run(send, break_off)
    except ConnectionError:
        # Writing failed: the client left.
        return
    finally:
        accepted.end(
            outcome=outcome or response.fault_outcome or sim.outcome_of_break,
            usage=response.usage() if response.is_billed else {},
            billed=response.is_billed,
            facts={"http_request_id": f"req_{call_id}"},
        )
