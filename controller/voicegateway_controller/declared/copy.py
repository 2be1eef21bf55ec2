"""A set's copy in Redis, for a controller that starts while Postgres is away. May vanish at any time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.configuration.layering import Layer, Section
from voicegateway_controller.declared.store import StoredSet
from voicegateway_controller.redis_client import AWAY, unavailable

KEY: Final = "voicegateway:{{{}}}:definitions"
CHANGED: Final = "voicegateway:{configuration}:changed"
"""Counts changes of any kind, so that replicas that look at it often need not ask Postgres often."""


class _Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What the copy holds; revision 0 says that nothing is declared."""

    revision: int
    document: Sequence[dict[str, object]]
    created_at: datetime | None
    created_by: str
    layers: dict[Layer, Any] = {}
    is_layered: bool = False


_decode: Final = msgspec.json.Decoder(_Copied).decode


class SetCopy:
    """The copy of one kind of sets; lives as long as the client it is given."""

    def __init__(self, redis: Redis, kind: Section) -> None:
        self._redis = redis
        self._key = KEY.format(kind)

    async def revision(self) -> int | None:
        """Return the revision of the copy, None when there is none. Raises RedisUnavailable."""
        try:
            held = await self._redis.hget(self._key, "revision")  # type: ignore[misc]  # redis-py types sync and async as one
        except AWAY as error:
            raise unavailable(error) from error
        return None if held is None else int(held)

    async def read(self) -> StoredSet | None:
        """Return the copy, None when there is none or another version wrote it. Raises RedisUnavailable."""
        try:
            held = await self._redis.hget(self._key, "definitions")  # type: ignore[misc]  # see above
        except AWAY as error:
            raise unavailable(error) from error
        try:
            copied = None if held is None else _decode(held)
        except msgspec.DecodeError:
            return None
        return None if copied is None else StoredSet(**msgspec.structs.asdict(copied))

    async def write(self, stored: StoredSet) -> None:
        """Replace the copy in one step. Raises RedisUnavailable."""
        text = msgspec.json.encode(
            _Copied(
                revision=stored.revision,
                document=[dict(each) for each in stored.document],
                created_at=stored.created_at,
                created_by=stored.created_by,
                layers=dict(stored.layers),
                is_layered=stored.is_layered,
            )
        )
        try:
            await self._redis.hset(self._key, mapping={"revision": stored.revision, "definitions": text})  # type: ignore[misc]  # see above
        except AWAY as error:
            raise unavailable(error) from error

    async def announce(self) -> None:
        """Tell replicas that something has changed. Raises RedisUnavailable; then they learn it from Postgres."""
        try:
            await self._redis.incr(CHANGED)
        except AWAY as error:
            raise unavailable(error) from error
