"""Presence: which calls this process carries, as the controller is told."""

import time
from collections.abc import Iterable
from typing import Final

from voicegateway.identity import Identity
from voicegateway.record import RequestRecord
from voicegateway_shared.wire import SessionPresence
from voicegateway_shared.wire.sync import SESSIONS_MAX

LINGER_S: Final = 10.0
"""A call without an open request is still live this long: between turns only the STT stream may be open."""


class Presence:
    """Lives as long as its runtime. `note` is called on event loops, `sessions` by the syncer's thread."""

    def __init__(self) -> None:
        self._recent: dict[str, tuple[Identity, str, float]] = {}
        self.last: Identity | None = None
        """Of the last call."""

    def note(self, record: RequestRecord) -> None:
        """Remember that a call was active just now."""
        self.last = identity = record.identity
        self._recent[identity.session_id] = (identity, record.project, time.monotonic())

    def sessions(self, open_records: Iterable[RequestRecord]) -> tuple[SessionPresence, ...]:
        """Return the calls of open requests, and those that had one a moment ago."""
        for record in open_records:
            self.note(record)
        horizon = time.monotonic() - LINGER_S
        for session_id, (_, _, seen_s) in list(self._recent.items()):
            if seen_s < horizon:
                del self._recent[session_id]
        return tuple(
            SessionPresence(
                session_id=identity.session_id,
                project=project,
                agent=identity.agent,
                room=identity.room,
                started_at=identity.started_at,
            )
            for identity, project, _ in list(self._recent.values())[:SESSIONS_MAX]
        )
