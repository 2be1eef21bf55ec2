"""Slots: threads that run inference beside the event loop; so many at once, so many in line, first come first."""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from voicegateway.node_count import NodeCount

WAITING_PER_SLOT: Final = 4
"""How many requests may wait for each slot, unless told: more would wait longer than a caller does."""
CPUS_PER_SLOT: Final = 2
"""Of these engines one inference uses two processors well; more of them shorten it by less and less."""

T = TypeVar("T")


class LineFull(Exception):
    """Every slot is busy and as many requests wait as may wait."""


class LineSlow(Exception):
    """A request waited for a slot as long as it may."""


def cpus() -> int:
    """How many processors this process may use; a container's share of their time does not show here."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slots_by_default() -> int:
    """As many as the processors carry, at least one."""
    return max(1, cpus() // CPUS_PER_SLOT)


class Stint(Generic[T]):
    """One piece of work of one request, from its place in line to its end. Made and awaited on an event loop."""

    def __init__(self, work: Callable[["Stint[T]"], T], node: NodeCount | None) -> None:
        self.is_stopped = False
        """Nobody waits for it any more; work looks at this wherever it can end early."""
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[T] = self._loop.create_future()
        self._work = work
        self._node = node
        self._lock = threading.Lock()
        self._abort: Callable[[], None] | None = None

    def tell(self, hear: Callable[[Any], None], item: Any) -> None:
        """Have the event loop hear of an item, in order, unless the stint has been stopped meanwhile."""
        self._on_loop(self._heard, hear, item)

    @contextmanager
    def aborted_by(self, abort: Callable[[], None]) -> Iterator[None]:
        """While inside, have `stop` call this: a way to end a computation in its middle. For the slot's thread."""
        with self._lock:
            self._abort = abort
            if self.is_stopped:
                abort()
        try:
            yield
        finally:
            with self._lock:
                self._abort = None

    def stop(self) -> None:
        """Let it end as soon as it can; its slot is free then, and not before."""
        with self._lock:
            self.is_stopped = True
            if self._abort is not None:
                self._abort()

    def run(self) -> None:
        """Do the work, and note how long it took before anybody hears that it is done. Never raises."""
        began_ns = time.monotonic_ns()
        if self._node is not None:
            self._node.began(began_ns)
        result: Any = None
        failure: BaseException | None = None
        _current.stint = self
        try:
            result = self._work(self)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits, and the thread must go on
            failure = error
        finally:
            _current.stint = None
            if self._node is not None:
                self._node.ended(began_ns, time.monotonic_ns())
        self._on_loop(self._finish, result, failure)

    def _on_loop(self, *call: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(*call)
        except RuntimeError:
            # The loop is closed: its session has ended without waiting for us.
            self.is_stopped = True

    def _heard(self, hear: Callable[[Any], None], item: Any) -> None:
        if not self.is_stopped:
            hear(item)

    def _finish(self, result: T, failure: BaseException | None) -> None:
        if self.ended.done():
            return
        if failure is None:
            self.ended.set_result(result)
        else:
            self.ended.set_exception(failure)


class _Current(threading.local):
    stint: Stint[Any] | None = None


_current = _Current()


def current_stint() -> Stint[Any] | None:
    """The stint that this thread works for; None outside a slot."""
    return _current.stint


class Slots:
    """The slots of one loaded model, shared by every event loop of the process. Lives as long as the model.

    A stint that is not a request's first is never turned away: a sentence must not break off because others came. Such
    stints are bounded by the requests that run, each of which waits for one at a time.
    """

    def __init__(self, count: int, *, waiting_max: int, name: str) -> None:
        self.count = count
        self.waiting_max = waiting_max
        self._lock = threading.Lock()
        self._line: deque[Stint[Any]] = deque()
        self._busy = 0
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"voicegateway-{name}")

    @property
    def busy(self) -> int:
        """How many slots work at this moment, abandoned work included."""
        return self._busy

    @property
    def waiting(self) -> int:
        """How many stints are in line."""
        return len(self._line)

    async def run(
        self,
        work: Callable[[Stint[T]], T],
        *,
        node: NodeCount | None = None,
        is_first: bool = True,
        wait_s_max: float | None = None,
    ) -> T:
        """Run work in a slot's thread and return what it returns; cancelled, it is stopped.

        Raises:
            LineFull: this is a request's first stint, and too many are in line.
            LineSlow: no slot was free within `wait_s_max`.
        """
        stint = Stint(work, node)
        self._enter(stint, is_first=is_first)
        patience = asyncio.get_running_loop().call_later(wait_s_max, self._give_up, stint) if wait_s_max else None
        try:
            return await stint.ended
        finally:
            if patience is not None:
                patience.cancel()
            if stint.ended.cancelled():
                stint.stop()
                self._leave(stint)

    def _enter(self, stint: Stint[Any], *, is_first: bool) -> None:
        with self._lock:
            is_free = self._busy < self.count
            if is_free:
                self._busy += 1
            elif is_first and len(self._line) >= self.waiting_max:
                raise LineFull(f"{self.count} slots are busy and {len(self._line)} requests wait")
            else:
                self._line.append(stint)
        if is_free:
            self._threads.submit(self._serve, stint)

    def _serve(self, stint: Stint[Any]) -> None:
        """Run a stint, then whoever is next in line, until nobody is."""
        following: Stint[Any] | None = stint
        while following is not None:
            following.run()
            with self._lock:
                following = self._line.popleft() if self._line else None
                if following is None:
                    self._busy -= 1

    def _leave(self, stint: Stint[Any]) -> bool:
        """Take a stint out of the line; False when it has begun."""
        with self._lock:
            if stint not in self._line:
                return False
            self._line.remove(stint)
            return True

    def _give_up(self, stint: Stint[Any]) -> None:
        if self._leave(stint) and not stint.ended.done():
            stint.ended.set_exception(LineSlow(f"no slot was free in time; {self.count} are busy"))
