"""The API as a table of contents: what it owns, what it answers, in which order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from voicegateway_controller.alerts import api as alerts_api
from voicegateway_controller.budgets import api as budgets_api
from voicegateway_controller.fleet import worker_api as fleet_worker_api
from voicegateway_controller.health import api as providers_api
from voicegateway_controller.http import health, problems, spa
from voicegateway_controller.limits import api as limits_api
from voicegateway_controller.reports import api as reports_api
from voicegateway_controller.resources import open_resources
from voicegateway_controller.routing import api as routing_api
from voicegateway_controller.sessions import api as sessions_api
from voicegateway_controller.settings import Settings
from voicegateway_controller.usage import worker_api as usage_worker_api


def create_app(settings: Settings) -> FastAPI:
    """Return the API; its lifespan opens and closes what it owns."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings) as resources:
            app.state.resources = resources
            yield

    app = FastAPI(title="VoiceGateway", version=version("voicegateway"), lifespan=lifespan, redoc_url=None)
    app.state.web_root = spa.web_root()
    problems.install(app)
    app.router.routes.insert(0, fleet_worker_api.SYNC_ROUTE)
    app.include_router(health.router)
    app.include_router(usage_worker_api.router)
    app.include_router(reports_api.router)
    app.include_router(limits_api.router)
    app.include_router(budgets_api.router)
    app.include_router(routing_api.router)
    app.include_router(alerts_api.router)
    app.include_router(sessions_api.router)
    app.include_router(providers_api.router)
    app.include_router(spa.router)
    return app
