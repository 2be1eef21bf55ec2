"""Flights: work that many ask for at once and one does; who asks waits as long as it is worth to them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.background import end
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger

STOP_S: Final = 5.0
_log = get_logger(__name__)


class Flights:
    """At most one run at a time under each name. Lives as long as the process; `close` is its owner's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """Begin the work unless it is under way; return it."""
        running = self._running.get(name)
        if running is None:
            running = self._running[name] = asyncio.create_task(_run(work), name=f"{self._name}:{name}")
            running.add_done_callback(lambda task: self._landed(name, task))
        return running

    async def join(self, name: str, work: Callable[[], Awaitable[None]], *, within_s: float) -> None:
        """Wait until the work is done, by us or by somebody else; it goes on when nobody waits any more.

        Raises TimeoutError, or what the work raised.
        """
        async with asyncio.timeout(within_s):
            await asyncio.shield(self.start(name, work))

    async def close(self) -> None:
        """End what is under way."""
        await end(list(self._running.values()), within_s=STOP_S)

    def _landed(self, name: str, task: "asyncio.Task[None]") -> None:
        self._running.pop(name, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, ControllerError):
            _log.warning(f"{self._name}.failed", what=name, error=str(error))
            return
        metrics.UNEXPECTED_ERRORS.inc()
        _log.error(f"{self._name}.crashed", what=name, exc_info=error)


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()
