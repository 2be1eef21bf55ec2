"""Simulated Groq: OpenAI's protocol under `/openai/v1`, for chat, transcriptions and speech.

Chat bills tokens, whisper the time of its audio (at least ten seconds, which the price says), speech characters.
"""

from collections.abc import Mapping
from typing import ClassVar

from voicegateway.testing.vendors.faults import Endpoint
from voicegateway.testing.vendors.openai_chat import RATE_LIMIT_HEADERS
from voicegateway.testing.vendors.openai_protocol import OpenAIProtocol
from voicegateway.testing.vendors.truth import Vendor


class GroqSimulator(OpenAIProtocol):
    """Groq on this machine. Point the classes of `livekit.plugins.groq` at it with `plugin_kwargs()`."""

    vendor: ClassVar[Vendor] = "groq"
    base_path: ClassVar[str] = "/openai/v1"
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "chat": "groq_chat",
        "speech": "groq_speech",
        "transcriptions": "groq_transcriptions",
    }
    service_tier: ClassVar[str] = "on_demand"

    def refusal_headers(self, status: int) -> dict[str, str]:
        """Return Groq's rate limit headers, which are OpenAI's; a 429 has used all requests."""
        return RATE_LIMIT_HEADERS | ({"x-ratelimit-remaining-requests": "0"} if status == 429 else {})

    def answer_headers(self, call_id: str) -> dict[str, str]:
        """Return Groq's: an id, and where it was served."""
        return {**super().answer_headers(call_id), "x-groq-region": "us-simulated-1"}
