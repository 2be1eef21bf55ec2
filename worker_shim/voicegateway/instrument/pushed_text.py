"""Pushed text: what an agent has given a voice to say, for every voice that says it, now and from now on."""

import asyncio
from typing import Any, Final

_INPUTS: Final = ("push_text", "flush", "end_input")


class PushedText:
    """Lives as long as the stream that it is pushed to. Of speech made whole it is all there from the start."""

    def __init__(self, stream: Any, *, is_streamed: bool) -> None:
        self._stream = stream
        self.is_streamed = is_streamed
        self._news = asyncio.Event()
        for name in _INPUTS if is_streamed else ():
            self._hear_of(name)

    @property
    def text(self) -> str:
        """All of it so far."""
        if not self.is_streamed:
            return str(self._stream._input_text)
        return "".join([item for item in self._stream._input_buffer if isinstance(item, str)])

    @property
    def is_ended(self) -> bool:
        """Nothing will follow."""
        return not self.is_streamed or bool(self._stream._input_ended)

    async def feed(self, other: Any, position: int) -> None:
        """Push it to another stream, from a position on, until its end.

        LiveKit's buffer is what was pushed; its channel belongs to the stream's own vendor, which may still read it.
        """
        buffer: list[Any] = self._stream._input_buffer
        taken = passed = 0
        while True:
            while taken < len(buffer):
                item = buffer[taken]
                taken += 1
                if isinstance(item, str):
                    if rest := item[max(0, position - passed) :]:
                        other.push_text(rest)
                    passed += len(item)
                elif passed > position and not (taken == len(buffer) and self.is_ended):
                    other.flush()
            if self.is_ended:
                other.end_input()
                return
            self._news.clear()
            await self._news.wait()

    def _hear_of(self, name: str) -> None:
        method = getattr(self._stream, name)

        def heard_of(*args: Any) -> Any:
            try:
                return method(*args)
            finally:
                self._news.set()

        setattr(self._stream, name, heard_of)
