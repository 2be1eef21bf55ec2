"""What each replica says of its files, in Redis, so that any of them can show it. May vanish at any time."""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.redis_client import AWAY, unavailable

INDEX: Final = "voicegateway:{configuration}:replicas"
REPLICA: Final = "voicegateway:{configuration}:replica:"
REPORT_S: Final = 2.0
FORGET_S: Final = 15
"""A replica that says nothing for so long is gone."""
REPLICAS_MAX: Final = 200


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one replica."""

    layer: str
    name: str
    state: str
    digest: str
    is_in_force: bool
    problems: Sequence[dict[str, Any]] = ()
    read_at: str | None = None


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, as it said of itself."""

    id: str
    host: str
    version: int
    """Of the configuration that it goes by."""
    seen_at: str
    revisions: dict[str, int] = {}
    files: Sequence[File] = ()


_decode: Final = msgspec.json.Decoder(Replica).decode


class Replicas:
    """All replicas; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def say(self, replica: Replica) -> None:
        """Tell what one replica is like. Raises RedisUnavailable."""
        now = time.time()
        try:
            await self._redis.set(REPLICA + replica.id, msgspec.json.encode(replica), ex=FORGET_S)
            await self._redis.zadd(INDEX, {replica.id: now})
            await self._redis.zremrangebyscore(INDEX, "-inf", now - FORGET_S)
        except AWAY as error:
            raise unavailable(error) from error

    async def leave(self, replica_id: str) -> None:
        """Forget one. Raises RedisUnavailable."""
        try:
            await self._redis.zrem(INDEX, replica_id)
            await self._redis.delete(REPLICA + replica_id)
        except AWAY as error:
            raise unavailable(error) from error

    async def all(self) -> list[Replica]:
        """Return those that are there, by their ids. Raises RedisUnavailable."""
        try:
            ids = await self._redis.zrange(INDEX, 0, REPLICAS_MAX - 1)
            if not ids:
                return []
            told = await self._redis.mget([REPLICA + each.decode() for each in sorted(ids)])
        except AWAY as error:
            raise unavailable(error) from error
        found = []
        for text in told:
            try:
                found.append(_decode(text or b""))
            except msgspec.DecodeError:
                # Gone by now, or of another version.
                continue
        return found
