"""`POST /v1/sync`: who a holder is, which calls it carries, what it holds of the fleet's limits and wants of them.

Idempotent by (incarnation, seq): counters are cumulative, so duplicates, reordering and loss do no harm.
"""

from typing import Final, Literal

import msgspec

from voicegateway_shared.limits.pool import PoolSpec
from voicegateway_shared.limits.selector import Target
from voicegateway_shared.wire.keys import KeysAnswer, KeysReport
from voicegateway_shared.wire.money import MoneyAnswer, MoneyReport
from voicegateway_shared.wire.routing import RoutingAnswer, RoutingReport
from voicegateway_shared.wire.workers import WorkerOrder, WorkerState

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


CLAIMS_MAX: Final = 256
"""Leases one holder may have; a job process has as many as pools match its three plugins."""
SIGNALS_MAX: Final = 32

Priority = Literal["live", "batch"]
LeaseState = Literal["ok", "outdated", "learning", "paused", "unknown"]


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder says of its lease on one pool. Units are the pool's meter's; all counters only grow."""

    pool: str
    project: str = ""
    priority: Priority = "live"
    used: int = 0
    """Rate: units spent in this process life. Slots: how many are open now."""
    target: int = 0
    """Rate: the highest cumulative grant the holder will use; below what it was granted it is a return.
    Slots: how many it wants to hold."""
    need: int = 0
    """Rate: the cumulative grant that the first waiting request needs, 0 when none waits."""
    wait_ms: int = 0
    """How long that request can still wait."""
    demand_milli: int = 0
    """Rate: units asked for per 1,000 s, recently. Slots: 1,000 times the slots wanted."""
    waiters: int = 0
    refused: int = 0
    """Requests refused so far."""


class Lease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder may spend from one pool. Times count from the moment the holder sent its claim."""

    pool: str
    project: str = ""
    priority: Priority = "live"
    state: LeaseState = "ok"
    """`outdated`: a newer message was heard. `learning`: the pool lost its memory, nothing new is granted.
    `paused`: the vendor said stop. `unknown`: no such pool any more. Only `ok` and `paused` renew the lease."""
    granted: int = 0
    """Rate: cumulative grant. Slots: how many may be open."""
    ttl_ms: int = 0
    ready_ms: int = 0
    """Nothing may be spent earlier than this after the *arrival* of the answer: the units accrue until then."""
    keep_ms: int = 0
    """Slots: a free one may be kept so long for the next stream, because there are plenty; 0: it goes back at once."""
    retry_ms: int = 0
    """Asking again earlier is in vain; 0 when what was asked for was granted."""
    share_milli: int = 0
    """The holder's fair share for when no controller can be reached: units per 1,000 s, or slots × 1,000."""


class VendorSignal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a vendor said about its limits in an answer. Seen by one holder, meant for the fleet."""

    target: Target
    kind: Literal["limit", "refused"]
    """`limit`: the vendor told a limit; `refused`: it answered 429."""
    meter: str = ""
    """For `limit`: which, as in a pool's meter."""
    limit: int = 0
    period_ms: int = 0
    """0 where the vendor does not tell the period (and for slots)."""
    remaining: int = -1
    reset_ms: int = 0
    retry_after_ms: int = 0
    """For `refused`: how long the vendor told us to stay away; 0 when it did not say."""
    header: str = ""
    """Where it stood."""


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a holder says: about once a second while it carries a call, at once when a lease runs dry."""

    version: int = SYNC_VERSION
    incarnation: str
    seq: int
    host: str
    pid: int
    shim_version: str
    agents_version: str = ""
    is_leaving: bool = False
    sessions: tuple[SessionPresence, ...] | None = ()
    """None when this message is about leases only and says nothing of calls."""
    limits_revision: int = -1
    """Of the pools the holder knows; -1 when it knows none."""
    claims: tuple[Claim, ...] = ()
    signals: tuple[VendorSignal, ...] = ()
    money: MoneyReport | None = None
    """None from a process that has nothing to say of money."""
    routing: RoutingReport | None = None
    """None from a process that knows nothing of routing."""
    keys: KeysReport | None = None
    """None from a process that has all the keys it needs."""
    worker: WorkerState | None = None
    """None in a message that says nothing of the process."""
    outbox: OutboxState = OutboxState()


class SyncResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller answers: which message it heard and when to speak again."""

    version: int = SYNC_VERSION
    seq: int
    next_sync_ms: int
    limits_revision: int = -1
    pools: tuple[PoolSpec, ...] | None = None
    """All pools this holder may meet, when the revision it named is not ours."""
    leases: tuple[Lease, ...] = ()
    """One for each claim, in their order."""
    money: MoneyAnswer | None = None
    """Answers a request that has `money`."""
    routing: RoutingAnswer | None = None
    """Answers a request that has `routing`."""
    keys: KeysAnswer | None = None
    """Answers a request that has `keys`."""
    order: WorkerOrder | None = None
    """Answers a request that has `worker`."""
