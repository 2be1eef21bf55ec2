"""How each vendor is asked whether a key is good: a request that costs nothing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from voicegateway_shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A GET that a good key is answered to with 200, a bad one with 401 or 403; immutable."""

    url: str
    """The vendor's address."""
    path: str
    header: str = "Authorization"
    prefix: str = "Bearer "
    more: Mapping[str, str] | None = None
    """Other headers that the vendor wants."""


QUESTIONS: Final[Mapping[str, Question]] = {
    "anthropic": Question(
        url="https://api.anthropic.com",
        path="/v1/models?limit=1",
        header="x-api-key",
        prefix="",
        more={"anthropic-version": "2023-06-01"},
    ),
    "assemblyai": Question(url="https://api.assemblyai.com", path="/v2/transcript?limit=1", prefix=""),
    "cartesia": Question(
        url="https://api.cartesia.ai",
        path="/voices?limit=1",
        header="X-API-Key",
        prefix="",
        more={"Cartesia-Version": "2025-04-16"},
    ),
    "cerebras": Question(url="https://api.cerebras.ai", path="/v1/models"),
    "deepgram": Question(url="https://api.deepgram.com", path="/v1/projects", prefix="Token "),
    "deepseek": Question(url="https://api.deepseek.com", path="/models"),
    "elevenlabs": Question(url="https://api.elevenlabs.io", path="/v1/models", header="xi-api-key", prefix=""),
    "fireworks": Question(url="https://api.fireworks.ai", path="/inference/v1/models"),
    "google": Question(
        url="https://generativelanguage.googleapis.com",
        path="/v1beta/models?pageSize=1",
        header="x-goog-api-key",
        prefix="",
    ),
    "groq": Question(url="https://api.groq.com", path="/openai/v1/models"),
    "mistralai": Question(url="https://api.mistral.ai", path="/v1/models"),
    "openai": Question(url="https://api.openai.com", path="/v1/models"),
    "openrouter": Question(url="https://openrouter.ai", path="/api/v1/key"),
    "together": Question(url="https://api.together.xyz", path="/v1/models"),
    "xai": Question(url="https://api.x.ai", path="/v1/models"),
}
"""By provider. Others have no such request, or none that we have tried: their keys are shown as not tried."""


def read_urls(text: str) -> dict[str, str]:
    """Return the addresses of `openai=http://localhost:9000,…`, by provider. Raises ConfigurationError."""
    found = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        provider, _, url = each.partition("=")
        parts = urlsplit(url)
        if provider not in QUESTIONS or parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigurationError(
                f"{each!r} must look like openai=http://localhost:9000, of one of: {', '.join(QUESTIONS)}"
            )
        found[provider] = url.rstrip("/")
    return found
