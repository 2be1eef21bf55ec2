"""Steps that repeat while a process lives: they outlive outages, and are owned by whoever started them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger

STOP_S: Final = 5.0
"""How long a step may take to end when it is told to."""
CANCEL_AGAIN_S: Final = 0.2
"""redis-py can swallow a cancellation that comes while it connects: say it again until it was heard."""

_log = get_logger(__name__)


async def forever(
    name: str,
    step: Callable[[], Awaitable[None]],
    *,
    pause_s: Callable[[int], float],
    outages: tuple[type[Exception], ...] = (ControllerError,),
) -> None:
    """Repeat a step, which no failure ends; `pause_s` says how long to wait after so many failures in a row.

    Of `outages`, which are no fault of ours, the first in a row and the end are told.
    """
    failures = 0
    while True:
        try:
            await step()
        except outages as error:
            failures += 1
            if failures == 1:
                _log.warning(f"{name}.interrupted", error=str(error) or type(error).__name__)
        # The outermost loop: an error nobody foresaw is logged and counted, and the step is tried again.
        except Exception as error:  # noqa: BLE001
            failures += 1
            metrics.UNEXPECTED_ERRORS.inc()
            _log.error(f"{name}.crashed", exc_info=error)
        else:
            if failures:
                _log.info(f"{name}.recovered", failures=failures)
            failures = 0
        await asyncio.sleep(pause_s(failures))


async def end(tasks: Iterable["asyncio.Task[None]"], *, within_s: float) -> set["asyncio.Task[None]"]:
    """Cancel until all have ended; return those that have not within that time."""
    deadline = time.monotonic() + within_s
    pending = set(tasks)
    while pending and time.monotonic() < deadline:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    return pending


class Background:
    """One repeated step. Lives from `start` to `close`, which its owner calls."""

    def __init__(self, name: str, step: Callable[[], Awaitable[None]], *, interval_s: float) -> None:
        self._name = name
        self._step = step
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first step runs at once."""
        running = forever(self._name, self._step, pause_s=lambda failures: self._interval_s)
        self._task = asyncio.create_task(running, name=self._name)

    async def close(self) -> None:
        """End it, and wait until it has ended or STOP_S has passed."""
        task, self._task = self._task, None
        if task is not None and await end([task], within_s=STOP_S):
            _log.warning("background.did_not_end", name=self._name)
