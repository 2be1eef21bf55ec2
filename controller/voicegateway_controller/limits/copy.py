"""The limits' copy in Redis. May vanish at any time."""

from redis.asyncio import Redis

from voicegateway_controller.declared import SetCopy


class DefinitionsCopy(SetCopy):
    """The copy of the limit sets; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, "limits")
