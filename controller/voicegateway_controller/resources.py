"""What an API process owns, opened and closed here and nowhere else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Tokens
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.budgets import Budgets, BudgetsView, History, Standings, Tariffs, WindowSums
from voicegateway_controller.budgets.money import Money
from voicegateway_controller.budgets.pools import BudgetPools
from voicegateway_controller.catalog import load_catalog
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.fleet import Fleet
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.health import HealthBoard, HealthGauges, HealthStore, RoutingAnswering, Switching
from voicegateway_controller.limits import (
    DefinitionsCopy,
    Gauges,
    Leasing,
    Limits,
    LimitsView,
    PoolRecords,
    Pools,
    Signals,
    Simulations,
)
from voicegateway_controller.queue import HintSender
from voicegateway_controller.redis_client import open_redis
from voicegateway_controller.reports.service import Reports
from voicegateway_controller.routing import Explainer, Routings
from voicegateway_controller.sessions import Directives
from voicegateway_controller.sessions.service import SessionEnding
from voicegateway_controller.settings import Settings
from voicegateway_controller.usage.service import Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Lives as long as the process; `open_resources` closes it."""

    settings: Settings
    engine: AsyncEngine
    redis: Redis
    hints: HintSender
    tokens: Tokens
    intake: Intake
    fleet: Fleet
    reports: Reports
    limits: Limits
    limits_view: LimitsView
    simulations: Simulations
    budgets: Budgets
    budgets_view: BudgetsView
    routings: Routings
    explainer: Explainer
    alerts: Alerts
    money: Money
    directives: Directives
    session_ending: SessionEnding
    health: HealthBoard
    switching: Switching


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything one API process needs; connections are made when first used."""
    engine = make_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        application_name="voicegateway-api",
    )
    redis = open_redis(settings.redis_url.get_secret_value())
    hints = HintSender(settings.queue_url)
    hints.start()
    pools = Pools(redis)
    signals = Signals(redis, pools)
    limits = Limits(engine, pools, DefinitionsCopy(redis))
    limits_view = LimitsView(limits, pools, PoolRecords(redis), signals)
    gauges = Gauges(limits, limits_view)
    history = History(engine)
    money_pools = BudgetPools(redis)
    standings = Standings(money_pools, WindowSums(engine))
    budgets = Budgets(engine, SetCopy(redis, "budgets"), standings)
    routings = Routings(engine, SetCopy(redis, "routing"))
    catalog = load_catalog(settings.local_nodes)
    tariffs = Tariffs(engine, catalog)
    directives = Directives(redis)
    alerts = Alerts(engine)
    money = Money(engine, redis, budgets, money_pools, tariffs=tariffs, directives=directives, notify=alerts)
    switching = Switching(engine)
    health = HealthBoard(HealthStore(redis), switching)
    health_gauges = HealthGauges(health)
    fleet = Fleet(redis, Leasing(limits, pools, signals), money.leasing, RoutingAnswering(health, routings))
    try:
        await asyncio.gather(limits.start(), budgets.start(), routings.start(), health.start())
        gauges.start()
        health_gauges.start()
        tariffs.start()
        money.start()
        yield Resources(
            settings=settings,
            engine=engine,
            redis=redis,
            hints=hints,
            tokens=Tokens(engine),
            intake=Intake(engine, hints, settings),
            fleet=fleet,
            reports=Reports(engine, fleet),
            limits=limits,
            limits_view=limits_view,
            simulations=Simulations(engine, limits),
            budgets=budgets,
            budgets_view=BudgetsView(budgets, standings, history),
            routings=routings,
            explainer=Explainer(routings, limits, pools, budgets, standings, catalog, health),
            alerts=alerts,
            money=money,
            directives=directives,
            session_ending=SessionEnding(engine, Presence(redis), directives),
            health=health,
            switching=switching,
        )
    finally:
        await health_gauges.close()
        await health.close()
        await money.close()
        await gauges.close()
        await tariffs.close()
        await routings.close()
        await budgets.close()
        await limits.close()
        await hints.close()
        await redis.aclose()
        await engine.dispose()


async def wait_for_postgres(engine: AsyncEngine, *, timeout_s: float) -> None:
    """Return once Postgres answers; DatabaseUnavailable, with the reason, when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            async with raw_connection(engine) as connection:
                await connection.fetchval("SELECT 1")
            return
        except DatabaseUnavailable as error:
            is_refusal = isinstance(error.__cause__, asyncpg.InvalidAuthorizationSpecificationError)
            if is_refusal or time.monotonic() >= deadline:
                raise DatabaseUnavailable(
                    f"{error}; check VOICEGATEWAY_DATABASE_URL, or run `voicegw up` for an embedded Postgres"
                ) from error
        await asyncio.sleep(0.25)
