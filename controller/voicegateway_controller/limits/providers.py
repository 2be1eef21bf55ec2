"""Which providers a limit may name: those that have prices, and those that LiveKit has plugins for and nobody bills."""

from functools import cache
from importlib.metadata import entry_points
from typing import Final

from voicegateway_controller.catalog import load_catalog

UNPRICED: Final = frozenset(
    {
        "asyncai", "aws", "baseten", "cambai", "cerebras", "clova", "cohere", "cometapi", "deepseek", "fal",
        "fireworks", "fireworksai", "fishaudio", "gladia", "gnani", "gradium", "hume", "kokoro", "letta", "lmnt",
        "local", "meta", "microsoft-ai", "minimax", "mistralai", "murf", "nabrah", "nebius", "neuphonic", "nvidia",
        "ollama", "openrouter", "ovhcloud", "palabra", "perplexity", "phonic", "piper", "playai", "resemble",
        "respeecher", "rtzr", "sambanova", "sarvam", "silero", "simplismart", "slng", "smallestai", "soniox",
        "speechify", "speechmatics", "spitch", "telnyx", "thunderphone", "together", "ultravox", "upliftai", "vakyam",
        "vllm", "whisper",
    }
)  # fmt: skip
"""Vendors and servers of LiveKit agents without a price of ours: their requests are limited all the same."""


THIRD_PARTIES: Final = "voicegateway.providers"
"""Entry points by which other distributions bring providers to workers; their names are read here, nothing is run."""


@cache
def known_providers() -> frozenset[str]:
    """Return every provider id that a declaration may use; those of distributions installed beside us as well."""
    return (
        UNPRICED
        | {price.provider for price in load_catalog().prices}
        | {point.name for point in entry_points(group=THIRD_PARTIES)}
    )
