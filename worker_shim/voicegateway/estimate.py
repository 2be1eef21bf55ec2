"""Estimates for what a vendor never told us; every use of them is flagged `estimated`."""

from typing import Any, Final

CHARACTERS_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb for English text (help.openai.com, "What are tokens")."""
MESSAGE_OVERHEAD_TOKENS: Final = 4
"""Role and separators of one chat message in OpenAI's chat format."""

SPEECH_TOKENS_PER_S: Final = 20
"""Measured on gpt-4o-mini-tts: 10,785 audio tokens for 536 s."""
HEARD_TOKENS_PER_S: Final = 10
"""One token for each 100 ms of what a user says (developers.openai.com/api/docs/guides/realtime-costs)."""
WRITTEN_TOKENS_PER_S: Final = 4
"""Of what is said: 150 words a minute, somewhat more than a token each."""


def text_tokens(characters: int) -> int:
    """Estimate a text's tokens: characters / 4, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def speech_tokens(audio_ms: int) -> int:
    """Estimate the tokens of generated speech, rounded up."""
    return -(-audio_ms * SPEECH_TOKENS_PER_S // 1000)


def heard_tokens(audio_ms: int) -> int:
    """Estimate the tokens of speech that was heard, rounded up."""
    return -(-audio_ms * HEARD_TOKENS_PER_S // 1000)


def written_tokens(audio_ms: int) -> int:
    """Estimate the tokens of what is written of speech, rounded up."""
    return -(-audio_ms * WRITTEN_TOKENS_PER_S // 1000)


def transcription_tokens(audio_ms: int) -> dict[str, int]:
    """Estimate what a transcription by the token takes and makes."""
    heard = heard_tokens(audio_ms)
    return {"input_tokens": heard, "input_audio_tokens": heard, "output_tokens": written_tokens(audio_ms)}


def input_tokens(chat_ctx: Any) -> int:
    """Estimate the prompt's tokens from a LiveKit `ChatContext`: characters / 4, rounded up, plus 4 a message."""
    total = 0
    for item in list(getattr(chat_ctx, "items", ())):
        text = getattr(item, "text_content", None) or getattr(item, "arguments", None)
        text = text or getattr(item, "output", None) or ""
        total += MESSAGE_OVERHEAD_TOKENS + text_tokens(len(str(text)))
    return total
