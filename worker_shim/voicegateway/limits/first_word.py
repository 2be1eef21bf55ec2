"""First word: whether the controller has been asked which limits there are, and who waits to know."""

import threading
from collections.abc import Callable


class FirstWord:
    """Any thread may wait; the syncer's tells. Lives as long as its syncer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], object]] = []
        self.is_heard = False
        """The controller has answered or is away; false again after a long silence."""

    def when_heard(self, call: Callable[[], object]) -> None:
        """Call back once: from the syncer's thread when it is heard, at once when it was."""
        with self._lock:
            if not self.is_heard:
                self._waiting.append(call)
                return
        call()

    def heard(self) -> None:
        """Tell all who wait."""
        with self._lock:
            self.is_heard = True
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
