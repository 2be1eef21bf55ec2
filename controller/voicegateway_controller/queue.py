"""Wake-ups for the runner: hints that carry nothing and may be lost. Only this file and runner.py know arq."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import msgspec
from arq import ArqRedis
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from voicegateway_controller import metrics
from voicegateway_controller.logs import get_logger

QUEUE_NAME: Final = "voicegateway:runner"
ROLLUP_JOB: Final = "ledger.rollup"
"""Job name and job id at once: any number of hints is one job."""
RECONCILE_JOB: Final = "reconcile.nightly"
HINT_INTERVAL_S: Final = 0.1
"""At most one hint in flight and ten in a second, however many batches are committed."""
HINT_TIMEOUT_S: Final = 1.0
"""A hint that takes longer is given up and counted; the sweep finds the work."""
SOCKET_TIMEOUT_S: Final = 5.0
"""A Redis that answers nothing for this long is gone for us."""
CONNECTIONS_MAX: Final = 10

_log = get_logger(__name__)


def encode_job(job: dict[str, Any]) -> bytes:
    """Write a job as JSON instead of arq's pickle: whoever reaches Redis must not be able to run code here."""
    return msgspec.json.encode(job, enc_hook=repr)


def decode_job(data: bytes) -> dict[str, Any]:
    """Read a job back."""
    return msgspec.json.decode(data, type=dict[str, Any])


def open_queue(redis_url: str) -> ArqRedis:
    """Return arq's client. It gives up on a silent Redis instead of waiting for ever; connections come when used."""
    connections: ConnectionPool = ConnectionPool.from_url(
        redis_url,
        socket_connect_timeout=HINT_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        max_connections=CONNECTIONS_MAX,
    )
    return ArqRedis(
        pool_or_conn=connections,
        default_queue_name=QUEUE_NAME,
        job_serializer=encode_job,
        job_deserializer=decode_job,
    )


class HintSender:
    """Tells the runner that there is something to rate, off every request's path; start() it, then close() it.

    Without a queue it tells nobody: the runner's sweep finds the work.
    """

    def __init__(self, redis_url: str | None) -> None:
        self._pool = None if redis_url is None else open_queue(redis_url)
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False
        self._is_closing = False

    def start(self) -> None:
        """Begin sending in the background."""
        if self._pool is not None:
            self._task = asyncio.create_task(self._send_forever(self._pool), name="hints")

    def hint(self) -> None:
        """Ask for one wake-up soon. Never waits, never fails."""
        self._wanted.set()

    async def close(self) -> None:
        """Stop sending and close the connection."""
        # redis-py can swallow a cancellation that comes while it connects; then the flag ends the loop.
        self._is_closing = True
        self._wanted.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._pool is not None:
            with suppress(RedisError, OSError):
                await self._pool.aclose(close_connection_pool=True)

    async def _send_forever(self, pool: ArqRedis) -> None:
        while not self._is_closing:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                async with asyncio.timeout(HINT_TIMEOUT_S):
                    await pool.enqueue_job(ROLLUP_JOB, _job_id=ROLLUP_JOB)
            except (RedisError, OSError, TimeoutError) as error:
                metrics.HINTS.labels("failed").inc()
                if not self._is_failing:
                    self._is_failing = True
                    _log.warning("hint.failed", error=str(error) or type(error).__name__)
            else:
                metrics.HINTS.labels("sent").inc()
                self._is_failing = False
            await asyncio.sleep(HINT_INTERVAL_S)
