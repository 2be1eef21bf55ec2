"""The calls' SQL by name, and how an event becomes its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import asyncpg

from voicegateway_controller.calls.event import CallEvent, LegTold
from voicegateway_controller.db.engine import Connection
from voicegateway_controller.db.sqlfile import load_sql

TIMEOUT_S: Final = 10.0
TakenAs = Literal["taken", "duplicate", "late"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where a leg went in the books, and as how many spans."""

    leg_id: UUID
    session_id: str
    project: str
    spans: int


async def take_event(connection: Connection, event: CallEvent) -> TakenAs:
    """Note an event and what it tells, in the caller's transaction; say whether it was new, or came too late."""
    taken = await connection.fetchval(_sql("take_event"), event.event_id, event.name, timeout=TIMEOUT_S)
    if taken is None:
        return "duplicate"
    await connection.execute(
        _sql("put_room"), event.room_sid, event.room_name, event.project, _instant(event.room_started_us),
        _instant(event.room_finished_us), _instant(event.at_us), timeout=TIMEOUT_S,
    )  # fmt: skip
    is_late = event.leg is not None and not await _put_leg(connection, event, event.leg)
    return "late" if is_late else "taken"


async def _put_leg(connection: Connection, event: CallEvent, leg: LegTold) -> bool:
    """Merge what is told of a leg; False when it is in the books already."""
    merged = await connection.fetchval(
        _sql("put_leg"), leg.leg_id, event.room_sid, leg.kind, leg.resource_id, leg.session_id, leg.direction,
        leg.trunk_id, leg.livekit_model, leg.carrier_provider, leg.carrier_model, leg.call_id, leg.carrier_call_id,
        leg.project, leg.is_connected, leg.is_unanswered, leg.is_estimated, _instant(leg.started_us),
        _instant(leg.ended_us), _instant(event.at_us), timeout=TIMEOUT_S,
    )  # fmt: skip
    return merged is not None


async def due_legs(
    connection: Connection, *, settle_s: float, patience_s: float, limit: int
) -> Sequence[asyncpg.Record]:
    """Return legs that have ended and whose session and project are known, or waited for long enough."""
    return await connection.fetch(
        _sql("due_legs"), timedelta(seconds=settle_s), timedelta(seconds=patience_s), limit, timeout=TIMEOUT_S
    )


async def hold_legs(connection: Connection, rows: Sequence[asyncpg.Record]) -> set[UUID]:
    """Lock those of these legs that nobody settles and nothing changed since; return their ids."""
    held = await connection.fetch(
        _sql("hold_legs"), [row["leg_id"] for row in rows], [row["changed_at"] for row in rows], timeout=TIMEOUT_S
    )
    return {row["leg_id"] for row in held}


async def note_settled(connection: Connection, settled: Sequence[Settled]) -> None:
    """Note where legs went."""
    await connection.execute(
        _sql("note_settled"), [each.leg_id for each in settled], [each.session_id for each in settled],
        [each.project for each in settled], [each.spans for each in settled], timeout=TIMEOUT_S,
    )  # fmt: skip


def _instant(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def _sql(name: str) -> str:
    return load_sql(__package__ or "", name)
