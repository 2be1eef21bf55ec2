"""`POST /v1/sync`: who a holder is and which calls it carries. Idempotent by (incarnation, seq)."""

from typing import Final

import msgspec

SYNC_VERSION: Final = 1
SESSIONS_MAX: Final = 256
"""A job process carries one call; a thread-based worker a few dozen. More is a bug or an attack."""


class SessionPresence(msgspec.Struct, frozen=True, kw_only=True):
    """One live call on this holder."""

    session_id: str
    project: str
    agent: str = ""
    room: str = ""
    started_at: str
    """RFC 3339, UTC."""


class OutboxState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on the holder's host; lets the fleet see a backlog or a loss."""

    rows: int = 0
    bytes: int = 0
    dropped: int = 0
    hook_errors: int = 0


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a holder says, about once in two seconds while it carries a call."""

    version: int = SYNC_VERSION
    incarnation: str
    seq: int
    host: str
    pid: int
    shim_version: str
    agents_version: str = ""
    is_leaving: bool = False
    sessions: tuple[SessionPresence, ...] = ()
    outbox: OutboxState = OutboxState()


class SyncResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller answers: which message it heard and when to speak again."""

    version: int = SYNC_VERSION
    seq: int
    next_sync_ms: int
