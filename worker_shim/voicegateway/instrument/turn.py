"""Turn: one attempt's wait in a line of ours; whoever stops waiting leaves it, and what comes too late goes back."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

LAST_MOMENT_S: Final = 1.0
"""From another thread's call to our loop's turn; a loop that needs longer has other troubles."""
UNHEARD_STEP_S: Final = 0.25
UNHEARD_STEPS: Final = 9
"""Where nobody has answered yet: a silent controller is known to be one after two seconds, and policies hold then."""

W = TypeVar("W")
T = TypeVar("T")


class Queue(Protocol[W, T]):
    """A line, as far as one attempt is concerned."""

    def join(self, wake: Callable[[T], None]) -> W:
        """Stand in it; `wake` is called once from some thread, unless `leave` comes first."""
        ...

    def is_unheard(self, waiter: W) -> bool:
        """Whether it is worth to wait longer than one likes to, for nobody has said a word about it yet."""
        ...

    def leave(self, waiter: W) -> T | None:
        """Leave it and return what becomes of the attempt; None when it was woken already."""
        ...

    def give_back(self, outcome: T) -> None:
        """Undo an outcome that comes too late; never raises."""
        ...

    def failed(self, error: BaseException) -> None:
        """Count an error of ours that must not be raised."""
        ...


class Turn(Generic[W, T]):
    """Made and awaited within the attempt."""

    __slots__ = ("_answer", "_loop", "_queue")

    def __init__(self, queue: Queue[W, T]) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._loop.create_future()

    async def outcome(self, wait_s: float) -> T | None:
        """Wait so long at most; None when the outcome was on its way and has not come."""
        answer = self._answer
        waiter = self._queue.join(self._woken)
        try:
            await asyncio.wait((answer,), timeout=wait_s)
            for _ in range(UNHEARD_STEPS):
                if answer.done() or not self._queue.is_unheard(waiter):
                    break
                await asyncio.wait((answer,), timeout=UNHEARD_STEP_S)
            if not answer.done() and (outcome := self._queue.leave(waiter)) is not None:
                return outcome
            # Woken at the last moment: the outcome is on its way through the loop.
            await asyncio.wait((answer,), timeout=LAST_MOMENT_S)
            if answer.done():
                return answer.result()
            self._abandon(waiter)
            return None
        except BaseException:
            self._abandon(waiter)
            raise

    def _woken(self, outcome: T) -> None:
        """Called from the syncer's thread, once."""
        if not from_thread(self._loop, self._deliver, outcome):
            self._queue.give_back(outcome)

    def _deliver(self, outcome: T) -> None:
        if not self._answer.done():
            self._answer.set_result(outcome)
        else:
            self._queue.give_back(outcome)

    def _abandon(self, waiter: W) -> None:
        """Give back what has come or is still to come; never raises, for a cancellation is on its way."""
        try:
            if not self._answer.cancel():
                self._queue.give_back(self._answer.result())
            elif (outcome := self._queue.leave(waiter)) is not None:
                self._queue.give_back(outcome)
        except Exception as error:  # noqa: BLE001 - an error here would hide the cancellation
            self._queue.failed(error)


def from_thread(loop: asyncio.AbstractEventLoop, call: Any, *args: Any) -> bool:
    """Call on a loop that may have been closed meanwhile; say whether it will be called."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True
