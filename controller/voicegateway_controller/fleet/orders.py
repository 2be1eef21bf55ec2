"""Orders to workers: which are drained, and by whom. Kept in Redis while the worker lives, and by the worker itself.

Redis may vanish: a worker that says that it is drained, of which no order is known, is drained by its own word.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.logs import get_logger
from voicegateway_controller.redis_client import AWAY, unavailable
from voicegateway_shared.wire import WorkerOrder

ORDER_KEY: Final = "voicegateway:{{fleet}}:order:{}"
KEPT_S: Final = 24 * 3_600
"""After a worker's last message; a worker that was paused for longer keeps what it was told, and says so."""
CHUNK: Final = 500
"""Orders read in one round trip."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody wants of a worker. Taken back by one that says the opposite, and never forgotten for it."""

    is_drained: bool
    by: str = ""
    reason: str = ""
    at: datetime

    @property
    def told(self) -> WorkerOrder:
        """As the worker hears it."""
        return WorkerOrder(is_drained=self.is_drained)


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Order).decode
_log = get_logger(__name__)


def _read(value: bytes) -> Order | None:
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        # Another version's, during a rollout: the worker keeps what it was told.
        _log.warning("fleet.order_unreadable", error=str(error))
        return None


class Orders:
    """Lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def give(self, incarnation: str, order: Order) -> None:
        """Order something of a worker from its next message on. Raises RedisUnavailable."""
        try:
            await self._redis.set(ORDER_KEY.format(incarnation), _encode(order), ex=KEPT_S)
        except AWAY as error:
            raise unavailable(error) from error

    async def heard(self, incarnation: str, *, is_drained: bool) -> Order | None:
        """Return what holds for a worker that has just said whether it is drained; None: nobody ordered anything.

        Raises RedisUnavailable.
        """
        try:
            known: Any = await self._redis.getex(ORDER_KEY.format(incarnation), ex=KEPT_S)
            if known is None and is_drained:
                order = Order(is_drained=True, at=datetime.now(UTC))
                # Whoever is quicker, with an order of today, is right.
                await self._redis.set(ORDER_KEY.format(incarnation), _encode(order), ex=KEPT_S, nx=True)
                return order
        except AWAY as error:
            raise unavailable(error) from error
        return None if known is None else _read(known)

    async def of(self, incarnations: list[str]) -> dict[str, Order]:
        """Return the orders that these workers have. Raises RedisUnavailable."""
        found: dict[str, Order] = {}
        try:
            for start in range(0, len(incarnations), CHUNK):
                chunk = incarnations[start : start + CHUNK]
                # One hash tag, so one slot of a cluster.
                values: Any = await self._redis.mget([ORDER_KEY.format(each) for each in chunk])
                for incarnation, value in zip(chunk, values, strict=True):
                    order = None if value is None else _read(value)
                    if order is not None:
                        found[incarnation] = order
        except AWAY as error:
            raise unavailable(error) from error
        return found
