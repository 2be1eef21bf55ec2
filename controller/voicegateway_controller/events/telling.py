"""Telling settled requests: the runner's, after each batch that is committed; never in the way of the books."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from voicegateway_controller import metrics
from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.events.event import Event, now_text
from voicegateway_controller.events.stream import EventStream
from voicegateway_controller.ledger.rules import ENTRY_COLUMNS, Posting, SpanFacts
from voicegateway_controller.logs import get_logger

BATCH_MAX: Final = 200
"""Requests told of one batch, the newest; of the others only how many. Nobody reads more of a tenth of a second."""
PROJECTS_MAX: Final = 20
"""Projects of which is told how many requests of a batch were left out."""
WAITING_MAX: Final = 2_000
"""Events that wait for Redis; older ones give way and are counted."""
TOGETHER: Final = 250
_REQUEST: Final = ENTRY_COLUMNS.index("request_id")
_AMOUNT: Final = ENTRY_COLUMNS.index("amount")
_UNRATED: Final = ENTRY_COLUMNS.index("unrated_reason")

_log = get_logger(__name__)


class RequestTeller:
    """Tells what was rated, for one runner; lives as long as it. `run` is its owner's to start and to end."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._is_wanted = asyncio.Event()
        self._is_failing = False

    def take(self, spans: Sequence[SpanFacts], posting: Posting) -> None:
        """Take a batch that was committed. Returns at once, waits for nobody, never fails."""
        for event in events_of(spans, posting):
            self._waiting.append(event)
        dropped = len(self._waiting) - WAITING_MAX
        for _ in range(dropped):
            self._waiting.popleft()
        if dropped > 0:
            metrics.EVENTS_DROPPED.inc(dropped)
        self._is_wanted.set()

    async def run(self, stream: EventStream) -> None:
        """Tell what is taken, for ever. What waits when it ends is lost here; the books have it."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                try:
                    await stream.append(batch)
                except RedisUnavailable as error:
                    metrics.EVENTS_DROPPED.inc(len(batch))
                    if not self._is_failing:
                        _log.warning("events.not_told", error=str(error))
                    self._is_failing = True
                    # The client has waited for its answer: that is pause enough between two tries.
                    break
                else:
                    self._is_failing = False
                    metrics.EVENTS_TOLD.inc(len(batch))


def events_of(spans: Sequence[SpanFacts], posting: Posting) -> list[Event]:
    """Return what is told of a batch: its newest requests, and how many of which projects are left out."""
    chosen = sorted(spans, key=lambda span: span.ended_us)[-BATCH_MAX:]
    ids = {span.request_id for span in chosen}
    amounts: dict[str, Decimal] = {}
    unrated: set[str] = set()
    for entry in posting.entries:
        request_id = entry[_REQUEST]
        if request_id in ids:
            amounts[request_id] = amounts.get(request_id, Decimal(0)) + Decimal(entry[_AMOUNT])
            if entry[_UNRATED]:
                unrated.add(request_id)
    at = now_text()
    told = [
        _settled(span, amounts.get(span.request_id), is_unrated=span.request_id in unrated, at=at) for span in chosen
    ]
    left_out: dict[str, int] = {}
    for span in spans:
        if span.request_id not in ids:
            left_out[span.project] = left_out.get(span.project, 0) + 1
    most = sorted(left_out.items(), key=lambda each: -each[1])[:PROJECTS_MAX]
    return [
        *(Event(kind="request.left_out", at=at, project=project, data={"requests": count}) for project, count in most),
        *told,
    ]


def _settled(span: SpanFacts, amount: Decimal | None, *, is_unrated: bool, at: str) -> Event:
    data: dict[str, Any] = {
        "request_id": span.request_id,
        "session_id": span.session_id,
        "agent": span.agent,
        "modality": span.modality,
        "provider": span.provider,
        "model": span.model,
        "outcome": span.outcome,
        "amount_usd": _plain(amount or Decimal(0)),
        "is_estimated": span.estimated,
        "is_unrated": is_unrated,
        "ttfb_ms": span.ttfb_ms,
        "duration_ms": max(0, span.ended_us - span.started_us) // 1_000,
        "ended_at": datetime.fromtimestamp(span.ended_us / 1_000_000, UTC).isoformat(timespec="milliseconds"),
    }
    return Event(kind="request.settled", at=at, project=span.project, data=data)


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
