"""Chat answer: from the chunks of a LiveKit language model to server-sent events in OpenAI's words. Pure."""

import time
from typing import Any, Final

import msgspec
from livekit.agents import llm

DONE: Final = b"data: [DONE]\n\n"


class ChatAnswer:
    """Writes one answer's events. Lives as long as the answer."""

    def __init__(self, model: str, answer_id: str) -> None:
        self._model, self._id = model, answer_id
        self._created = int(time.time())
        self._calls = 0
        self._is_begun = False
        self.usage: llm.CompletionUsage | None = None
        """What the vendor said it bills, told last."""

    def chunk(self, chunk: llm.ChatChunk) -> bytes:
        """Return the event of a chunk; empty when it has nothing to tell now."""
        if chunk.usage is not None:
            self.usage = chunk.usage
        delta = chunk.delta
        if delta is None or not (delta.content or delta.tool_calls or delta.extra):
            return b""
        self._id = chunk.id or self._id
        told: dict[str, Any] = {} if self._is_begun else {"role": "assistant"}
        self._is_begun = True
        if delta.content:
            told["content"] = delta.content
        if delta.extra:
            told["extra_content"] = delta.extra
        if delta.tool_calls:
            told["tool_calls"] = [self._call(each) for each in delta.tool_calls]
        return self._event(choices=[{"index": 0, "delta": told, "finish_reason": None}])

    def sentence(self, text: str) -> bytes:
        """Return the event of a sentence that no vendor has said."""
        return self.chunk(llm.ChatChunk(id=self._id, delta=llm.ChoiceDelta(role="assistant", content=text)))

    def end(self) -> bytes:
        """Return the last events: why it ended, what it used, and that it is done."""
        reason = "tool_calls" if self._calls else "stop"
        events = self._event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
        if self.usage is not None:
            tier = {"service_tier": self.usage.service_tier} if self.usage.service_tier else {}
            events += self._event(choices=[], usage=_usage(self.usage), **tier)
        return events + DONE

    def _call(self, call: llm.FunctionToolCall) -> dict[str, Any]:
        told: dict[str, Any] = {
            "index": self._calls,
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        if call.extra:
            told["extra_content"] = call.extra
        self._calls += 1
        return told

    def _event(self, **told: Any) -> bytes:
        body = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            **told,
        }
        return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _usage(usage: llm.CompletionUsage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.prompt_cached_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
