"""Valid request records, for tests that change the one field they are about."""

from types import SimpleNamespace
from typing import Any

from livekit.agents.llm import ChatContext

from voicegateway.identity import Identity
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway_shared.ids import RequestId
from voicegateway_shared.usage import Modality

REQUEST_ID = RequestId("01a1fd8c-70cb-7490-80e9-b9c029084ac5")
IDENTITY = Identity(
    session_id="AJ_1",
    project="acme",
    agent="front-desk",
    job_id="AJ_1",
    room="room-1",
    started_at="2026-11-21T10:00:00.000Z",
)
PROVIDERS: dict[Modality, str] = {"stt": "deepgram", "llm": "openai", "tts": "cartesia", "realtime": "openai"}
MODELS: dict[Modality, str] = {"stt": "nova-3", "llm": "gpt-4.1-mini", "tts": "sonic-3", "realtime": "gpt-realtime"}
HELLO_TOKENS = 4 + 2
"""What a prompt of `Hello?` is estimated at."""


def a_record(modality: Modality = "llm", *, provider: str = "", **fields: Any) -> RequestRecord:
    """Return the record of a request that ended well after one attempt, unless the fields say otherwise."""
    facts = PluginFacts(provider=provider or PROVIDERS[modality], modality=modality, project=None, key_id="k" * 12)
    context = ChatContext.empty()
    context.add_message(role="user", content="Hello?")
    given: dict[str, Any] = {
        "identity": IDENTITY,
        "project": "acme",
        "model": MODELS[modality],
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "chat_ctx": context,
        "request_id": REQUEST_ID,
        "started_unix_ns": 1_000_000_000_000_000_000,
        "started_ns": 5_000_000_000,
        "ended_ns": 5_750_000_000,
        "attempts": 1,
        "outcome": "ok",
        **fields,
    }
    return RequestRecord(facts=facts, **given)


def chunk(content: str = "", *, usage: Any = None) -> Any:
    """Return what a language model sends, as far as it is looked at."""
    delta = SimpleNamespace(content=content, tool_calls=[]) if content else None
    return SimpleNamespace(id="chatcmpl-1", delta=delta, usage=usage)


def tokens(prompt: int, completion: int, *, cached: int = 0, written: int = 0, reasoning: int = 0) -> Any:
    """Return a vendor's last word on a chat."""
    return SimpleNamespace(
        prompt_tokens=prompt,
        completion_tokens=completion,
        prompt_cached_tokens=cached,
        cache_creation_tokens=written,
        reasoning_tokens=reasoning,
        service_tier="default",
    )
