"""What the words of vendors' line items mean: a meter, a tier, or money that no use explains."""

import re
from typing import Final

from voicegateway_controller.reconcile.statement import LineCategory

_TAX: Final = re.compile(r"\b(tax|vat|gst|sales tax|withholding)\b", re.IGNORECASE)
_CREDIT: Final = re.compile(
    r"\b(credits?|discount|promo(tion)?|free tier|refund|allowance|included usage)\b", re.IGNORECASE
)
_PURCHASE: Final = re.compile(r"\b(subscription|seats?|credit pack|top[- ]?up|commitment|plan fee)\b", re.IGNORECASE)
_MINIMUM: Final = re.compile(r"\bminimum\b", re.IGNORECASE)
_ROUNDING: Final = re.compile(r"\brounding\b", re.IGNORECASE)


def category_of(words: str) -> LineCategory:
    """Tell use from money that no use explains, by the words of a line; use, when no word says otherwise."""
    # "credit pack" is bought, "credit" is given.
    for pattern, category in _CATEGORIES:
        if pattern.search(words):
            return category
    return "usage"


_CATEGORIES: Final[tuple[tuple[re.Pattern[str], LineCategory], ...]] = (
    (_TAX, "tax"),
    (_PURCHASE, "purchase"),
    (_CREDIT, "credit"),
    (_MINIMUM, "minimum"),
    (_ROUNDING, "rounding"),
)

TOKEN_METERS: Final = {
    "input": "input_tokens",
    "input tokens": "input_tokens",
    "uncached input tokens": "input_tokens",
    "input text tokens": "input_tokens",
    "text input": "input_tokens",
    "text input tokens": "input_tokens",
    "cached input": "cache_read_tokens",
    "cached input tokens": "cache_read_tokens",
    "input cached tokens": "cache_read_tokens",
    "cached text input tokens": "cache_read_tokens",
    "input cached text tokens": "cache_read_tokens",
    "cache read tokens": "cache_read_tokens",
    "cache read input tokens": "cache_read_tokens",
    "cache write": "cache_write_tokens",
    "cache write tokens": "cache_write_tokens",
    "input cache write tokens": "cache_write_tokens",
    "input cache write 30m tokens": "cache_write_tokens",
    "input cache write 12h tokens": "cache_write_tokens",
    "audio input": "input_audio_tokens",
    "audio input tokens": "input_audio_tokens",
    "input audio tokens": "input_audio_tokens",
    "cached audio input": "cache_read_audio_tokens",
    "cached audio input tokens": "cache_read_audio_tokens",
    "cached input audio tokens": "cache_read_audio_tokens",
    "input cached audio tokens": "cache_read_audio_tokens",
    "output": "output_tokens",
    "output tokens": "output_tokens",
    "text output": "output_tokens",
    "output text tokens": "output_tokens",
    "text output tokens": "output_tokens",
    "audio output": "output_audio_tokens",
    "audio output tokens": "output_audio_tokens",
    "output audio tokens": "output_audio_tokens",
    "characters": "characters_sent",
    "duration": "audio_sent_ms",
    "duration seconds": "audio_sent_ms",
    "duration minutes": "audio_sent_ms",
    "seconds": "audio_sent_ms",
    "minutes": "audio_sent_ms",
    "requests": "requests",
}
"""Of the words after a model's name; underscores and hyphens are read as blanks."""
_TTL: Final = re.compile(r"\b(30m|12h|5m|1h)\b")
_TIERS: Final = ("priority", "flex", "fast", "scale", "default", "standard")


def tokens_of(words: str) -> tuple[str, dict[str, str]]:
    """The meter that words after a model's name mean, empty when unknown, and the context that they state."""
    context: dict[str, str] = {}
    kept = []
    for part in words.split(","):
        plain = " ".join(re.split(r"[\s_-]+", part.strip().lower()))
        if plain == "batch":
            context["processing"] = "batch"
        elif plain in _TIERS:
            context |= service_tier(plain)
        else:
            kept.append(plain)
    meter = TOKEN_METERS.get(" ".join(kept), "")
    if ttl := _TTL.search(" ".join(kept)):
        context["cache_ttl"] = ttl[1]
    return meter, context


def service_tier(word: str) -> dict[str, str]:
    """The context of a tier's name; none for the ordinary one."""
    plain = word.strip().lower()
    if plain in ("", "default", "standard", "auto"):
        return {}
    return {"processing": "batch"} if plain == "batch" else {"service_tier": plain}
