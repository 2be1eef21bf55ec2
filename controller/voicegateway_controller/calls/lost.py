"""Close legs whose end no webhook told, at their last sign of life; forget what is long in the books."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.calls.livekit_server import Presences
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.logs import get_logger

INTERVAL_S: Final = 60.0
QUIET: Final = timedelta(minutes=5)
"""A leg of which nothing was heard for so long is looked for at LiveKit; a webhook that is sent again comes before."""
OPEN_MAX: Final = timedelta(hours=24)
"""Without a LiveKit server to ask, or a room that it knows, a leg of which nothing was heard for so long is over."""
LOOKED_FOR_MAX: Final = 5_000
"""Legs looked for in one step."""
KEPT: Final = timedelta(days=8)
"""Longer than a webhook is believed: what is forgotten can never come again."""
TIMEOUT_S: Final = 30.0

_log = get_logger(__name__)


class LiveRooms(Protocol):
    """Whoever knows which rooms there are and who is in them."""

    async def look(self, rooms: frozenset[str]) -> Presences:
        """Return which rooms exist, and who is in these of them."""
        ...


class Lost:
    """Looks for lost legs, for one runner; any number may. Holds nothing that needs closing."""

    def __init__(
        self,
        engine: AsyncEngine,
        rooms: LiveRooms | None,
        *,
        quiet: timedelta = QUIET,
        open_max: timedelta = OPEN_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._rooms = rooms
        self._quiet = quiet
        self._open_max = open_max
        self._monotonic = monotonic
        self._forget_at_s = float("-inf")

    async def step(self) -> None:
        """Close what is lost. Raises DatabaseUnavailable, or LiveKitUnanswered after closing what is too old."""
        async with raw_connection(self._engine) as connection:
            too_old = await connection.fetch(_sql("close_old_legs"), self._open_max, timeout=TIMEOUT_S)
            open_legs: int = await connection.fetchval(_sql("count_open_legs"), timeout=TIMEOUT_S)
            quiet = await connection.fetch(_sql("quiet_legs"), self._quiet, LOOKED_FOR_MAX, timeout=TIMEOUT_S)
        metrics.CALL_LEGS_OPEN.set(open_legs)
        _note_lost(len(too_old))
        if self._monotonic() >= self._forget_at_s:
            await self._forget()
        if self._rooms is None or not quiet:
            return
        found = await self._rooms.look(frozenset(row["room_sid"] for row in quiet))
        gone: list[UUID] = []
        alive: list[UUID] = []
        for row in quiet:
            if row["room_sid"] not in found.rooms:
                gone.append(row["leg_id"])
            elif (present := found.participants.get(row["room_sid"])) is not None:
                is_participant = row["kind"] in ("agent", "sip", "participant")
                (gone if is_participant and row["resource_id"] not in present else alive).append(row["leg_id"])
        async with raw_connection(self._engine) as connection:
            # Who is seen in his room lives; who is not lived when he was last seen or heard of.
            await connection.execute(_sql("note_alive"), alive, timeout=TIMEOUT_S)
            closed = await connection.fetch(_sql("close_legs"), gone, self._quiet, timeout=TIMEOUT_S)
        _note_lost(len(closed))

    async def _forget(self) -> None:
        async with raw_connection(self._engine) as connection:
            for name in ("forget_events", "forget_legs", "forget_rooms"):
                await connection.execute(_sql(name), KEPT, timeout=TIMEOUT_S)
        self._forget_at_s = self._monotonic() + 3_600.0


def _note_lost(count: int) -> None:
    if count:
        metrics.CALL_LEGS_LOST.inc(count)
        _log.warning("calls.legs_lost", legs=count)


def _sql(name: str) -> str:
    return load_sql(__package__ or "", name)
