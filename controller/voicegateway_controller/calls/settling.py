"""Write the legs that have ended into the inbox, where the runner rates them like any other request."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.calls import store
from voicegateway_controller.calls.legs import EndedLeg, columns, span_rows
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.logs import get_logger
from voicegateway_controller.usage.store import insert_spans

INTERVAL_S: Final = 1.0
BATCH_LEGS: Final = 500
"""Legs of one transaction."""
BATCHES_MAX: Final = 20
"""Batches of one step; the next step goes on."""
PATIENCE_S: Final = 60.0
"""How long a leg that ended waits for its agent's spans to say who pays; then the default project does."""

_log = get_logger(__name__)


class Settling:
    """Settles legs for one runner; any number may at once. Holds nothing that needs closing."""

    def __init__(
        self,
        engine: AsyncEngine,
        telephony: Telephony,
        *,
        settle_s: float,
        patience_s: float = PATIENCE_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._telephony = telephony
        self._settle_s = settle_s
        self._patience_s = max(patience_s, settle_s)
        self._now = now

    async def step(self) -> None:
        """Settle all that may be settled now."""
        for _ in range(BATCHES_MAX):
            if await self.settle() < BATCH_LEGS:
                break

    async def settle(self) -> int:
        """Settle one batch, wholly or not at all; return how many legs it was."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            found = await store.due_legs(
                connection, settle_s=self._settle_s, patience_s=self._patience_s, limit=BATCH_LEGS
            )
            if not found:
                return 0
            held = await store.hold_legs(connection, found)
            due = [row for row in found if row["leg_id"] in held]
            legs = [self._leg(row) for row in due]
            spans = [span_rows(leg, self._telephony, now=self._now()) for leg in legs]
            rows = [row for each in spans for row in each]
            if rows:
                await insert_spans(connection, columns(rows), timeout_s=store.TIMEOUT_S)
            settled = [
                store.Settled(leg_id=leg.leg_id, session_id=leg.session_id, project=leg.project, spans=len(its_spans))
                for leg, its_spans in zip(legs, spans, strict=True)
            ]
            await store.note_settled(connection, settled)
        self._count(due)
        return len(due)

    def _leg(self, row: asyncpg.Record) -> EndedLeg:
        return EndedLeg(
            leg_id=row["leg_id"],
            kind=row["kind"],
            resource_id=row["resource_id"],
            direction=row["direction"],
            livekit_model=row["livekit_model"],
            carrier_provider=row["carrier_provider"],
            carrier_model=row["carrier_model"],
            call_id=row["call_id"],
            carrier_call_id=row["carrier_call_id"],
            is_connected=row["is_connected"],
            is_unanswered=row["is_unanswered"],
            is_estimated=row["is_estimated"],
            is_end_guessed=row["is_end_guessed"],
            is_lost=row["lost_at"] is not None and row["end_at"] == row["lost_at"],
            started_at=row["started_at"],
            end_at=row["end_at"],
            room_name=row["room_name"],
            session_id=row["resolved_session"],
            project=row["resolved_project"] or self._telephony.default_project,
            agent=row["resolved_agent"],
        )

    def _count(self, due: Sequence[asyncpg.Record]) -> None:
        for row in due:
            metrics.CALL_LEGS.labels(row["kind"], "counted" if row["is_connected"] else "never_connected").inc()
        if due:
            _log.debug("calls.settled", legs=len(due))
