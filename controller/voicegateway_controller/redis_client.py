"""Redis, one server or a cluster: how it is opened, and what its being away looks like."""

from typing import Any, Final, cast

import hiredis
from redis.asyncio import Connection, Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from voicegateway_controller.errors import RedisUnavailable
from voicegateway_controller.settings import CLUSTER_SUFFIX, is_cluster

CONNECT_TIMEOUT_S: Final = 0.5
ANSWER_TIMEOUT_S: Final = 1.0
"""Leases and presence are worth a second, not a call."""
CONNECTIONS_MAX: Final = 50
"""Of one process, to each server."""
CLUSTER_TRIES: Final = 2
"""Once more after the cluster was asked anew who has what: enough for a failover that is over."""

AWAY: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What redis-py raises when it has no answer; its cluster's errors are no RedisError."""


class _HiredisPacking(Connection):
    """redis-py's asynchronous connections pack commands in Python, at several times the cost."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name = args[0]
        # Some of redis-py's own commands are of two words.
        words: Any = (*name.split(), *args[1:]) if isinstance(name, str) and " " in name else args
        return [hiredis.pack_command(words)]


def open_redis(url: str) -> Redis:
    """Return a client that gives up quickly; connections come when used.

    A cluster's client is another class with the methods that are used here; a pipeline's commands may go to several
    servers at once, a script's keys must share a hash tag.
    """
    if not is_cluster(url):
        # TLS brings a connection class of its own.
        options: dict[str, Any] = {} if url.startswith("rediss:") else {"connection_class": _HiredisPacking}
        client: Redis = Redis.from_url(
            url,
            **options,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            max_connections=CONNECTIONS_MAX,
            decode_responses=False,
        )
        return client
    cluster = RedisCluster.from_url(
        url.replace(CLUSTER_SUFFIX, "", 1),
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        max_connections=CONNECTIONS_MAX,
        decode_responses=False,
        # The pools of those servers that are there go on.
        require_full_coverage=False,
        cluster_error_retry_attempts=CLUSTER_TRIES,
        connection_error_retry_attempts=0,
    )
    return cast(Redis, cluster)


async def read_hash(redis: Redis, key: str, *, chunk: int, most: int) -> dict[bytes, bytes]:
    """Return a hash's fields, read in pieces so that nobody else waits long; stops once `most` are read.

    Raises:
        RedisUnavailable: there was no answer.
    """
    found: dict[bytes, bytes] = {}
    cursor = 0
    try:
        while True:
            answer: Any = await redis.hscan(key, cursor, count=chunk)
            cursor, piece = answer
            found.update(piece)
            if cursor == 0 or len(found) >= most:
                return found
    except AWAY as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> RedisUnavailable:
    """Return our error for one of AWAY."""
    return RedisUnavailable(f"Redis is unavailable: {str(error) or type(error).__name__}")
