"""Owners: whose text it is on sockets that one task writes to for all requests of a plugin."""

from collections import OrderedDict
from typing import Final

from voicegateway.instrument.current import CURRENT
from voicegateway.record import RequestRecord

CONTEXTS_MAX: Final = 1_024
"""Remembered by a process: one for each attempt to speak, for as long as its text may still wait to be sent."""

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
    """Note that a vendor's context is this request's; the oldest are forgotten."""
    _by_context[context] = record
    if len(_by_context) > CONTEXTS_MAX:
        _by_context.popitem(last=False)


def of_context(context: str) -> RequestRecord | None:
    """The request that a vendor's context is of."""
    return _by_context.get(context)
