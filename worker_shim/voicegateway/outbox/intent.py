"""The receipt for a begun request: tells a coroutine, if it asks, when a kill -9 can no longer hide the request."""

import asyncio
from collections.abc import Callable

from voicegateway.outbox.slate import Slate


class Intent:
    """One begun request. Made by `Outbox.begin`, resolved once by the writer thread, closed by nobody."""

    __slots__ = ("_hurry", "_outcome", "_slate", "_slot", "_waiters", "request_id")

    def __init__(self, request_id: str, hurry: Callable[[], None]) -> None:
        self.request_id = request_id
        self._hurry = hurry
        self._outcome: bool | None = None
        self._slate: Slate | None = None
        self._slot: int | None = None
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[bool]]] | None = None

    def keep(self, slate: Slate, span: bytes) -> None:
        """Write the intent in brief on the process's slate, if there is room: durable from here on."""
        self._slot = slate.put(span)
        if self._slot is not None:
            self._slate = slate
            self._outcome = True

    def kept(self) -> bytes | None:
        """Return the span that stands on the slate for this request, None when none does."""
        if self._slate is None or self._slot is None:
            return None
        return self._slate.read(self._slot)

    @property
    def durable(self) -> bool:
        """True once the intent (or what has replaced it) survives a kill -9 of this process."""
        return self._outcome is True

    async def wait_durable(self, loop: asyncio.AbstractEventLoop | None = None, timeout_s: float = 1.0) -> bool:
        """Return True when the intent is on disk, False when it was dropped or `timeout_s` has passed."""
        if self._outcome is not None:
            return self._outcome
        loop = loop or asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append((loop, future))
        # The writer stores the outcome before it looks for waiters; we do it the other way round, so one of
        # the two sees the other.
        if self._outcome is not None:
            return self._outcome
        self._hurry()
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
        return future.result() if done else False

    def resolve(self, *, is_durable: bool) -> None:
        """Tell whoever waits; called once, by the writer thread or for a request that was refused."""
        self._outcome = is_durable
        if self._slate is not None and self._slot is not None:
            self._slate.free(self._slot)
            self._slate = self._slot = None
        for loop, future in self._waiters or ():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, future, is_durable)


def _finish(future: asyncio.Future[bool], is_durable: bool) -> None:
    if not future.done():
        future.set_result(is_durable)
