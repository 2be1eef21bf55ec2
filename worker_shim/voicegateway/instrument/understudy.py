"""Understudy: a stream that says what was pushed to another one; and when a stream's vendor was first asked."""

import asyncio
import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

from voicegateway.instrument.pushed_text import PushedText


class Understudy:
    """A stream of a plugin that is given what was pushed to another one. Made in the context of its turn."""

    def __init__(
        self,
        plugin: Any,
        pushed: PushedText,
        position: int,
        options: dict[str, Any],
        *,
        by_sentence: bool = False,
    ) -> None:
        from livekit.agents import tts

        self._adapter: Any = None
        self._feeding: asyncio.Task[None] | None = None
        self.tells_words = bool(getattr(plugin.capabilities, "aligned_transcript", False))
        if not pushed.is_streamed:
            self.stream = plugin.synthesize(pushed.text[position:].lstrip(), **options)
            return
        if by_sentence or not plugin.capabilities.streaming:
            # Sentence by sentence, each of them a request of its own.
            plugin = self._adapter = tts.StreamAdapter(tts=plugin)
            self.tells_words = True
        self.stream = plugin.stream(**options)
        self._feeding = asyncio.create_task(pushed.feed(self.stream, position), name="voicegateway feed")

    async def aclose(self) -> None:
        """Stop; what it was sent is metered."""
        from livekit.agents.utils import aio

        if self._feeding is not None:
            await aio.cancel_and_wait(self._feeding)
        await self.stream.aclose()
        if self._adapter is not None:
            await self._adapter.aclose()


def note_start(stream: Any, other: Any) -> None:
    """LiveKit counts the time to the first audio from when text was first sent to anybody."""
    if not stream._started_time:
        stream._started_time = other._started_time


def when_asked(stream: Any, call: Callable[[], None]) -> None:
    """Call when text is first sent to a stream's vendor, at once when it was; perhaps more often.

    Likewise when all text was pushed: whatever the plugin still waits for then, it is its vendor.
    """
    if stream._started_time or getattr(stream, "_input_ended", False):
        call()
        return
    # Some plugins do not say when they send; theirs is the time of the first text that they are given.
    cls: Any = type(stream)
    _also(stream, "_mark_started" if _says_when_it_sends(cls) else "push_text", call)
    _also(stream, "end_input", call)


def _also(stream: Any, name: str, call: Callable[[], None]) -> None:
    method = getattr(stream, name)

    def also(*args: Any) -> Any:
        result = method(*args)
        call()
        return result

    setattr(stream, name, also)


@cache
def _says_when_it_sends(cls: type) -> bool:
    from livekit.agents import tts

    own = cls.__mro__[: cls.__mro__.index(tts.SynthesizeStream)]
    functions = [each for base in own for each in vars(base).values() if inspect.isfunction(each)]
    return any("_mark_started" in _names(function.__code__) for function in functions)


def _names(code: CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)
