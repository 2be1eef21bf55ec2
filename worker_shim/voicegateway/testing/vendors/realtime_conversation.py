"""What a simulated realtime conversation holds, and what each response to it costs: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from voicegateway.testing.vendors.openai_transcription import heard_tokens
from voicegateway.testing.vendors.tokens import MESSAGE_TOKENS, count_tokens

SPOKEN_TOKENS_PER_S: Final = 20
"""One token for each 50 ms of what the model says (developers.openai.com/api/docs/guides/realtime-costs)."""
CACHE_MIN_TOKENS: Final = 64
"""What was sent before is cached in steps of 64 tokens, as in the vendor's own example of a `response.done`."""


def spoken_tokens(audio_ms: int) -> int:
    """Return the tokens of audio that the model made."""
    return -(-audio_ms * SPOKEN_TOKENS_PER_S // 1000)


@dataclass(slots=True, kw_only=True)
class Item:
    """One item of a conversation."""

    id: str
    role: str
    text_tokens: int
    audio_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All of its tokens."""
        return self.text_tokens + self.audio_tokens


class Conversation:
    """Lives as long as its connection."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.instructions = ""
        self.tools: list[Any] = []
        self._sent: set[str] = set()
        """Items that were part of the last response's input, which the cache holds."""
        self._is_head_sent = False

    @property
    def last_id(self) -> str | None:
        """The last item's id."""
        return next(reversed(self.items), None)

    def add_given(self, item: Mapping[str, Any]) -> Item:
        """Take an item that the client made: a message, a tool's call or what came of it."""
        content = item.get("content") or ()
        said = "".join(str(part.get("text") or part.get("transcript") or "") for part in content)
        said += "".join(str(item.get(name) or "") for name in ("name", "arguments", "output"))
        added = Item(id=item["id"], role=item.get("role", "user"), text_tokens=MESSAGE_TOKENS + count_tokens(said))
        self.items[added.id] = added
        return added

    def add_heard(self, item_id: str, audio_ms: int) -> Item:
        """Take what a user said."""
        item = Item(id=item_id, role="user", text_tokens=MESSAGE_TOKENS, audio_tokens=heard_tokens(audio_ms))
        self.items[item_id] = item
        return item

    def input_usage(self, instructions: str | None) -> dict[str, int]:
        """Return what the input of a response costs; all of it is in the cache for the next one."""
        head = self.instructions if instructions is None else instructions
        head_tokens = count_tokens(head) + (count_tokens(str(self.tools)) if self.tools else 0)
        cached = [item for item in self.items.values() if item.id in self._sent]
        cached_text = sum(item.text_tokens for item in cached) + (head_tokens if self._is_head_sent else 0)
        cached_audio = sum(item.audio_tokens for item in cached)
        if cached_text + cached_audio < CACHE_MIN_TOKENS:
            cached_text = cached_audio = 0
        self._sent = set(self.items)
        self._is_head_sent = instructions is None
        audio = sum(item.audio_tokens for item in self.items.values())
        return {
            "input_tokens": head_tokens + sum(item.text_tokens for item in self.items.values()) + audio,
            "input_audio_tokens": audio,
            "cache_read_tokens": cached_text + cached_audio,
            "cache_read_audio_tokens": cached_audio,
        }


def usage_body(usage: Mapping[str, int]) -> dict[str, Any]:
    """Return how the vendor tells a response's usage."""
    cached, cached_audio = usage["cache_read_tokens"], usage["cache_read_audio_tokens"]
    return {
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "input_token_details": {
            "text_tokens": usage["input_tokens"] - usage["input_audio_tokens"],
            "audio_tokens": usage["input_audio_tokens"],
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached - cached_audio,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {
            "text_tokens": usage["output_tokens"] - usage["output_audio_tokens"],
            "audio_tokens": usage["output_audio_tokens"],
        },
    }
