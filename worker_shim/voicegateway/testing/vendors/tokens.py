"""Token counting and prompt caching of the simulated language model: simple, documented, reproducible."""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_PIECE: Final = re.compile(r"\s*(?:\w+|[^\w\s])")

MESSAGE_TOKENS: Final = 4
"""Each message costs this beside its text: its role and its separators."""
PRIMING_TOKENS: Final = 3
"""Each prompt ends with the opening of the assistant's reply."""
CACHE_MIN_TOKENS: Final = 1024
"""OpenAI caches no shorter prefix."""
CACHE_STEP_TOKENS: Final = 128
"""OpenAI counts cached tokens in steps of this."""
CACHE_PREFIXES_MAX: Final = 10_000
"""Remembered prefixes; the oldest leave first. A call adds two a turn."""


def count_tokens(text: str) -> int:
    """Return the tokens of a text: each run of word characters, and each other visible character."""
    return sum(1 for _ in _TOKEN.finditer(text))


def split_tokens(text: str) -> list[str]:
    """Cut a text into its tokens, each with the blanks before it; joined they are the text."""
    return _PIECE.findall(text)


def message_text(message: Mapping[str, Any]) -> str:
    """Return the text of one chat message, whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def count_message_tokens(message: Mapping[str, Any]) -> int:
    """Return the tokens of one chat message."""
    return MESSAGE_TOKENS + count_tokens(message_text(message))


def count_prompt_tokens(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] = ()) -> int:
    """Return the tokens of a whole prompt. Tools count as their JSON."""
    tool_tokens = count_tokens(json.dumps(tools)) if tools else 0
    return tool_tokens + sum(count_message_tokens(message) for message in messages) + PRIMING_TOKENS


class PromptCache:
    """Remembers the prompts it saw and tells how much of a new one it has seen before.

    Like the vendor's: by prefix, not below 1024 tokens, in steps of 128. Lives as long as its simulator.
    """

    def __init__(self) -> None:
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()

    def visit(self, model: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] = ()) -> int:
        """Return the cached tokens of this prompt and remember all of its prefixes."""
        digest = hashlib.sha256(f"{model}\0{json.dumps(tools)}".encode())
        tokens = count_tokens(json.dumps(tools)) if tools else 0
        cached = 0
        for message in messages:
            digest.update(f"{message.get('role')}\0{message_text(message)}\0".encode())
            tokens += count_message_tokens(message)
            key = digest.digest()
            if key in self._prefixes:
                cached = tokens
                self._prefixes.move_to_end(key)
            else:
                self._prefixes[key] = None
        while len(self._prefixes) > CACHE_PREFIXES_MAX:
            self._prefixes.popitem(last=False)
        return cached // CACHE_STEP_TOKENS * CACHE_STEP_TOKENS if cached >= CACHE_MIN_TOKENS else 0
