"""What each holder holds of a pool, read from the records that the scripts keep: for people, not for decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from voicegateway_controller.limits.pools import KEY, PRIORITIES
from voicegateway_controller.redis_client import read_hash
from voicegateway_shared.limits import PoolSpec

READ_MAX: Final = 20_000
"""Records read of one pool: twice the fleet that one controller is meant for."""
CHUNK: Final = 500
"""Records asked for in one round trip: Redis serves leases in between."""
_PRIORITIES: Final = {digit: priority for priority, digit in PRIORITIES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderRecord:
    """One holder's lease on one pool for one project; units are the pool's meter's."""

    incarnation: str
    project: str
    priority: str
    leased: int
    """Rate: granted and not reported spent. Slots: how many may be open."""
    spent: int
    """Rate: spent in the holder's life. Slots: open now."""
    demand_milli: int
    """Rate: thousandths of a unit per second. Slots: thousandths of a slot wanted."""
    waiters: int
    refused: int


class PoolRecords:
    """Reads the records of all pools; lives as long as the client it is given."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of(self, spec: PoolSpec) -> list[HolderRecord]:
        """Return the records of a pool, at most READ_MAX of them. Raises RedisUnavailable."""
        key = KEY.format(spec.id, "holders")
        return list(_read(spec, await read_hash(self._redis, key, chunk=CHUNK, most=READ_MAX)))


def _read(spec: PoolSpec, records: Mapping[bytes, bytes]) -> Iterable[HolderRecord]:
    for member, record in records.items():
        class_name, _, incarnation = member.decode().rpartition("|")
        priority, _, project = class_name.partition("|")
        fields = [int(field) for field in record.split()]
        if spec.is_rate:
            granted, spent, _, _, demand_milli, _, waiters, refused = fields[:8]
            leased = max(0, granted - spent)
        else:
            leased, _, wanted, spent, _, waiters, refused = fields[:7]
            demand_milli = wanted * 1000
        yield HolderRecord(
            incarnation=incarnation,
            project=project,
            priority=_PRIORITIES.get(priority, priority),
            leased=leased,
            spent=spent,
            demand_milli=demand_milli,
            waiters=waiters,
            refused=refused,
        )
