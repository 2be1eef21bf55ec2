"""See that sessions end that were told to: when a worker does not in time, LiveKit takes its agent or the room away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from voicegateway_controller import metrics
from voicegateway_controller.alerts import Alerts, Severity
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger
from voicegateway_controller.sessions.directives import Directives
from voicegateway_controller.sessions.ending import RECHECK_MS, RETRY_MS, Ending, next_step, outcome_of
from voicegateway_shared.wire import SessionPresence, SyncRequest

TOGETHER_MAX: Final = 16
"""Endings looked at in one step, at the same time."""
LEASE_MS: Final = 30_000
"""Longer than LiveKit may take (10 s) and the telling of it; a runner that dies is followed by another after this."""
INTERVAL_S: Final = 1.0
ONE_ORDER_MS: Final = 600_000
"""What one ordered for a project within this time is told once: an order may be about two thousand sessions."""
NOT_SET_UP: Final = "its worker did not comply, and VOICEGATEWAY_LIVEKIT_URL, _API_KEY and _API_SECRET are not set"
NO_ROOM: Final = "its worker did not comply, and told no room"

_log = get_logger(__name__)


class Rooms(Protocol):
    """Whoever can take agents and rooms away."""

    async def remove_agent(self, room: str, *, session_id: str) -> str:
        """Remove the session's agent; return what was done, in words."""
        ...

    async def delete_room(self, room: str) -> str:
        """End the room for everybody; return what was done, in words."""
        ...


class Escalation:
    """Looks after endings for one runner; any number may. Holds nothing that needs closing."""

    def __init__(
        self,
        directives: Directives,
        holders: Callable[[], Awaitable[list[SyncRequest]]],
        alerts: Alerts,
        rooms: Rooms | None,
    ) -> None:
        self._directives = directives
        self._holders = holders
        self._alerts = alerts
        self._rooms = rooms

    async def step(self) -> None:
        """Look at every ending whose time has come. Raises RedisUnavailable or DatabaseUnavailable."""
        due = await self._directives.claim(limit=TOGETHER_MAX, lease_ms=LEASE_MS)
        if not due:
            return
        carried: dict[tuple[str, str], SessionPresence] = {}
        for holder in await self._holders():
            for session in holder.sessions or ():
                # An order that names no project is about whoever carries the session.
                carried[session.session_id, session.project] = carried[session.session_id, ""] = session
        # Each to its end, whatever becomes of the others.
        ended = await asyncio.gather(*(self._look_at(ending, carried) for ending in due), return_exceptions=True)
        for failure in ended:
            if failure is not None:
                raise failure

    async def _look_at(self, ending: Ending, carried: Mapping[tuple[str, str], SessionPresence]) -> None:
        # Of its own project: nobody has another's room deleted by saying that he carries its session.
        session = carried.get((ending.session_id, ending.project))
        step = next_step(ending, is_carried=session is not None, can_remove=self._rooms is not None)
        if step == "settle":
            await self._settle(ending, msgspec.structs.replace(ending, outcome=outcome_of(ending)), session)
        elif step == "give_up" or self._rooms is None:
            error = ending.last_error or (NOT_SET_UP if self._rooms is None else "it was still carried afterwards")
            await self._settle(ending, msgspec.structs.replace(ending, outcome="failed", last_error=error), session)
        elif session is None or not session.room:
            await self._settle(ending, msgspec.structs.replace(ending, outcome="failed", last_error=NO_ROOM), session)
        else:
            await self._remove(ending, session, self._rooms, is_room_wanted=step == "delete_room")

    async def _remove(self, ending: Ending, session: SessionPresence, rooms: Rooms, *, is_room_wanted: bool) -> None:
        attempts = ending.attempts + 1
        try:
            if is_room_wanted:
                done = await rooms.delete_room(session.room)
            else:
                done = await rooms.remove_agent(session.room, session_id=ending.session_id)
        except ControllerError as error:
            _log.warning("session.not_removed", session_id=ending.session_id, attempts=attempts, error=str(error))
            failed = msgspec.structs.replace(ending, attempts=attempts, last_error=str(error))
            await self._directives.look_again(ending, failed, after_ms=RETRY_MS)
            return
        _log.warning("session.removed", session_id=ending.session_id, room=session.room, done=done, attempts=attempts)
        changed = msgspec.structs.replace(ending, attempts=attempts, last_error="")
        await self._directives.look_again(ending, changed, after_ms=RECHECK_MS)

    async def _settle(self, ending: Ending, settled: Ending, session: SessionPresence | None) -> None:
        # Told before it is settled: whoever dies in between is followed by one who tells it again, under the same key.
        if settled.outcome in ("removed", "failed"):
            await self._tell(settled, session)
        if await self._directives.change(ending, settled, due_ms=None):
            metrics.SESSION_ENDINGS.labels(settled.outcome).inc()
            _log.info("session.ending_settled", session_id=ending.session_id, outcome=settled.outcome)

    async def _tell(self, ending: Ending, session: SessionPresence | None) -> None:
        severity: Severity = "critical" if ending.outcome == "failed" else "warning"
        what = (
            "was told to end and is still live"
            if ending.outcome == "failed"
            else "did not end when it was told to: LiveKit ended it"
        )
        await self._alerts.raise_(
            "session_ended",
            f"session_ended:{ending.outcome}:{ending.project}:{ending.by}:{ending.told_ms // ONE_ORDER_MS}",
            f"Session {ending.session_id} {what}",
            {
                "session_id": ending.session_id,
                "outcome": ending.outcome,
                "reason": ending.reason,
                "ordered_by": ending.by,
                "attempts": ending.attempts,
                "last_error": ending.last_error,
                "room": "" if session is None else session.room,
                "others": "of the same order, if any: GET /api/v1/sessions/endings",
            },
            project=ending.project or ("" if session is None else session.project),
            severity=severity,
        )
