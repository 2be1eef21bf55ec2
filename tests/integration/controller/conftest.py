"""The controller's API in this process, over the test's own Postgres and Valkey databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.db.engine import make_engine
from voicegateway_controller.fleet import service as fleet
from voicegateway_controller.ledger import Ledger
from voicegateway_controller.settings import Settings
from voicegateway_shared.pricing import Catalog

PROTOBUF = {"Content-Type": "application/x-protobuf"}

StartApi = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeToken = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def patient_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that spoke once is there for the whole test, however slow the machine."""
    monkeypatch.setattr(fleet, "SILENCE_MS_MIN", 600_000)


@pytest.fixture
def make_settings(database_url: str, redis_url: str) -> Callable[..., Settings]:
    """Return a maker of settings over this test's databases."""

    def make(**changes: Any) -> Settings:
        return Settings(**{"database_url": database_url, "redis_url": redis_url, "runner_port": 0, **changes})

    return make


@pytest.fixture
def start_api(make_settings: Callable[..., Settings]) -> StartApi:
    """Return a context manager that runs the API with changed settings and yields a client without a token."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(make_settings(**changes))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield client

    return start


@pytest_asyncio.fixture
async def api(start_api: StartApi) -> AsyncIterator[httpx.AsyncClient]:
    """The API with its default settings."""
    async with start_api() as client:
        yield client


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The test's own engine."""
    made = make_engine(database_url, pool_size=8, application_name="test")
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A plain connection to look at, and to meddle with, what the code under test wrote."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


@pytest.fixture
def make_token(engine: AsyncEngine) -> MakeToken:
    """Return a maker of request headers with a fresh token."""

    async def make(role: Role = Role.WORKER, **details: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {await create_token(engine, role=role, name='test', **details)}"}

    return make


@pytest_asyncio.fixture
async def worker(make_token: MakeToken) -> dict[str, str]:
    """Headers of a worker that POSTs spans."""
    return PROTOBUF | await make_token()


@pytest_asyncio.fixture
async def viewer(make_token: MakeToken) -> dict[str, str]:
    """Headers of somebody who reads reports."""
    return await make_token(Role.VIEWER)


@pytest.fixture
def make_ledger(engine: AsyncEngine) -> Callable[..., Ledger]:
    """Return a maker of ledgers over the test's engine."""

    def make(**changes: Any) -> Ledger:
        settings: dict[str, Any] = {"runner_name": "test", "batch_spans": 500, "concurrency": 1, **changes}
        return Ledger(settings.pop("engine", engine), Catalog.builtin(), **settings)

    return make
