"""A step that repeats while a process lives: outlives outages, is owned by whoever started it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger

STOP_S: Final = 5.0
"""How long a step may take to end when it is told to."""
CANCEL_AGAIN_S: Final = 0.2
"""redis-py can swallow a cancellation that comes while it connects: say it again until it was heard."""

_log = get_logger(__name__)


class Background:
    """One repeated step. Lives from `start` to `close`, which its owner calls."""

    def __init__(self, name: str, step: Callable[[], Awaitable[None]], *, interval_s: float) -> None:
        self._name = name
        self._step = step
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first step runs at once."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """End it, and wait until it has ended or STOP_S has passed."""
        task, self._task = self._task, None
        if task is None:
            return
        deadline = time.monotonic() + STOP_S
        while not task.done() and time.monotonic() < deadline:
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
        if not task.done():
            _log.warning("background.did_not_end", name=self._name)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._step()
            except ControllerError as error:
                failures += 1
                if failures == 1:
                    _log.warning(f"{self._name}.interrupted", error=str(error))
            # The outermost loop: an error nobody foresaw is logged and counted, and the step is tried again.
            except Exception as error:  # noqa: BLE001
                failures += 1
                metrics.UNEXPECTED_ERRORS.inc()
                _log.error(f"{self._name}.crashed", exc_info=error)
            else:
                if failures:
                    _log.info(f"{self._name}.recovered", failures=failures)
                failures = 0
            await asyncio.sleep(self._interval_s)
