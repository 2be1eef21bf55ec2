"""Owners: whose text it is on sockets that one task writes to for all requests of a plugin."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from voicegateway.instrument.current import CURRENT
from voicegateway.record import RequestRecord

CONTEXTS_MAX: Final = 1_024
"""Remembered by a process that many calls share: one for each attempt of the requests that are open."""

SETTLED_KEPT: Final = 64
"""Of them those whose request has settled, at most."""

SENT_WITHIN_S: Final = 1.0
"""What waits to be sent when a request ends is sent in milliseconds; a context that broke is never ended."""


class Context:
    """A request's part of a shared socket, until its end was sent there."""

    __slots__ = ("is_over", "is_spoken", "once_over", "record", "socket")

    def __init__(self, record: RequestRecord) -> None:
        self.record = record
        self.socket: Any = None
        """That its messages go over; None before the first."""
        self.is_spoken = False
        self.is_over = False
        self.once_over: Callable[[], None] | None = None

    def end(self) -> None:
        """Note that nothing of it will be sent any more."""
        self.is_over, self.socket = True, None
        if self.once_over is not None:
            self.once_over()


_by_context: OrderedDict[str, Context] = OrderedDict()


class OwnedText(str):
    """A message that knows the request it belongs to; lives until it is sent."""

    __slots__ = ("record",)
    record: RequestRecord | None


def owned(message: str) -> str:
    """The same message, known as the current request's."""
    text = OwnedText(message)
    text.record = CURRENT.get()
    return text


def claim(context_id: str, record: RequestRecord) -> None:
    """Note that a vendor's context is this request's; the oldest are forgotten once they have settled.

    Not at once: text of a request that was interrupted may still wait to be sent.
    """
    while len(_by_context) >= SETTLED_KEPT:
        oldest = next(iter(_by_context))
        if not _by_context[oldest].record.is_settled and len(_by_context) < CONTEXTS_MAX:
            break
        del _by_context[oldest]
    _by_context[context_id] = context = Context(record)
    if record.wire is not None:
        record.wire.context = context


def of_context(context_id: str) -> RequestRecord | None:
    """The request that a vendor's context is of."""
    context = _by_context.get(context_id)
    return None if context is None else context.record


def spoke(context_id: str, socket: object, *, is_end: bool) -> None:
    """Note a message of a context, which may be its last."""
    context = _by_context.get(context_id)
    if context is None:
        return
    context.is_spoken, context.socket = True, socket
    if is_end:
        context.end()


def closed(socket: object) -> None:
    """Note that a socket takes nothing any more."""
    for context in [each for each in _by_context.values() if each.socket is socket]:
        context.end()


def once_sent(record: RequestRecord, settle: Callable[[], None]) -> None:
    """Settle at once, or on this loop when all that waits to be sent of the request was: the vendor bills it.

    The end of its newest context is the last that a plugin sends. Whoever ends the loop or the process before that
    settles it with the count up to then.
    """
    context: Context | None = None if record.wire is None else record.wire.context
    if context is None or context.is_over or not (context.is_spoken or record.pushed):
        settle()
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        settle()
        return

    def once() -> None:
        if context.once_over is not None:
            context.once_over = None
            timer.cancel()
            settle()

    context.once_over = once
    timer = loop.call_later(SENT_WITHIN_S, once)
