"""Dead processes whose spans all arrived: remembered until the ledger has rated them. May vanish at any time."""

import time
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from voicegateway_controller.redis_client import AWAY, unavailable

KEY: Final = "voicegateway:{budgets}:recovered"
RECOVERED_KEPT_MAX: Final = 4_096
"""Many hosts restarting at once; whoever is left out is released when it has been silent for long enough."""
KEEP_S: Final = 86_400


class Recovered:
    """The list in Redis; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def add(self, incarnations: Sequence[str]) -> None:
        """Remember them, the oldest forgotten where there are too many. Raises RedisUnavailable."""
        now_s = time.time()
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.zadd(KEY, dict.fromkeys(incarnations, now_s), nx=True)
            pipeline.zremrangebyrank(KEY, 0, -RECOVERED_KEPT_MAX - 1)
            pipeline.expire(KEY, KEEP_S)
            await pipeline.execute()
        except AWAY as error:
            raise unavailable(error) from error

    async def first(self, count: int) -> list[str]:
        """Return those that wait longest. Raises RedisUnavailable."""
        try:
            await self._redis.zremrangebyscore(KEY, "-inf", time.time() - KEEP_S)
            found = await self._redis.zrange(KEY, 0, count - 1)
        except AWAY as error:
            raise unavailable(error) from error
        return [each.decode() for each in found]

    async def again(self, incarnations: Sequence[str]) -> None:
        """Let those wait at the end of the line, once more. Raises RedisUnavailable."""
        if incarnations:
            try:
                await self._redis.zadd(KEY, dict.fromkeys(incarnations, time.time()), xx=True)
            except AWAY as error:
                raise unavailable(error) from error

    async def remove(self, incarnations: Sequence[str]) -> None:
        """Forget them. Raises RedisUnavailable."""
        if incarnations:
            try:
                await self._redis.zrem(KEY, *incarnations)
            except AWAY as error:
                raise unavailable(error) from error
