"""How simulated vendors that speak OpenAI's protocols answer."""

from dataclasses import dataclass
from typing import Final

_REPLIES: Final = (
    "Of course. I can see it here: it leaves the warehouse today and should reach you on Thursday.",
    "Thank you, I have found it.",
    "Yes, that works. I have changed the address for you. You will get a message once it is on its way.",
    "There is no extra charge for that. Shall I go ahead?",
    "Happy to help! Is there anything else I can do for you today?",
)
_HEARD: Final = (
    "Hi, I'd like to know when my order will arrive.",
    "My order number is four two one seven.",
    "Could you send it to my office instead?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIOptions:
    """How the simulated model answers. The reply is chosen by the conversation and the seed alone."""

    replies: tuple[str, ...] = _REPLIES
    ttft_ms: int = 120
    """From the request to the first token."""
    token_ms: int = 4
    """From one token to the next."""
    speech_first_chunk_ms: int = 150
    heard: tuple[str, ...] = _HEARD
    """What callers say, one after the other."""
    transcript_ms: int = 50
    """From the end of what is said to its transcript."""
    created_ms: int = 0
    """Realtime: from a request for a response to its creation."""
    models: tuple[str, ...] = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o-mini-tts", "gpt-4o-mini-transcribe", "gpt-realtime")
