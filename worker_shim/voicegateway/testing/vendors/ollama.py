"""Simulated Ollama: OpenAI's protocol on a machine of one's own. It needs no key and bills nobody."""

from collections.abc import Mapping
from typing import ClassVar

from voicegateway.testing.vendors.faults import Endpoint
from voicegateway.testing.vendors.openai_protocol import OpenAIProtocol
from voicegateway.testing.vendors.truth import Vendor


class OllamaSimulator(OpenAIProtocol):
    """Ollama on this machine. Point `openai.LLM.with_ollama` at its `base_url`."""

    vendor: ClassVar[Vendor] = "ollama"
    base_path: ClassVar[str] = "/v1"
    endpoints: ClassVar[Mapping[str, Endpoint]] = {"chat": "ollama_chat"}
    needs_key: ClassVar[bool] = False
