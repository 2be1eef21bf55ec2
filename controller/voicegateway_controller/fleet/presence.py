"""Who is present: read by whoever needs to know, beside the process that hears it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from redis.asyncio import Redis

from voicegateway_controller.fleet.store import PresenceStore
from voicegateway_controller.logs import get_logger
from voicegateway_shared.wire import SyncRequest

_log = get_logger(__name__)
_decode: Final = msgspec.json.Decoder(SyncRequest).decode


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept beside a holder's message: when it came, and with what rights."""

    seen_ms: int = 0
    """Unix time."""
    projects: tuple[str, ...] | None = None
    """Which its token reaches; None means all."""

    def allows(self, project: str) -> bool:
        """Say whether its token reaches a project."""
        return self.projects is None or project in self.projects


_decode_about: Final = msgspec.json.Decoder(About).decode


@dataclass(frozen=True, slots=True)
class Present:
    """A holder that is present."""

    message: SyncRequest
    about: About

    @property
    def seen_at(self) -> datetime:
        """When it was last heard."""
        return datetime.fromtimestamp(self.about.seen_ms / 1_000, UTC)


class Presence:
    """Reads the holders' last messages; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._store = PresenceStore(redis)

    async def holders(self) -> list[SyncRequest]:
        """Return the last message of every holder that is present. Raises RedisUnavailable."""
        return [each.message for each in await self.present()]

    async def present(self) -> list[Present]:
        """Likewise, each with what is kept beside it."""
        found = []
        for message, about in await self._store.messages():
            try:
                found.append(Present(_decode(message), _decode_about(about)))
            except msgspec.DecodeError as error:
                # Written by another version during a rollout; its next message will be ours or theirs to read.
                _log.warning("presence.unreadable", error=str(error))
        return found
