"""Hub: one look into Redis for all listeners of this replica; each reads on at its own pace."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.errors import Overloaded
from voicegateway_controller.events.event import BEGINNING, Id
from voicegateway_controller.events.stream import PAGE, EventStream, Numbered

LOOK_S: Final = 0.25
"""How often Redis is asked while somebody listens."""
LOOKS_MAX: Final = 8
"""Pages read at one look: 16,000 events a second, more than are ever told."""
HELD_MAX: Final = 2_000
"""Events in memory; who is slower than this many reads them from Redis."""
LISTENERS_MAX: Final = 200
"""Of one process. Each costs a connection and some hundred bytes."""
WANT_EVERY_S: Final = 30.0
RETRY_AFTER_S: Final = 10


class Hub:
    """Serves the listeners of one process; lives as long as it. `start` and `close` are its owner's."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._held: deque[Numbered] = deque(maxlen=HELD_MAX)
        self._last: Id | None = None
        self._listeners = 0
        self._news = asyncio.Event()
        self._wanted_at_s = float("-inf")
        self._is_closing = False
        self._looking = Background("events", self._look, interval_s=LOOK_S)

    def start(self) -> None:
        """Begin to look for events, as long as somebody listens."""
        self._looking.start()

    async def close(self) -> None:
        """Let all listeners go, and stop looking."""
        self.let_go()
        await self._looking.close()

    def let_go(self) -> None:
        """Let all listeners go: their answers end, and they come back to another replica."""
        self._is_closing = True
        self._wake()

    @property
    def is_closing(self) -> bool:
        """Whether listeners should leave."""
        return self._is_closing

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hold a listener's place, or raise Overloaded; RedisUnavailable while nobody can hear anything."""
        if self._listeners >= LISTENERS_MAX:
            raise Overloaded(
                f"{LISTENERS_MAX} listen here already: come back later, or ask another replica",
                retry_after_s=RETRY_AFTER_S,
            )
        self._listeners += 1
        metrics.EVENT_LISTENERS.set(self._listeners)
        try:
            await self._want()
            if self._last is None:
                newest = await self._stream.newest(1)
                self._last = newest[0][0] if newest else BEGINNING
            yield
        finally:
            self._listeners -= 1
            metrics.EVENT_LISTENERS.set(self._listeners)
            if not self._listeners:
                # Nobody looks from now on: whoever comes next begins with what is newest then.
                self._last = None
                self._held.clear()

    async def newest_id(self) -> Id:
        """Return the id of the newest event. Raises RedisUnavailable."""
        newest = await self._stream.newest(1)
        return newest[0][0] if newest else BEGINNING

    async def after(self, last: Id) -> list[Numbered]:
        """Return events behind an id, at most a page of them, nothing when there are none yet.

        Raises RedisUnavailable when they are not in memory any more and Redis is away.
        """
        if self._last is not None and last >= self._last:
            return []
        if self._held and self._held[0][0] <= last:
            return [each for each in self._held if each[0] > last][:PAGE]
        return await self._stream.after(last)

    async def wait(self, *, within_s: float) -> None:
        """Return when there may be news, or after that time."""
        news = self._news
        try:
            async with asyncio.timeout(within_s):
                await news.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        if not self._listeners or self._last is None:
            return
        if time.monotonic() - self._wanted_at_s >= WANT_EVERY_S:
            await self._want()
        for _ in range(LOOKS_MAX):
            last = self._last
            found = await self._stream.after(last)
            # All listeners may have left meanwhile, and others come.
            if not found or self._last != last:
                return
            self._held.extend(found)
            self._last = found[-1][0]
            self._wake()
            if len(found) < PAGE:
                return

    async def _want(self) -> None:
        await self._stream.want()
        self._wanted_at_s = time.monotonic()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
