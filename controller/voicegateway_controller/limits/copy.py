"""The definitions' copy in Redis, for a controller that starts while Postgres is away. May vanish at any time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.limits.definitions import Definitions
from voicegateway_controller.redis_client import AWAY, unavailable

KEY: Final = "voicegateway:{limits}:definitions"


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What the copy holds; revision 0 says that nothing is declared."""

    revision: int
    document: Sequence[dict[str, object]]
    created_at: datetime | None
    created_by: str


_decode: Final = msgspec.json.Decoder(Copied).decode


class DefinitionsCopy:
    """The copy's key; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def revision(self) -> int | None:
        """Return the revision of the copy, None when there is none. Raises RedisUnavailable."""
        try:
            held = await self._redis.hget(KEY, "revision")  # type: ignore[misc]  # redis-py types sync and async as one
        except AWAY as error:
            raise unavailable(error) from error
        return None if held is None else int(held)

    async def read(self) -> Copied | None:
        """Return the copy, None when there is none or another version wrote it. Raises RedisUnavailable."""
        try:
            held = await self._redis.hget(KEY, "definitions")  # type: ignore[misc]  # see above
        except AWAY as error:
            raise unavailable(error) from error
        try:
            return None if held is None else _decode(held)
        except msgspec.DecodeError:
            return None

    async def write(self, definitions: Definitions) -> None:
        """Replace the copy in one step. Raises RedisUnavailable."""
        text = msgspec.json.encode(
            Copied(
                revision=definitions.revision,
                document=[dict(each) for each in definitions.document],
                created_at=definitions.created_at,
                created_by=definitions.created_by,
            )
        )
        try:
            await self._redis.hset(KEY, mapping={"revision": definitions.revision, "definitions": text})  # type: ignore[misc]  # see above
        except AWAY as error:
            raise unavailable(error) from error
