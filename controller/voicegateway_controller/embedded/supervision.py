"""Brings an embedded server back when it dies while we live."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from voicegateway_controller.embedded.errors import EmbeddedFailed
from voicegateway_controller.embedded.server import EmbeddedServer

_log = logging.getLogger(__name__)

WATCH_INTERVAL_S = 0.05
LOG_CHECK_INTERVAL_S = 10.0
# One a second over a minute: far above what a person or a chaos test does, and below what would burn a core.
RESTARTS_MAX = 60
RESTARTS_WINDOW_S = 60.0


async def supervise(server: EmbeddedServer, *, on_restart: Callable[[EmbeddedServer], None] | None = None) -> None:
    """Watch until cancelled; restart a dead server on its port and data, then call `on_restart`.

    Raises:
        EmbeddedFailed: it did not come back, or it dies again and again.
    """
    recent: deque[float] = deque(maxlen=RESTARTS_MAX)
    log_check_at = time.monotonic()
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        now = time.monotonic()
        if now >= log_check_at:
            log_check_at = now + LOG_CHECK_INTERVAL_S
            await asyncio.to_thread(server.trim_log)
        if server.is_alive() or not server.is_wanted:
            continue
        if len(recent) == RESTARTS_MAX and now - recent[0] < RESTARTS_WINDOW_S:
            raise EmbeddedFailed(f"{server.name} died {RESTARTS_MAX} times within {RESTARTS_WINDOW_S:g} s: see its log")
        recent.append(now)
        _log.warning("%s died: restarting it on port %d", server.name, server.port)
        await server.restart()
        if on_restart is not None:
            on_restart(server)
