"""Steward: what a process says of itself when it speaks with the controller, the keys it needs and the worker it is."""

from collections.abc import Callable
from typing import Final

from voicegateway.duty import Duty
from voicegateway.keys.keyring import Keyring
from voicegateway.limits.lease import boot_ns
from voicegateway_shared.wire import KeysReport, SyncResponse, WorkerState

NS_PER_S: Final = 1_000_000_000
WORKER_SPEAKS_S: Final = 2.0
"""How often a worker's main process speaks, with or without calls: so late it hears that it is drained."""


class Steward:
    """Called from the syncer's thread; lives as long as its runtime."""

    def __init__(self, keys: Keyring, duty: Duty, state: Callable[[], WorkerState]) -> None:
        self._keys, self._duty, self._state = keys, duty, state
        self._spoke_ns = 0
        self._has_asked = False
        self.on_due: Callable[[], None] = lambda: None
        duty.on_change = self._changed

    def look(self) -> None:
        """Forget what is over."""
        self._keys.look()

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        keys_ns = self._keys.due_ns()
        if not self._duty.is_worker:
            return keys_ns
        worker_ns = self._spoke_ns + round(WORKER_SPEAKS_S * NS_PER_S)
        return worker_ns if keys_ns is None else min(keys_ns, worker_ns)

    def report(self) -> tuple[KeysReport | None, WorkerState]:
        """What to say now."""
        self._spoke_ns = boot_ns()
        keys = self._keys.report()
        self._has_asked = keys is not None
        return keys, self._state()

    def answered(self, response: SyncResponse, *, sent_ns: int) -> None:
        """The controller answered what was sent then."""
        has_asked, self._has_asked = self._has_asked, False
        if has_asked:
            self._keys.answered(response.keys, sent_ns=sent_ns)
        if response.order is not None:
            self._duty.ordered(response.order)

    def failed(self) -> None:
        """It did not: keys go on until they expire, and a drained worker stays drained."""
        has_asked, self._has_asked = self._has_asked, False
        if has_asked:
            self._keys.failed()

    def _changed(self) -> None:
        # The fleet hears at once that its order is done.
        self._spoke_ns = 0
        self.on_due()
