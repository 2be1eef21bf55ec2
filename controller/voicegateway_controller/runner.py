"""The runner: rates what is pending, tells what people must know. Hints make it quick; its sweep makes it certain.

arq's Worker ends when Redis goes away, so it is one loop of several here and is started again; the sweep, the
partitions and the checks go on without it.
"""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import uvloop
from arq.connections import ArqRedis
from arq.cron import cron
from arq.worker import Retry, Worker, func
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import logs, metrics
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.alerts.channels import open_channels
from voicegateway_controller.alerts.delivery import Delivery
from voicegateway_controller.alerts.sources import Sources
from voicegateway_controller.alerts.steps import Step, alert_steps
from voicegateway_controller.allowances import posting as allowance_posting
from voicegateway_controller.background import end, forever
from voicegateway_controller.budgets import AnomalyWatch, Budgets, History
from voicegateway_controller.budgets.watching import INTERVAL_S as WATCH_INTERVAL_S
from voicegateway_controller.calls.steps import call_steps
from voicegateway_controller.calls.telephony import read_telephony
from voicegateway_controller.catalog import LiveCatalog
from voicegateway_controller.db import migrate
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.db.partitions import ensure_partitions
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import ControllerError, DatabaseUnavailable, SchemaNotMigrated
from voicegateway_controller.events import EventStream, RequestTeller
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.health import HealthStore
from voicegateway_controller.health.watching import INTERVAL_S as BREAKERS_INTERVAL_S
from voicegateway_controller.health.watching import BreakerWatch
from voicegateway_controller.ledger import Ledger, verify_rollups
from voicegateway_controller.ledger.rerating.steps import rerating_steps
from voicegateway_controller.ledger.watching import INTERVAL_S as BOOKS_INTERVAL_S
from voicegateway_controller.ledger.watching import BooksWatch
from voicegateway_controller.logs import get_logger
from voicegateway_controller.queue import QUEUE_NAME, RECONCILE_JOB, ROLLUP_JOB, open_queue
from voicegateway_controller.reconcile.nightly import open_nightly
from voicegateway_controller.redis_client import close_redis, open_redis
from voicegateway_controller.resources import wait_for_postgres
from voicegateway_controller.runner_http import serve_health
from voicegateway_controller.sessions.directives import Directives
from voicegateway_controller.sessions.escalation import INTERVAL_S as ESCALATION_INTERVAL_S
from voicegateway_controller.sessions.escalation import Escalation
from voicegateway_controller.sessions.livekit_rooms import open_rooms
from voicegateway_controller.settings import Settings
from voicegateway_shared.ids import new_incarnation

POLL_DELAY_S: Final = 0.1
"""How often arq looks for a hint: the usual lag of a lone span."""
JOB_TIMEOUT_S: Final = 30
"""arq keeps a dead runner's job locked for this plus 10 s; sweeps do not care."""
DRAIN_S: Final = 20.0
"""A drain ends itself well before arq would cancel it; the next hint or sweep goes on."""
JOB_TRIES_MAX: Final = 1_000
"""A job is only a wake-up: while Postgres is away it may try again for as long as arq lets it."""
BACKOFF_MIN_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
"""How long a loop waits after failing again and again; short, because an outage's end should be noticed."""
MAINTENANCE_INTERVAL_S: Final = 3_600.0
VERIFY_WINDOW: Final = timedelta(hours=3)
"""Recent hours are compared every hour; `voicegw ledger verify` compares any span of time."""
STOP_S: Final = 10.0
"""How long the loops may take to end when we are told to stop. A batch in flight is rolled back and loses nothing."""

_log = get_logger(__name__)


def run_runner(settings: Settings) -> None:
    """Rate until SIGINT or SIGTERM. Blocks.

    Raises DatabaseUnavailable, SchemaNotMigrated or ConfigurationError at the start, each one line for people;
    afterwards it outlives any outage.
    """
    logs.configure(level=settings.log_level, log_format=settings.log_format)
    uvloop.run(_run_until_signal(settings))


async def _run_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Rate until `stop` is set."""
    engine = make_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        application_name="voicegateway-runner",
    )
    try:
        await wait_for_postgres(engine, timeout_s=settings.startup_wait_s)
        if await migrate.current(engine) is None:
            raise SchemaNotMigrated("the database has no schema yet: run `voicegw migrate`")
        await Runner(settings, engine).run(stop)
    finally:
        await engine.dispose()


class Runner:
    """One runner process; lives from start to stop."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self.prices = LiveCatalog(engine, local_nodes=settings.local_nodes)
        self._teller = RequestTeller()
        self.ledger = Ledger(
            engine,
            self.prices,
            runner_name=new_incarnation(),
            batch_spans=settings.rollup_batch_spans,
            concurrency=settings.rollup_concurrency,
            tell=self._teller.take,
        )
        self._channels = open_channels(settings)
        self._rooms = open_rooms(settings)
        self._telephony = read_telephony(settings.telephony, livekit_url=settings.livekit_url)
        self._nightly = open_nightly(engine, self.prices.best, settings)

    async def run(self, stop: asyncio.Event) -> None:
        """Run every loop until `stop` is set."""
        await self.prices.start()
        _log.info("runner.started", catalog=self.prices.best().version, channels=[each.name for each in self._channels])
        redis = open_redis(self._settings.redis_url.get_secret_value())
        loops = [asyncio.create_task(each, name=name) for name, each in self._loops(redis)]
        try:
            await stop.wait()
        finally:
            for loop in await end(loops, within_s=STOP_S):
                _log.warning("runner.loop_did_not_end", loop=loop.get_name())
            await self.prices.close()
            await close_redis(redis)
            _log.info("runner.stopped")

    def _loops(self, redis: Redis) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Everything that goes on at the same time, by name."""
        yield "sweep", _forever("sweep", self._sweep, self._settings.sweep_interval_s)
        yield "events", self._teller.run(EventStream(redis))
        yield "maintenance", _forever("maintenance", self._maintain, MAINTENANCE_INTERVAL_S)
        for step in self._steps(redis):
            yield step.name, _forever(step.name, step.run, step.interval_s)
        if self._settings.queue_url is not None:
            yield "hints", _forever("hints", self._listen, BACKOFF_MIN_S)
        if self._settings.runner_port:
            yield "health", serve_health(self._settings, self._engine)

    def _steps(self, redis: Redis) -> Iterator[Step]:
        """What is told, and to whom."""
        presence = Presence(redis)
        alerts = Alerts(self._engine)
        sources = Sources(self._engine, alerts, ledger_lag_s=self._settings.alert_ledger_lag_s)
        yield from alert_steps(Delivery(self._engine, self._channels), sources, self.ledger, presence)
        budgets = Budgets(self._engine, SetCopy(redis, "budgets"))
        watch = AnomalyWatch(History(self._engine), budgets, alerts.raise_)
        yield Step("anomalies", watch.step, WATCH_INTERVAL_S)
        books = BooksWatch(self._engine, alerts.raise_)
        yield Step("ledger.books", books.step, BOOKS_INTERVAL_S)
        escalation = Escalation(Directives(redis), presence.holders, alerts, self._rooms)
        breakers = BreakerWatch(HealthStore(redis), alerts.raise_, open_s=self._settings.alert_breaker_open_s)
        yield Step("health.breakers", breakers.step, BREAKERS_INTERVAL_S)
        yield Step("sessions.escalation", escalation.step, ESCALATION_INTERVAL_S)
        yield Step("reconcile.nightly", self._nightly.step, BACKOFF_MIN_S)
        yield from rerating_steps(self._engine, self.prices)
        credit = allowance_posting.AllowancePosting(self._engine)
        yield Step("allowances", credit.step, allowance_posting.INTERVAL_S)
        yield from call_steps(self._engine, self._settings, self._telephony, presence)

    async def _sweep(self) -> None:
        """Rate what is there, hinted or not, and show what is left."""
        await self.ledger.drain(limit_s=DRAIN_S)
        await self.ledger.pending()

    async def _maintain(self) -> None:
        """Create partitions ahead and compare rollups with entries."""
        async with raw_connection(self._engine) as connection:
            created = await ensure_partitions(connection, today=datetime.now(UTC).date())
        metrics.PARTITIONS_CREATED.inc(created)
        mismatches = await verify_rollups(self._engine, since=datetime.now(UTC) - VERIFY_WINDOW)
        metrics.LEDGER_MISMATCHES.set(len(mismatches))
        metrics.LEDGER_VERIFIED_AT.set(time.time())
        for each in mismatches:
            _log.error("ledger.mismatch", rollup=each.rollup, key=each.key, entries=each.entries, rollups=each.rollups)

    async def _listen(self) -> None:
        """Hear hints until Redis goes away."""
        if (queue_url := self._settings.queue_url) is None:
            return
        pool = open_queue(queue_url)
        try:
            await self._work(pool)
        finally:
            metrics.RUNNER_QUEUE_UP.set(0)
            with suppress(RedisError, OSError):
                await pool.aclose(close_connection_pool=True)

    async def _work(self, pool: ArqRedis) -> None:
        async def rollup(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
            metrics.RUNNER_QUEUE_UP.set(1)
            try:
                await self.ledger.drain(limit_s=DRAIN_S)
            except ControllerError as error:
                # arq forgets a job that raises anything but Retry.
                raise Retry(defer=BACKOFF_MAX_S) from error

        async def reconcile(ctx: dict[Any, Any]) -> None:
            # A wake-up like any other: the work is a loop of its own, so that no hint waits behind it.
            self._nightly.wake()

        await pool.ping()
        metrics.RUNNER_QUEUE_UP.set(1)
        worker = Worker(
            [func(rollup, name=ROLLUP_JOB, keep_result=0, timeout=JOB_TIMEOUT_S, max_tries=JOB_TRIES_MAX)],
            cron_jobs=[
                cron(reconcile, name=RECONCILE_JOB, hour=self._settings.reconcile_hour, minute=1, keep_result=0)
            ],
            redis_pool=pool,
            queue_name=QUEUE_NAME,
            handle_signals=False,
            poll_delay=POLL_DELAY_S,
            keep_result=0,
            max_jobs=1,
            job_serializer=pool.job_serializer,
            job_deserializer=pool.job_deserializer,
            log_results=False,
        )
        try:
            await worker.main()
        finally:
            for task in worker.tasks.values():
                task.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)


async def _forever(name: str, step: Callable[[], Awaitable[None]], interval_s: float) -> None:
    """Repeat a step; after a failure wait longer and longer up to BACKOFF_MAX_S."""
    await forever(
        name,
        step,
        pause_s=lambda failures: interval_s if failures == 0 else _backoff_s(failures),
        outages=(ControllerError, RedisError, OSError, TimeoutError),
    )


def _backoff_s(failures: int) -> float:
    longest = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)


__all__ = ["DatabaseUnavailable", "Runner", "run", "run_runner"]
