"""Hear what holders say; tell which calls are live."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol, cast

import msgspec
from redis.asyncio import Redis

from voicegateway_controller import metrics
from voicegateway_controller.access.rules import Access
from voicegateway_controller.budgets.leasing import MoneyLeasing
from voicegateway_controller.errors import BadRequest, Forbidden, RedisUnavailable
from voicegateway_controller.fleet.orders import Orders
from voicegateway_controller.fleet.presence import About, Presence, Present
from voicegateway_controller.fleet.rules import check_self
from voicegateway_controller.fleet.store import PresenceStore
from voicegateway_controller.health import RoutingAnswering
from voicegateway_controller.limits.leasing import Leasing, LimitsAnswer
from voicegateway_controller.logs import get_logger
from voicegateway_shared.wire import (
    SYNC_VERSION,
    KeysAnswer,
    KeysReport,
    SessionPresence,
    SyncRequest,
    SyncResponse,
    WorkerOrder,
)
from voicegateway_shared.wire.money import MoneyAnswer, MoneyReport
from voicegateway_shared.wire.sync import SESSIONS_MAX

LEASING_SYNC_MS: Final = 1_000
"""While there are claims: well within a lease's life. A holder that runs dry speaks sooner."""
BUSY_SYNC_MS: Final = 1_000
"""What is declared reaches a call within a second of its controller's learning of it."""
IDLE_SYNC_MS: Final = 10_000
SILENCE_SYNCS: Final = 4
"""A holder that misses this many messages is gone, but not sooner than this:"""
SILENCE_MS_MIN: Final = 8_000
TEXT_CHARS_MAX: Final = 256

Holder = SyncRequest
_decode: Final = msgspec.json.Decoder(SyncRequest).decode
_encode: Final = msgspec.json.Encoder().encode
_log = get_logger(__name__)


class KeyLending(Protocol):
    """The vault, as far as holders are concerned; what is its own trouble it says nothing of."""

    async def answer(self, holder: str, report: KeysReport, *, access: Access, is_secure: bool) -> KeysAnswer | None:
        """Return every key that a holder may use now; None: it keeps what it has until that expires."""
        ...


class Fleet:
    """Presence of all holders; lives as long as the process. What Redis forgets, the next messages restore."""

    def __init__(
        self,
        redis: Redis,
        leasing: Leasing,
        money: MoneyLeasing,
        routing: RoutingAnswering,
        keys: KeyLending | None = None,
    ) -> None:
        self._store = PresenceStore(redis)
        self._presence = Presence(redis)
        self._leasing = leasing
        self._money = money
        self._routing = routing
        self._keys = keys
        self.orders = Orders(redis)

    @property
    def is_overloaded(self) -> bool:
        """Whether messages are better refused unread."""
        return self._leasing.is_overloaded or self._money.is_overloaded

    async def sync(self, body: bytes, *, access: Access, is_secure: bool = False) -> SyncResponse:
        """Take one message, in any order, any number of times; answer what was heard and when to speak again.

        Raises BadRequest for a message we cannot read, Forbidden for a project that the sender may not speak for,
        RedisUnavailable when it cannot be kept, DatabaseUnavailable for claims while the limits or the budgets are not
        known here. Limits and money are answered both or neither; a message that failed does no harm said again. What
        is said of routing, of keys and of the worker itself fails nothing. Keys are lent where the way `is_secure`.
        """
        message, allows = _read(body), access.allows
        for session in message.sessions or ():
            if not allows(session.project):
                metrics.SYNCS.labels("forbidden").inc()
                raise Forbidden(f"the token may not speak for project {session.project!r}")
        self._leasing.check(message, allows=allows)
        self._money.check(message)
        is_about_calls = message.sessions is not None or message.is_leaving
        held = await self._note(message, access) if is_about_calls else message.seq
        if message.money is None:
            answer, money = await self._leasing.answer(message, allows=allows), None
        else:
            answer, money = await self._both(message, message.money, allows)
        told = message.routing
        routing = None if told is None else await self._routing.answer(message.incarnation, told, allows=allows)
        return SyncResponse(
            seq=held,
            next_sync_ms=LEASING_SYNC_MS if _has_claims(message) else _presence_ms(message),
            limits_revision=answer.revision,
            pools=answer.pools,
            leases=answer.leases,
            money=money,
            routing=routing,
            keys=await self._lend(message, access, is_secure=is_secure),
            order=await self._order(message),
        )

    async def _lend(self, message: SyncRequest, access: Access, *, is_secure: bool) -> KeysAnswer | None:
        if self._keys is None or message.keys is None or message.is_leaving:
            return None
        return await self._keys.answer(message.incarnation, message.keys, access=access, is_secure=is_secure)

    async def _order(self, message: SyncRequest) -> WorkerOrder | None:
        """What the worker is to do; None: what it was told before still holds."""
        worker = message.worker
        if worker is None or worker.kind != "worker" or message.is_leaving:
            return None
        try:
            order = await self.orders.heard(message.incarnation, is_drained=worker.is_drained)
        except RedisUnavailable as error:
            _log.warning("fleet.order_unknown", error=str(error))
            return None
        return None if order is None else order.told

    async def _both(
        self, message: SyncRequest, report: MoneyReport, allows: Callable[[str], bool]
    ) -> tuple[LimitsAnswer, MoneyAnswer]:
        """Ask for limits and money at once, wait for both, and fail when one does."""
        if not message.claims and not message.signals:
            return await self._leasing.answer(message, allows=allows), await self._money.answer(message, report, allows)
        limits, money = await asyncio.gather(
            self._leasing.answer(message, allows=allows),
            self._money.answer(message, report, allows),
            return_exceptions=True,
        )
        for each in (limits, money):
            if isinstance(each, BaseException):
                raise each
        return cast(LimitsAnswer, limits), cast(MoneyAnswer, money)

    async def _note(self, message: SyncRequest, access: Access) -> int:
        projects = None if access.projects is None else tuple(sorted(access.projects))
        try:
            held = await self._store.note(
                incarnation=message.incarnation,
                seq=message.seq,
                message=_encode(msgspec.structs.replace(message, claims=(), signals=(), money=None, routing=None)),
                about=_encode(About(seen_ms=time.time_ns() // 1_000_000, projects=projects)),
                ttl_ms=max(SILENCE_MS_MIN, _presence_ms(message) * SILENCE_SYNCS),
                is_leaving=message.is_leaving,
            )
        except RedisUnavailable:
            metrics.SYNCS.labels("unavailable").inc()
            raise
        metrics.SYNCS.labels("noted" if held == message.seq else "outdated").inc()
        return held

    async def present(self) -> list[Present]:
        """Return every holder that is present. Raises RedisUnavailable."""
        return await self._presence.present()

    async def holders(self) -> list[Holder]:
        """Return the last message of every holder that is present. Raises RedisUnavailable."""
        return await self._presence.holders()

    async def live_sessions(self, *, allows: Callable[[str], bool]) -> dict[tuple[str, str], SessionPresence]:
        """Return the calls now running, by (session, project), of the projects the caller may see."""
        return {
            (session.session_id, session.project): session
            for holder in await self.holders()
            for session in holder.sessions or ()
            if allows(session.project)
        }


def _has_claims(message: SyncRequest) -> bool:
    return bool(message.claims or (message.money is not None and message.money.claims))


def _presence_ms(message: SyncRequest) -> int:
    is_worker = message.worker is not None and message.worker.kind == "worker"
    return BUSY_SYNC_MS if message.sessions or is_worker else IDLE_SYNC_MS


def _read(body: bytes) -> SyncRequest:
    try:
        message = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"not a sync message: {error}") from error
    except RecursionError as error:
        raise BadRequest("not a sync message: nested thousands of levels deep") from error
    if message.version != SYNC_VERSION:
        raise BadRequest(
            f"sync version {message.version} is not spoken here, {SYNC_VERSION} is: upgrade the older of the two"
        )
    if len(message.sessions or ()) > SESSIONS_MAX:
        raise BadRequest(f"more than {SESSIONS_MAX} sessions in one message")
    check_self(message)
    if not message.incarnation or len(message.incarnation) > TEXT_CHARS_MAX:
        raise BadRequest(f"incarnation must have 1 to {TEXT_CHARS_MAX} characters")
    return message
