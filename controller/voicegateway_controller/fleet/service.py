"""Hear what holders say; tell which calls are live."""

from collections.abc import Callable
from typing import Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller import metrics
from voicegateway_controller.errors import BadRequest, Forbidden, RedisUnavailable
from voicegateway_controller.fleet.store import PresenceStore
from voicegateway_controller.limits.leasing import Leasing
from voicegateway_controller.logs import get_logger
from voicegateway_shared.wire import SYNC_VERSION, SessionPresence, SyncRequest, SyncResponse
from voicegateway_shared.wire.sync import SESSIONS_MAX

LEASING_SYNC_MS: Final = 1_000
"""While there are claims: well within a lease's life. A holder that runs dry speaks sooner."""
BUSY_SYNC_MS: Final = 2_000
IDLE_SYNC_MS: Final = 10_000
SILENCE_SYNCS: Final = 4
"""A holder that misses this many messages is gone."""
TEXT_CHARS_MAX: Final = 256

Holder = SyncRequest
_log = get_logger(__name__)
_decode: Final = msgspec.json.Decoder(SyncRequest).decode
_encode: Final = msgspec.json.Encoder().encode


class Fleet:
    """Presence of all holders; lives as long as the process. What Redis forgets, the next messages restore."""

    def __init__(self, redis: Redis, leasing: Leasing) -> None:
        self._store = PresenceStore(redis)
        self._leasing = leasing

    @property
    def is_overloaded(self) -> bool:
        """Whether messages are better refused unread."""
        return self._leasing.is_overloaded

    async def sync(self, body: bytes, *, allows: Callable[[str], bool]) -> SyncResponse:
        """Take one message, in any order, any number of times; answer what was heard and when to speak again.

        Raises BadRequest for a message we cannot read, Forbidden for a project that the sender may not speak for,
        RedisUnavailable when it cannot be kept, DatabaseUnavailable for claims while the limits are not known here.
        """
        message = _read(body)
        for session in message.sessions or ():
            if not allows(session.project):
                metrics.SYNCS.labels("forbidden").inc()
                raise Forbidden(f"the token may not speak for project {session.project!r}")
        self._leasing.check(message, allows=allows)
        is_about_calls = message.sessions is not None or message.is_leaving
        held = await self._note(message) if is_about_calls else message.seq
        answer = await self._leasing.answer(message, allows=allows)
        return SyncResponse(
            seq=held,
            next_sync_ms=LEASING_SYNC_MS if message.claims else _presence_ms(message),
            limits_revision=answer.revision,
            pools=answer.pools,
            leases=answer.leases,
        )

    async def _note(self, message: SyncRequest) -> int:
        try:
            held = await self._store.note(
                incarnation=message.incarnation,
                seq=message.seq,
                message=_encode(msgspec.structs.replace(message, claims=(), signals=())),
                ttl_ms=_presence_ms(message) * SILENCE_SYNCS,
                is_leaving=message.is_leaving,
            )
        except RedisUnavailable:
            metrics.SYNCS.labels("unavailable").inc()
            raise
        metrics.SYNCS.labels("noted" if held == message.seq else "outdated").inc()
        return held

    async def holders(self) -> list[Holder]:
        """Return the last message of every holder that is present. Raises RedisUnavailable."""
        holders = []
        for message in await self._store.messages():
            try:
                holders.append(_decode(message))
            except msgspec.DecodeError as error:
                # Written by another version during a rollout; its next message will be ours or theirs to read.
                _log.warning("presence.unreadable", error=str(error))
        return holders

    async def live_sessions(self, *, allows: Callable[[str], bool]) -> dict[tuple[str, str], SessionPresence]:
        """Return the calls now running, by (session, project), of the projects the caller may see."""
        return {
            (session.session_id, session.project): session
            for holder in await self.holders()
            for session in holder.sessions or ()
            if allows(session.project)
        }


def _presence_ms(message: SyncRequest) -> int:
    return BUSY_SYNC_MS if message.sessions else IDLE_SYNC_MS


def _read(body: bytes) -> SyncRequest:
    try:
        message = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"not a sync message: {error}") from error
    if message.version != SYNC_VERSION:
        raise BadRequest(
            f"sync version {message.version} is not spoken here, {SYNC_VERSION} is: upgrade the older of the two"
        )
    if len(message.sessions or ()) > SESSIONS_MAX:
        raise BadRequest(f"more than {SESSIONS_MAX} sessions in one message")
    if not message.incarnation or len(message.incarnation) > TEXT_CHARS_MAX:
        raise BadRequest(f"incarnation must have 1 to {TEXT_CHARS_MAX} characters")
    return message
