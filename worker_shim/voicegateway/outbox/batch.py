"""Folds a run of operations into what has to be written: one change per request, in the order of arrival."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from voicegateway.outbox.bounds import SPAN_BYTES_MAX
from voicegateway.outbox.intent import Intent
from voicegateway.outbox.mailbox import BARRIER, BEGIN, CHECKPOINT, SETTLE, Encode, Operation

logger = logging.getLogger("voicegateway.outbox")


@dataclass(slots=True)
class Change:
    """What one batch does to one request. `settled` wins over `intent`; both absent means nothing to write."""

    request_id: str
    is_begun: bool = False
    intent: bytes | None = None
    settled: bytes | None = None
    is_given_up: bool = False
    """Its final span could not be made: the intent, here or in the file, has to stand for it."""
    receipts: list[Intent] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether it says nothing of its request."""
        return self.intent is None and self.settled is None

    def kept_on_slate(self) -> bytes | None:
        """Return the span that still stands on the slate for this request, None when none does."""
        return next((span for receipt in self.receipts if (span := receipt.kept()) is not None), None)


@dataclass(slots=True)
class Batch:
    """The changes of one transaction, and whom to tell afterwards. Lives until they are committed."""

    changes: list[Change]
    barriers: list[threading.Event]


def fold(operations: Sequence[Operation]) -> Batch:
    """Run the encoders and fold; only the last word on each request is encoded and written."""
    batch = Batch(changes=[], barriers=[])
    by_request: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation[0] == BARRIER:
            if isinstance(operation[3], threading.Event):
                batch.barriers.append(operation[3])
            continue
        by_request.setdefault(operation[1], []).append(operation)
    for request_id, mine in by_request.items():
        batch.changes.append(_fold_one(request_id, mine))
    return batch


def _fold_one(request_id: str, operations: list[Operation]) -> Change:
    change = Change(request_id)
    intent_encoders: list[Encode] = []
    for kind, _, encode, receipt in operations:
        if isinstance(receipt, Intent):
            change.receipts.append(receipt)
        if encode is None or change.settled is not None or change.is_given_up:
            continue
        if kind == SETTLE:
            change.settled = _encoded(encode)
            change.is_given_up = change.settled is None
        elif kind in (BEGIN, CHECKPOINT):
            change.is_begun = change.is_begun or kind == BEGIN
            intent_encoders.append(encode)
    while change.settled is None and change.intent is None and intent_encoders:
        change.intent = _encoded(intent_encoders.pop())
    return change


def _encoded(encode: Encode) -> bytes | None:
    """Return the span, or None, said in the log, when it cannot be made."""
    try:
        body = encode()
    except Exception:
        # The encoder is the shim's, and a fault in it must cost one span, not the writer.
        logger.exception("a span could not be encoded; its request will be recorded as estimated")
        return None
    if len(body) > SPAN_BYTES_MAX:
        logger.error("a span of %d bytes is over the limit of %d", len(body), SPAN_BYTES_MAX)
        return None
    return body
