"""Node count: what the slots of a local model did for one request, by the monotonic clock."""

import threading
from collections.abc import Callable

NS_PER_MS = 1_000_000


class NodeCount:
    """Fed by the threads of slots, read by the event loop and the outbox's writer. Lives as long as its request."""

    __slots__ = (
        "_attempt_characters",
        "_busy_ns_done",
        "_lock",
        "_on_free",
        "_running",
        "_running_since_ns",
        "characters_failed",
        "characters_sent",
    )

    def __init__(self) -> None:
        self.characters_sent = 0
        """Handed to the engine, as a vendor would have got them."""
        self.characters_failed = 0
        self._attempt_characters = 0
        self._lock = threading.Lock()
        self._busy_ns_done = 0
        self._running = 0
        self._running_since_ns = 0
        """The sum of the instants at which the running stints began."""
        self._on_free: list[Callable[[], None]] = []

    def characters(self, count: int) -> None:
        """Note text that the engine is given."""
        with self._lock:
            self.characters_sent += count
            self._attempt_characters += count

    def attempt_begins(self) -> None:
        """Note that what follows belongs to another attempt."""
        self._attempt_characters = 0

    def attempt_failed(self) -> None:
        """Note that the running attempt brought nothing."""
        with self._lock:
            self.characters_failed += self._attempt_characters
            self._attempt_characters = 0

    def began(self, at_ns: int) -> None:
        """Note that a slot works for this request from now on."""
        with self._lock:
            self._running += 1
            self._running_since_ns += at_ns

    def ended(self, began_ns: int, at_ns: int) -> None:
        """Note that a slot which began then is free again."""
        with self._lock:
            self._running -= 1
            self._running_since_ns -= began_ns
            self._busy_ns_done += at_ns - began_ns
            waiting = [] if self._running else self._on_free
            if waiting:
                self._on_free = []
        for callback in waiting:
            callback()

    def busy_ns(self, now_ns: int) -> int:
        """How long slots have been busy with this request, up to now."""
        with self._lock:
            return self._busy_ns_done + self._running * now_ns - self._running_since_ns

    def busy_ms(self, now_ns: int) -> int:
        """The same in whole milliseconds; a part of one counts as one."""
        return -(-self.busy_ns(now_ns) // NS_PER_MS)

    def call_when_free(self, callback: Callable[[], None]) -> bool:
        """Have a slot's thread call this when no slot is busy with this request any more; False when none is."""
        with self._lock:
            if not self._running:
                return False
            self._on_free.append(callback)
            return True
