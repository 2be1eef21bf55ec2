"""The events' stream in Redis: appended to by every process, read by every replica. May vanish at any time."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.events.event import Event, Id, format_id, parse_id
from voicegateway_controller.redis_client import AWAY, unavailable

# One hash tag: a script may touch several keys only when they live in one slot of a cluster.
STREAM_KEY: Final = "voicegateway:{events}:stream"
KNOWN_KEY: Final = "voicegateway:{events}:known"
WANTED_KEY: Final = "voicegateway:{events}:wanted"
WATCHER_KEY: Final = "voicegateway:{events}:watcher"

KEPT: Final = 20_000
"""Events that can be heard again, about 10 MB; at a hundred requests a second the last three minutes."""
KNOWN_MS: Final = 30_000
"""What is known is forgotten when nobody has watched for so long: then whoever watches next begins anew, silently."""
WANTED_MS: Final = 600_000
"""For so long after the last listener left, what happens is still told: who comes back has missed nothing."""
PAGE: Final = 500
"""Events read in one round trip."""
FIELD: Final = b"event"

Numbered = tuple[Id, Event]
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Event).decode


class EventStream:
    """The stream; lives as long as the client it is given."""

    def __init__(self, redis: Redis, *, kept: int = KEPT) -> None:
        self._redis = redis
        self._kept = kept
        self._tell = redis.register_script((files(__package__ or "") / "lua" / "tell.lua").read_text())

    async def append(self, events: Sequence[Event]) -> None:
        """Append events in one round trip. Raises RedisUnavailable: some of them may be there."""
        try:
            pipeline: Any = self._redis.pipeline(transaction=False)
            for event in events:
                pipeline.xadd(STREAM_KEY, {FIELD: _encode(event)}, maxlen=self._kept, approximate=True)
            await pipeline.execute()
        except AWAY as error:
            raise unavailable(error) from error

    async def tell_once(
        self, field: str, value: str, event: Event | None, *, compare: Literal["other", "greater"] = "other"
    ) -> bool:
        """Note what is known of something, empty for that it is no more; append the event if that was news.

        Any number of watchers may tell the same. Without an event it is only noted. Raises RedisUnavailable.
        """
        try:
            is_news: Any = await self._tell(
                keys=[STREAM_KEY, KNOWN_KEY],
                args=[field, value, compare, b"" if event is None else _encode(event), self._kept, KNOWN_MS],
            )
        except AWAY as error:
            raise unavailable(error) from error
        return bool(is_news)

    async def note_all(self, known: Mapping[str, str]) -> None:
        """Note many things at once without telling any. Raises RedisUnavailable."""
        try:
            pipeline: Any = self._redis.pipeline(transaction=False)
            items = list(known.items())
            for start in range(0, len(items), PAGE):
                pipeline.hset(KNOWN_KEY, mapping=dict(items[start : start + PAGE]))
            pipeline.pexpire(KNOWN_KEY, KNOWN_MS)
            await pipeline.execute()
        except AWAY as error:
            raise unavailable(error) from error

    async def known(self) -> dict[str, str]:
        """Return all that is known; nothing when nobody has watched lately. Raises RedisUnavailable."""
        try:
            held: Any = await self._redis.hgetall(KNOWN_KEY)  # type: ignore[misc]  # redis-py types sync and async as one
        except AWAY as error:
            raise unavailable(error) from error
        return {field.decode(): value.decode() for field, value in held.items()}

    async def keep_known(self) -> bool:
        """Let what is known be known for longer; say whether anything is. Raises RedisUnavailable."""
        try:
            return bool(await self._redis.pexpire(KNOWN_KEY, KNOWN_MS))
        except AWAY as error:
            raise unavailable(error) from error

    async def want(self) -> None:
        """Say that somebody listens. Raises RedisUnavailable."""
        try:
            await self._redis.set(WANTED_KEY, "1", px=WANTED_MS)
        except AWAY as error:
            raise unavailable(error) from error

    async def is_watcher(self, name: str, *, for_ms: int) -> bool:
        """Say whether somebody listens, or did lately, and this process is the one that watches for them."""
        try:
            if not await self._redis.exists(WANTED_KEY):
                return False
            if await self._redis.set(WATCHER_KEY, name, nx=True, px=for_ms):
                return True
            if await self._redis.get(WATCHER_KEY) != name.encode():
                return False
            # Two that watch for a moment tell nothing twice.
            await self._redis.pexpire(WATCHER_KEY, for_ms)
        except AWAY as error:
            raise unavailable(error) from error
        return True

    async def after(self, last: Id, *, count: int = PAGE) -> list[Numbered]:
        """Return the events behind an id, the oldest first. Raises RedisUnavailable."""
        try:
            found: Any = await self._redis.xrange(STREAM_KEY, min=f"({format_id(last)}", count=count)
        except AWAY as error:
            raise unavailable(error) from error
        return _read(found)

    async def newest(self, count: int) -> list[Numbered]:
        """Return the last events, the oldest of them first. Raises RedisUnavailable."""
        try:
            found: Any = await self._redis.xrevrange(STREAM_KEY, count=count)
        except AWAY as error:
            raise unavailable(error) from error
        return _read(reversed(found))

    async def oldest_id(self) -> Id | None:
        """Return the id of the first event that is kept, None when there is none. Raises RedisUnavailable."""
        found = await self.after((0, 0), count=1)
        return found[0][0] if found else None


def _read(entries: Any) -> list[Numbered]:
    read: list[Numbered] = []
    for its_id, fields in entries:
        try:
            read.append((parse_id(its_id.decode()), _decode(fields[FIELD])))
        except (msgspec.DecodeError, KeyError):
            # A newer version told something that this one does not know, during a rollout.
            continue
    return read
