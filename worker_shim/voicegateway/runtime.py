"""Runtime: what one worker process owns — outbox, open requests, presence. Made lazily, per process id."""

import logging
import os
import threading
from functools import partial
from multiprocessing import util
from typing import Final

from voicegateway.brief import brief_intent
from voicegateway.encode import encode_span
from voicegateway.options import Options
from voicegateway.outbox import Intent, Outbox
from voicegateway.presence import Presence
from voicegateway.record import RequestRecord
from voicegateway_shared.ids import Incarnation, new_incarnation
from voicegateway_shared.usage import Outcome

logger = logging.getLogger("voicegateway")

TICK_S: Final = 2.0
"""How often presence is told and long requests are checkpointed: what a kill -9 may cost of an STT stream."""
EXIT_PRIORITY: Final = 20
"""Before the outbox's own finalizer (10): open requests are settled first, then flushed."""


class Runtime:
    """Lives as long as its process; closed by a multiprocessing finalizer, which also runs in job processes.

    Every method is called from an event loop and returns without I/O.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.incarnation: Incarnation = new_incarnation()
        self.hook_errors = 0
        self._pid = os.getpid()
        self._open: dict[str, RequestRecord] = {}
        self._outbox = Outbox(
            options.outbox_dir,
            incarnation=self.incarnation,
            url=options.url,
            token=options.token,
            bytes_max=options.outbox_bytes_max,
        )
        self._presence = Presence(options, self.incarnation)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._close = util.Finalize(self, Runtime._at_exit, args=(self,), exitpriority=EXIT_PRIORITY)

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    def begin(self, record: RequestRecord) -> Intent:
        """Write the intent that a request starts; returns at once, await its durability where it matters."""
        self._open[record.request_id] = record
        if self._thread is None:
            self._start_thread()
        return self._outbox.begin(record.request_id, partial(encode_span, record), brief_intent(record))

    def settle(self, record: RequestRecord, outcome: Outcome) -> None:
        """Replace the intent by the finished request; the second call for the same record does nothing."""
        if self._open.pop(record.request_id, None) is None:
            return
        record.outcome = outcome
        self._presence.note(record)
        self._outbox.settle(record.request_id, partial(encode_span, record))

    def hook_failed(self, where: str, error: BaseException) -> None:
        """Count an error of our own inside a call; the call never hears of it."""
        self.hook_errors += 1
        if self.hook_errors == 1:
            logger.error("voicegateway: metering failed in %s, the call goes on", where, exc_info=error)
        else:
            logger.debug("voicegateway: metering failed in %s", where, exc_info=error)

    def close(self) -> None:
        """Settle what is open, tell the controller, flush the outbox. Bounded to a few seconds."""
        self._close()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._tick_forever, name="voicegateway-runtime", daemon=True)
        self._thread.start()

    def _tick_forever(self) -> None:
        while True:
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - the outermost net: checkpoints must go on
                self.hook_failed("tick", error)
            if self._stop.wait(TICK_S):
                return

    def _tick(self) -> None:
        open_records = list(self._open.values())
        for record in open_records:
            if record.modality == "stt" and record.outcome is None:
                self._outbox.checkpoint(record.request_id, partial(encode_span, record))
        self._presence.tell(open_records, self._outbox.stats(), self.hook_errors)

    @staticmethod
    def _at_exit(runtime: "Runtime") -> None:
        if os.getpid() != runtime._pid:
            return
        runtime._stop.set()
        for record in list(runtime._open.values()):
            runtime.settle(record, "cancelled")
        runtime._presence.leave(runtime._outbox.stats(), runtime.hook_errors)
        runtime._outbox.close(timeout_s=3.0)


_runtime: Runtime | None = None
_runtime_pid = 0


def current_runtime(options: Options | None = None) -> Runtime:
    """The process's runtime; a forked child gets its own, with its own incarnation.

    The options of the first caller win: one process has one outbox and one controller.
    """
    global _runtime, _runtime_pid
    if _runtime is None or _runtime_pid != os.getpid():
        _runtime = Runtime(options or Options.load_or_default())
        _runtime_pid = os.getpid()
    return _runtime


def reset_runtime() -> None:
    """Close the process's runtime, so that the next request makes a new one. For tests and `Gateway.aclose`."""
    global _runtime
    if _runtime is not None and _runtime_pid == os.getpid():
        _runtime.close()
    _runtime = None
