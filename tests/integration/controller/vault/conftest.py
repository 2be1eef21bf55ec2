"""The vault over the test's own Postgres and Valkey, with secrets of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, Role
from voicegateway_controller.limits import DefinitionsCopy, Limits, Pools
from voicegateway_controller.redis_client import open_redis
from voicegateway_controller.settings import Settings
from voicegateway_controller.vault.opening import KeyDesk, open_key_desk
from voicegateway_controller.vault.ring import new_secret
from voicegateway_shared.wire.keys import HeldKey, KeysAnswer, KeysReport

StartDesk = Callable[..., AbstractAsyncContextManager[KeyDesk]]
Ask = Callable[..., Awaitable[KeysAnswer | None]]


@pytest.fixture
def secret() -> str:
    """One vault secret."""
    return new_secret()


@pytest.fixture
def start_desk(engine: AsyncEngine, make_settings: Callable[..., Settings], secret: str) -> StartDesk:
    """Return a context manager that runs the vault of one replica; all of a test share databases."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[KeyDesk]:
        settings = make_settings(**{"vault_secrets": secret, **changes})
        redis = open_redis(settings.redis_url.get_secret_value())
        pools = Pools(redis)
        limits = Limits(engine, pools, DefinitionsCopy(redis))
        await limits.start()
        desk = open_key_desk(settings, engine, redis, limits, pools)
        await desk.start()
        try:
            yield desk
        finally:
            await desk.close()
            await limits.close()
            await redis.aclose()

    return start


@pytest.fixture
def ask() -> Ask:
    """Return how a worker asks a replica for keys."""

    async def ask(
        desk: KeyDesk,
        *needs: str,
        held: dict[str, int] | None = None,
        projects: frozenset[str] | None = None,
        role: Role = Role.WORKER,
        is_secure: bool = True,
    ) -> KeysAnswer | None:
        report = KeysReport(
            needs=needs or ("*",), held=tuple(HeldKey(id=each, version=n) for each, n in (held or {}).items())
        )
        access = Access(token_id="test", role=role, projects=projects, expires_at=None)
        return await desk.leasing.answer("holder", report, access=access, is_secure=is_secure)

    return ask


async def add(desk: KeyDesk, key_id: str, text: str, **details: Any) -> Any:
    """Seal a key as somebody would."""
    given = {"provider": "openai", "projects": None, "note": "", "expires_at": None, "by": "somebody", **details}
    return await desk.changes.add(key_id, text, **given)
