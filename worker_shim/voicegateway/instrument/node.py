"""Requests of local models: settled when no slot works for them any more, so that all of its time is charged."""

import asyncio
from collections.abc import Callable
from functools import partial

from voicegateway.record import RequestRecord


def once_free(record: RequestRecord, settle: Callable[[], None]) -> None:
    """Settle at once, or on this loop when the slot of a cancelled request is free: a moment later.

    Whoever ends the loop or the process before that settles it with the time up to then.
    """
    node = record.node
    try:
        is_free = node is None or not node.call_when_free(partial(_on_loop, asyncio.get_running_loop(), settle))
    except RuntimeError:
        # No loop runs here that could be told.
        is_free = True
    if is_free:
        settle()


def _on_loop(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # The loop is closed; the runtime settles what is open when its process ends.
        return
