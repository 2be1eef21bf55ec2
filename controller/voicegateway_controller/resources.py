"""What an API process owns, opened and closed here and nowhere else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

import asyncpg
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Tokens
from voicegateway_controller.access.guesses import Guesses
from voicegateway_controller.access.oidc import Oidc, open_oidc
from voicegateway_controller.access.revocations import Revocations
from voicegateway_controller.access.service import TokenDesk
from voicegateway_controller.access.sign_ins import SignIns
from voicegateway_controller.alerts import Alerts
from voicegateway_controller.allowances import AllowanceSets
from voicegateway_controller.audit.service import AuditLog
from voicegateway_controller.budgets import Budgets, BudgetsView, History, Standings, Tariffs, WindowSums
from voicegateway_controller.budgets.money import Money
from voicegateway_controller.budgets.pools import BudgetPools
from voicegateway_controller.calls.livekit_server import Signatures, webhook_keys
from voicegateway_controller.calls.service import Webhooks
from voicegateway_controller.calls.session_view import SessionView
from voicegateway_controller.calls.telephony import read_telephony
from voicegateway_controller.catalog import LiveCatalog, Prices
from voicegateway_controller.configuration.service import Configuration
from voicegateway_controller.db.engine import make_engine, raw_connection
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import DatabaseUnavailable
from voicegateway_controller.events import EventStream, EventWatch, Hub
from voicegateway_controller.exports import Exports, Markups
from voicegateway_controller.exports.focus.row import Account
from voicegateway_controller.fleet import Fleet
from voicegateway_controller.fleet.newest import NewestConfiguration
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.fleet.workers import Workers
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
from voicegateway_controller.models import Models
from voicegateway_controller.projects import Projects, ProjectsView
from voicegateway_controller.queue import HintSender
from voicegateway_controller.reconcile.desk import Desk, open_desk
from voicegateway_controller.reconcile.sources import billing_source
from voicegateway_controller.redis_client import close_redis, open_redis
from voicegateway_controller.reports.service import Reports
from voicegateway_controller.requests import Requests
from voicegateway_controller.routing import Explainer, Routings
from voicegateway_controller.sessions import Directives
from voicegateway_controller.sessions.service import SessionEnding
from voicegateway_controller.settings import Settings
from voicegateway_controller.usage.service import Intake
from voicegateway_controller.vault.opening import KeyDesk, open_key_desk


class Closing(Protocol):
    """Something that runs or holds on to something until it is closed."""

    async def close(self) -> None:
        """Stop and let go, once."""
        ...


Closes = TypeVar("Closes", bound=Closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Lives as long as the process; `open_resources` closes it."""

    settings: Settings
    engine: AsyncEngine
    redis: Redis
    hints: HintSender
    tokens: Tokens
    token_desk: TokenDesk
    sign_ins: SignIns
    guesses: Guesses
    oidc: Oidc | None
    audit: AuditLog
    intake: Intake
    fleet: Fleet
    workers: Workers
    reports: Reports
    limits: Limits
    limits_view: LimitsView
    simulations: Simulations
    budgets: Budgets
    budgets_view: BudgetsView
    routings: Routings
    allowances: AllowanceSets
    explainer: Explainer
    alerts: Alerts
    money: Money
    directives: Directives
    session_ending: SessionEnding
    health: HealthBoard
    switching: Switching
    webhooks: Webhooks
    prices: LiveCatalog
    price_changes: Prices
    session_view: SessionView
    markups: Markups
    exports: Exports
    reconciling: Desk
    projects: Projects
    projects_view: ProjectsView
    keys: KeyDesk
    requests: Requests
    models: Models
    events: EventStream
    events_hub: Hub
    configuration: Configuration


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything one API process needs; connections are made when first used."""
    telephony = read_telephony(settings.telephony, livekit_url=settings.livekit_url)
    signatures = Signatures(webhook_keys(settings))
    oidc = open_oidc(settings)
    async with AsyncExitStack() as closing:

        def owned(service: Closes) -> Closes:
            """Have a service closed after everything that is made later, whatever those closings come to."""
            closing.push_async_callback(service.close)
            return service

        engine = make_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            application_name="voicegateway-api",
        )
        closing.push_async_callback(engine.dispose)
        redis = open_redis(settings.redis_url.get_secret_value())
        closing.push_async_callback(close_redis, redis)
        if oidc is not None:
            closing.push_async_callback(oidc.close)
        tokens = Tokens(engine)
        sign_ins = SignIns(
            engine,
            tokens,
            idle=timedelta(minutes=settings.sign_in_idle_minutes),
            longest=timedelta(hours=settings.sign_in_hours_max),
            issuer=settings.oidc_issuer,
        )
        revocations = owned(Revocations(engine, tokens, sign_ins))
        hints = owned(HintSender(settings.queue_url))
        hints.start()
        pools = Pools(redis)
        signals = Signals(redis, pools)
        limits = owned(Limits(engine, pools, DefinitionsCopy(redis)))
        limits_view = LimitsView(limits, pools, PoolRecords(redis), signals)
        gauges = owned(Gauges(limits, limits_view))
        keys = owned(open_key_desk(settings, engine, redis, limits, pools))
        history = History(engine)
        money_pools = BudgetPools(redis)
        standings = Standings(money_pools, WindowSums(engine))
        budgets = owned(Budgets(engine, SetCopy(redis, "budgets"), standings))
        routings = owned(Routings(engine, SetCopy(redis, "routing")))
        allowances = owned(AllowanceSets(engine, SetCopy(redis, "allowances")))
        prices = owned(LiveCatalog(engine, local_nodes=settings.local_nodes))
        tariffs = owned(Tariffs(engine, prices.best))
        markups = owned(Markups(engine, SetCopy(redis, "markups")))
        events = EventStream(redis)
        events_hub = owned(Hub(events))
        projects = owned(Projects(engine, SetCopy(redis, "projects")))
        account = Account(id=settings.billing_account_id, name=settings.billing_account_name)
        directives = Directives(redis)
        alerts = Alerts(engine)
        money = owned(Money(engine, redis, budgets, money_pools, tariffs=tariffs, directives=directives, notify=alerts))
        switching = Switching(engine)
        health = owned(HealthBoard(HealthStore(redis), switching))
        health_gauges = owned(HealthGauges(health))
        reconciling = owned(
            open_desk(
                engine,
                prices.best,
                alerts,
                open_source=lambda provider: billing_source(provider, settings),
                threshold=settings.reconcile_threshold,
            )
        )
        answering = RoutingAnswering(health, routings)
        fleet = Fleet(redis, Leasing(limits, pools, signals), money.leasing, answering, keys.leasing)
        configuration = owned(
            Configuration(
                engine, redis, [projects, limits, budgets, routings, allowances, markups, keys.declared], settings
            )
        )
        events_watch = owned(EventWatch(events, engine, fleet.holders, health))
        await asyncio.gather(
            limits.start(), budgets.start(), routings.start(), allowances.start(), health.start(), prices.start()
        )
        await asyncio.gather(markups.start(), projects.start(), keys.start())
        await configuration.start()
        revocations.start()
        gauges.start()
        events_hub.start()
        events_watch.start()
        health_gauges.start()
        tariffs.start()
        money.start()
        yield Resources(
            settings=settings,
            engine=engine,
            redis=redis,
            hints=hints,
            tokens=tokens,
            token_desk=TokenDesk(engine, tokens),
            sign_ins=sign_ins,
            guesses=Guesses(redis),
            oidc=oidc,
            audit=AuditLog(engine),
            intake=Intake(engine, hints, settings),
            fleet=fleet,
            workers=Workers(engine, fleet, fleet.orders, NewestConfiguration(limits, money.leasing, routings)),
            reports=Reports(engine, fleet),
            limits=limits,
            limits_view=limits_view,
            simulations=Simulations(engine, limits),
            budgets=budgets,
            budgets_view=BudgetsView(budgets, standings, history),
            routings=routings,
            allowances=allowances,
            explainer=Explainer(routings, limits, pools, budgets, standings, prices.best, health),
            alerts=alerts,
            money=money,
            directives=directives,
            session_ending=SessionEnding(engine, Presence(redis), directives),
            health=health,
            switching=switching,
            webhooks=Webhooks(engine, signatures, telephony),
            prices=prices,
            price_changes=Prices(engine, prices),
            session_view=SessionView(engine, fleet, prices.best, telephony),
            markups=markups,
            exports=Exports(engine, markups, account=account, find_price=lambda: prices.best().price),
            reconciling=reconciling,
            projects=projects,
            projects_view=ProjectsView(engine, projects, fleet),
            keys=keys,
            requests=Requests(engine),
            events=events,
            events_hub=events_hub,
            configuration=configuration,
            models=Models(engine, prices.best, health, routings),
        )


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
