"""Vendors' keys in this shell's environment: whether there is one, never the key."""

import os
from typing import Final

KEYLESS: Final = frozenset({"kokoro", "local", "ollama", "piper", "silero", "vllm", "whisper"})
"""Engines of one's own machine."""
_VARIABLES: Final = {"elevenlabs": "ELEVEN_API_KEY", "google": "GOOGLE_API_KEY", "aws": "AWS_ACCESS_KEY_ID"}
"""Where the name is not the provider's own."""


def key_variable(provider: str) -> str:
    """Return the environment variable of a provider's key; empty for one that has none."""
    if provider in KEYLESS:
        return ""
    return _VARIABLES.get(provider, f"{provider.upper().replace('-', '_')}_API_KEY")


def has_key_here(provider: str) -> bool | None:
    """Say whether this shell's environment has a key; None for a provider that needs none."""
    variable = key_variable(provider)
    return bool(os.environ.get(variable)) if variable else None
