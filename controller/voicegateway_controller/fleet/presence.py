"""Who is present: read by whoever needs to know, beside the process that hears it."""

from typing import Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.fleet.store import PresenceStore
from voicegateway_controller.logs import get_logger
from voicegateway_shared.wire import SyncRequest

_log = get_logger(__name__)
_decode: Final = msgspec.json.Decoder(SyncRequest).decode


class Presence:
    """Reads the holders' last messages; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._store = PresenceStore(redis)

    async def holders(self) -> list[SyncRequest]:
        """Return the last message of every holder that is present. Raises RedisUnavailable."""
        holders = []
        for message in await self._store.messages():
            try:
                holders.append(_decode(message))
            except msgspec.DecodeError as error:
                # Written by another version during a rollout; its next message will be ours or theirs to read.
                _log.warning("presence.unreadable", error=str(error))
        return holders
