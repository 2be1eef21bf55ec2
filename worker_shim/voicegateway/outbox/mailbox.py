"""The hand-over from the caller's thread to the writer's: bounded, and as cheap for the caller as can be."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from voicegateway.outbox.intent import Intent

Encode = Callable[[], bytes]

BEGIN: Final = 0
CHECKPOINT: Final = 1
SETTLE: Final = 2
BARRIER: Final = 3

Operation = tuple[int, str, Encode | None, Intent | threading.Event | None]
"""(kind, request id, encode, receipt). A plain tuple: a class instance would cost the caller five times more."""

OPERATIONS_MAX: Final = 16_384
"""What may wait while the disk is gone: some ten minutes of a busy process, about 20 MiB of closures."""
BEGINS_MAX: Final = OPERATIONS_MAX * 3 // 4
"""Begins and checkpoints stop here; the rest is kept for settlements, which carry the money."""

TICK_S: Final = 0.02
"""While requests flow the writer looks by itself this often, so a caller need not wake it: waking a thread is
a system call of 8 µs here, an append 0.1 µs. It also groups commits."""
LINGER_S: Final = 1.0
"""After this long without an operation the writer parks, and the next caller wakes it."""
PARKED_S_MAX: Final = 5.0
"""A parked writer looks up this often, for its chores, and as a net under the hand-over."""


class Mailbox:
    """A bounded queue for many producers and one writer. Lives as long as its outbox; needs no closing."""

    __slots__ = ("_bell", "_drop_lock", "_dropped", "is_open", "is_parked", "operations")

    def __init__(self) -> None:
        self.operations: deque[Operation] = deque()
        self.is_open = False
        self.is_parked = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._drop_lock = threading.Lock()
        self._dropped = 0

    def offer(self, operation: Operation) -> bool:
        """Append unless closed or full; a refused operation is counted."""
        bound = OPERATIONS_MAX if operation[0] >= SETTLE else BEGINS_MAX
        if not self.is_open or len(self.operations) >= bound:
            with self._drop_lock:
                self._dropped += 1
            return False
        self.operations.append(operation)
        if self.is_parked:
            self.hurry()
        return True

    @property
    def dropped(self) -> int:
        """How many operations were refused since `take_dropped`."""
        return self._dropped

    def hurry(self) -> None:
        """Wake the writer now."""
        self.is_parked = False
        self._bell.put(None)

    def take(self, operations_max: int) -> list[Operation]:
        """Remove and return the oldest operations, possibly none, without waiting."""
        operations = self.operations
        taken: list[Operation] = []
        while operations and len(taken) < operations_max:
            taken.append(operations.popleft())
        return taken

    def take_dropped(self) -> int:
        """Return how many operations were refused since the last time."""
        with self._drop_lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def wait(self, *, is_lingering: bool) -> None:
        """Return soon: after a tick when lingering, else when a caller rings or `PARKED_S_MAX` has passed."""
        if is_lingering:
            self.sleep(TICK_S)
            return
        self.is_parked = True
        # A producer appends, then reads is_parked; we set it, then look again: nobody is overlooked.
        if not self.operations:
            self.sleep(PARKED_S_MAX)
        self.is_parked = False

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or less when somebody hurries the writer."""
        try:
            self._bell.get(timeout=seconds)
        except queue.Empty:
            return
