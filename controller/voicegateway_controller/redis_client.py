"""Redis, one server or a cluster: how it is opened, and what its being away looks like."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.cluster import ClusterNode, NodesManager, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

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


class _Server(ClusterNode):
    """A server of a cluster, and the connections to it.

    redis-py 5 loses a connection with each command that could not be sent or was cancelled, until there are as many as
    there may be. And it goes on with idle ones that died with the server, one error each.
    """

    __slots__ = ()

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        async with self._lent() as connection:
            await connection.send_packed_command(connection.pack_command(*args), False)
            return await self.parse_response(connection, args[0], **kwargs)

    async def execute_pipeline(self, commands: list[Any]) -> bool:
        has_failed = False
        async with self._lent() as connection:
            await connection.send_packed_command(connection.pack_commands(each.args for each in commands), False)
            for each in commands:
                try:
                    each.result = await self.parse_response(connection, each.args[0], **each.kwargs)
                except Exception as error:  # noqa: BLE001 - told by the pipeline, of each command
                    each.result, has_failed = error, True
                    await self._heed(error)
        return has_failed

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Any]:
        connection = self.acquire_connection()
        try:
            yield connection
        except Exception as error:
            await self._heed(error)
            raise
        finally:
            self._free.append(connection)

    async def _heed(self, error: Exception) -> None:
        if isinstance(error, RedisConnectionError | RedisTimeoutError):
            for idle in tuple(self._free):
                await idle.disconnect(nowait=True)


class _Servers(NodesManager):
    """Who has what: a server that is known keeps its connections when that is asked anew.

    redis-py 5 makes every server anew, and closes the old ones' connections under the commands that wait for answers.
    """

    __slots__ = ()

    def set_nodes(self, old: dict[str, ClusterNode], new: dict[str, ClusterNode], remove_old: bool = False) -> None:
        known = {id(node): old[name] for name, node in new.items() if name in old}
        for name, node in tuple(new.items()):
            kept: Any = known.get(id(node), node)
            kept.__class__ = _Server
            kept.server_type = node.server_type
            new[name] = kept
        for owners in {id(each): each for each in self.slots_cache.values()}.values():
            owners[:] = [known.get(id(node), node) for node in owners]
        super().set_nodes(old, new, remove_old)


class _Cluster(RedisCluster):
    """redis-py 5's cluster, without what one failing server does there to the commands of the others.

    After an error it closes every connection and forgets its default node, under the commands of other tasks: they end
    in AttributeError or CancelledError. Here an error only has the next command ask anew who has what, of any server,
    so that one which does not answer is not the first to be asked each time.
    """

    __slots__ = ("_asking",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asking = asyncio.Lock()
        servers: Any = self.nodes_manager
        servers.__class__ = _Servers
        for server in servers.startup_nodes.values():
            server.__class__ = _Server

    async def initialize(self) -> "_Cluster":
        async with self._asking:
            if self._initialize:
                nodes = self.nodes_manager
                servers = list(nodes.startup_nodes.items())
                random.shuffle(servers)
                nodes.startup_nodes = dict(servers)
                await nodes.initialize()
                self.commands_parser.node = nodes.default_node
                if not self.commands_parser.commands:
                    await self.commands_parser.initialize()
                self._initialize = False
        return self

    async def aclose(self) -> None:
        """Ask anew who has what: redis-py calls this after an error. To close, see `close_redis`."""
        self._initialize = True

    async def close_all(self) -> None:
        """Close the connections to every server."""
        self._initialize = True
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")


async def close_redis(redis: Redis) -> None:
    """Close what `open_redis` opened."""
    client: Any = redis
    await (client.close_all() if isinstance(client, _Cluster) else client.aclose())


def open_redis(url: str) -> Redis:
    """Return a client that gives up quickly; connections come when used, and end by `close_redis`.

    A cluster's client is another class with the methods that are used here; a pipeline's commands may go to several
    servers at once, a script's keys must share a hash tag.
    """
    if not is_cluster(url):
        # TLS brings a connection class of its own.
        options: dict[str, Any] = {} if url.startswith("rediss:") else {"connection_class": _HiredisPacking}
        pool = BlockingConnectionPool.from_url(
            url,
            **options,
            # In a burst each command waits its turn for a connection.
            timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            max_connections=CONNECTIONS_MAX,
            decode_responses=False,
        )
        return Redis.from_pool(pool)
    cluster = _Cluster.from_url(
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
