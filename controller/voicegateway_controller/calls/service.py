"""Take LiveKit's webhooks: verify, commit once, answer. Whatever the order and however often they come."""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.calls import store
from voicegateway_controller.calls.event import read_event
from voicegateway_controller.calls.livekit_server import Signatures
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import NotFound
from voicegateway_controller.logs import get_logger

BODY_BYTES_MAX: Final = 2 << 20
"""A room's and a participant's metadata, attributes and tracks; LiveKit bounds each to 64 or 512 kB."""

_log = get_logger(__name__)


class Webhooks:
    """The way in for LiveKit's webhooks, of one process; lives as long as it."""

    def __init__(
        self,
        engine: AsyncEngine,
        signatures: Signatures,
        telephony: Telephony,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self._engine = engine
        self._signatures = signatures
        self._telephony = telephony
        self._now_us = now_us

    def check_configured(self) -> None:
        """Raise NotFound unless some key may sign webhooks: without one nobody is listened to."""
        if not self._signatures.is_configured:
            raise NotFound(
                "no LiveKit key is set: set VOICEGATEWAY_LIVEKIT_API_KEY and VOICEGATEWAY_LIVEKIT_API_SECRET "
                "(or VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS) to those that sign the webhooks"
            )

    def check_signed(self, authorization: str) -> None:
        """Raise Unauthenticated for what none of our keys can have signed, whatever its body says."""
        self._signatures.check(authorization)

    async def take(self, body: bytes, authorization: str) -> str:
        """Return what became of a webhook (taken, duplicate, late, ignored, stale); once it returns, that is committed.

        Raises Unauthenticated or BadRequest for what can never be taken, DatabaseUnavailable when LiveKit should
        send it again.
        """
        message = self._signatures.open(body, authorization)
        event = read_event(message, body, telephony=self._telephony, now_us=self._now_us())
        if event is None:
            return "ignored"
        if event.is_stale:
            _log.warning("webhook.stale", event_id=event.event_id, kind=event.name)
            return "stale"
        async with raw_connection(self._engine) as connection, connection.transaction():
            taken_as = await store.take_event(connection, event)
        if taken_as == "late":
            _log.warning("webhook.late", event_id=event.event_id, kind=event.name)
        return taken_as


def count(result: str) -> None:
    """Count what became of one webhook."""
    metrics.LIVEKIT_WEBHOOKS.labels(result).inc()
