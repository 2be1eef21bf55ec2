"""Owners: whose text it is on sockets that one task writes to for all requests of a plugin."""

from collections import OrderedDict
from typing import Final

from voicegateway.instrument.current import CURRENT
from voicegateway.record import RequestRecord

CONTEXTS_MAX: Final = 1_024
"""Remembered by a process that many calls share: one for each attempt of the requests that are open."""

SETTLED_KEPT: Final = 64
"""Of them those whose request has settled, at most."""

_by_context: OrderedDict[str, RequestRecord] = OrderedDict()


class OwnedText(str):
    """A message that knows the request it belongs to; lives until it is sent."""

    __slots__ = ("record",)
    record: RequestRecord | None


def owned(message: str) -> str:
    """The same message, known as the current request's."""
    text = OwnedText(message)
    text.record = CURRENT.get()
    return text


def claim(context: str, record: RequestRecord) -> None:
    """Note that a vendor's context is this request's; the oldest are forgotten once they have settled.

    Not at once: text of a request that was interrupted may still wait to be sent.
    """
    while len(_by_context) >= SETTLED_KEPT:
        oldest = next(iter(_by_context))
        if not _by_context[oldest].is_settled and len(_by_context) < CONTEXTS_MAX:
            break
        del _by_context[oldest]
    _by_context[context] = record


def of_context(context: str) -> RequestRecord | None:
    """The request that a vendor's context is of."""
    return _by_context.get(context)
