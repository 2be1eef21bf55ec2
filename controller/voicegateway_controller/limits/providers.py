"""Which providers a limit may name: those that have prices, and those that LiveKit has plugins for and nobody bills."""

from functools import cache
from typing import Final

from voicegateway_controller.catalog import load_catalog

UNPRICED: Final = frozenset(
    {
        "aws", "baseten", "cerebras", "clova", "cohere", "fal", "fireworks", "gladia", "hume", "kokoro", "lmnt",
        "local", "minimax", "mistralai", "neuphonic", "nvidia", "ollama", "openrouter", "perplexity", "piper", "playai",
        "resemble", "sarvam", "silero", "simplismart", "smallestai", "soniox", "speechify", "speechmatics", "telnyx",
        "together", "ultravox", "upliftai", "vllm", "whisper",
    }
)  # fmt: skip
"""Vendors and servers of LiveKit agents without a price of ours: their requests are limited all the same."""


@cache
def known_providers() -> frozenset[str]:
    """Return every provider id that a declaration may use."""
    return UNPRICED | {price.provider for price in load_catalog().prices}
