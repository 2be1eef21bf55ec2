"""Presence in Redis: one hash per holder that expires by itself, and an index of them. May vanish at any time."""

from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis

from voicegateway_controller.redis_client import AWAY, unavailable

# One hash tag: a script may touch several keys only when they live in one slot of a cluster.
INDEX_KEY: Final = "voicegateway:{fleet}:holders"
HOLDER_KEY: Final = "voicegateway:{{fleet}}:holder:{}"
HOLDERS_MAX: Final = 20_000
"""Holders read at once; twice the fleet that one controller is meant for."""
CHUNK: Final = 500
"""Hashes read in one round trip."""


class PresenceStore:
    """The fleet's keys; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._note = redis.register_script(_script("note"))
        self._present = redis.register_script(_script("present"))

    async def note(
        self, *, incarnation: str, seq: int, message: bytes, about: bytes, ttl_ms: int, is_leaving: bool
    ) -> int:
        """Keep a message, and whose it is, unless a newer one is held; return the seq now held.

        Raises RedisUnavailable.
        """
        try:
            held = await self._note(
                keys=[HOLDER_KEY.format(incarnation), INDEX_KEY],
                args=[incarnation, seq, message, ttl_ms, "1" if is_leaving else "0", about],
            )
        except AWAY as error:
            raise unavailable(error) from error
        return int(held)

    async def messages(self) -> list[tuple[bytes, bytes]]:
        """Return the last message of every holder that is present, and whose it is. Raises RedisUnavailable."""
        try:
            present: Any = await self._present(keys=[INDEX_KEY], args=[HOLDERS_MAX])
            incarnations = [each.decode() for each in present]
            found: list[tuple[bytes | None, bytes | None]] = []
            for start in range(0, len(incarnations), CHUNK):
                pipeline: Any = self._redis.pipeline(transaction=False)
                for incarnation in incarnations[start : start + CHUNK]:
                    pipeline.hmget(HOLDER_KEY.format(incarnation), "message", "about")
                found += await pipeline.execute()
        except AWAY as error:
            raise unavailable(error) from error
        return [(message, about or b"{}") for message, about in found if message is not None]


def _script(name: str) -> str:
    return (files("voicegateway_controller.fleet") / "lua" / f"{name}.lua").read_text()
