"""The API as a table of contents: what it owns, what it answers, in which order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from voicegateway_controller.access import api as access_api
from voicegateway_controller.access import sign_in_api
from voicegateway_controller.access.bootstrap import seeing_to_first_token
from voicegateway_controller.alerts import api as alerts_api
from voicegateway_controller.allowances import api as allowances_api
from voicegateway_controller.audit import api as audit_api
from voicegateway_controller.budgets import api as budgets_api
from voicegateway_controller.calls import api as calls_api
from voicegateway_controller.calls import worker_api as calls_worker_api
from voicegateway_controller.catalog import api as prices_api
from voicegateway_controller.configuration import api as configuration_api
from voicegateway_controller.configuration.document import api as document_api
from voicegateway_controller.events import api as events_api
from voicegateway_controller.exports import api as exports_api
from voicegateway_controller.fleet import api as workers_api
from voicegateway_controller.fleet import worker_api as fleet_worker_api
from voicegateway_controller.health import api as providers_api
from voicegateway_controller.http import health, problems, spa
from voicegateway_controller.http.application import GuardedApi
from voicegateway_controller.http.idempotency import Idempotency
from voicegateway_controller.http.known_first import KnownFirst
from voicegateway_controller.items import api as items_api
from voicegateway_controller.ledger import api as ledger_api
from voicegateway_controller.ledger.rerating import api as rerating_api
from voicegateway_controller.limits import api as limits_api
from voicegateway_controller.mcp_server import endpoint as mcp_endpoint
from voicegateway_controller.models import api as models_api
from voicegateway_controller.projects import api as projects_api
from voicegateway_controller.reconcile import api as reconcile_api
from voicegateway_controller.reconcile.files import api as reconcile_files_api
from voicegateway_controller.reports import api as reports_api
from voicegateway_controller.requests import api as requests_api
from voicegateway_controller.resources import open_resources
from voicegateway_controller.routing import api as routing_api
from voicegateway_controller.sessions import api as sessions_api
from voicegateway_controller.settings import Settings
from voicegateway_controller.usage import worker_api as usage_worker_api
from voicegateway_controller.validation import api as validation_api
from voicegateway_controller.vault import api as vault_api


def create_app(settings: Settings, *, may_be_first_start: bool = False) -> FastAPI:
    """Return the API; its lifespan opens and closes what it owns, and sees to the first token if this may be it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings) as resources:
            app.state.resources = resources
            async with AsyncExitStack() as beside:
                if may_be_first_start:
                    await beside.enter_async_context(seeing_to_first_token(resources.engine, settings))
                await beside.enter_async_context(mcp_endpoint.serving(app))
                yield

    app = GuardedApi(settings, title="VoiceGateway", version=version("voicegateway"), lifespan=lifespan)
    app.state.web_root = spa.web_root()
    problems.install(app)
    app.add_middleware(Idempotency)
    app.add_middleware(KnownFirst)
    app.router.routes.insert(0, fleet_worker_api.SYNC_ROUTE)
    app.include_router(health.router)
    app.include_router(access_api.router)
    app.include_router(sign_in_api.router)
    app.include_router(audit_api.router)
    app.include_router(usage_worker_api.router)
    app.include_router(calls_worker_api.router)
    app.include_router(reports_api.router)
    app.include_router(ledger_api.router)
    app.include_router(rerating_api.router)
    app.include_router(exports_api.router)
    app.include_router(allowances_api.router)
    app.include_router(limits_api.router)
    app.include_router(budgets_api.router)
    app.include_router(routing_api.router)
    app.include_router(document_api.router)
    app.include_router(configuration_api.router)
    app.include_router(alerts_api.router)
    app.include_router(sessions_api.router)
    app.include_router(calls_api.router)
    app.include_router(providers_api.router)
    app.include_router(validation_api.router)
    app.include_router(prices_api.router)
    app.include_router(reconcile_api.router)
    app.include_router(reconcile_files_api.router)
    app.include_router(projects_api.router)
    app.include_router(workers_api.router)
    app.include_router(vault_api.router)
    app.include_router(vault_api.vault_router)
    app.include_router(requests_api.router)
    app.include_router(models_api.router)
    app.include_router(events_api.router)
    app.include_router(items_api.limits_router)
    app.include_router(items_api.budgets_router)
    app.include_router(items_api.projects_router)
    app.include_router(items_api.chains_router)
    app.include_router(items_api.stacks_router)
    app.router.routes.extend(mcp_endpoint.ROUTES)
    app.include_router(spa.router)
    return app
