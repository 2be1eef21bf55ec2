"""From the vault to the vendor: a real controller lends a key, a real plugin uses it, and not once it is revoked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from livekit.agents import APIStatusError, utils
from redis.asyncio import Redis
from tests.integration.voicegateway.plugin_use import ask

from voicegateway import Gateway, MissingKey, Options
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway.testing.vendors import VendorSimulators
from voicegateway.testing.vendors.credentials import key_fact
from voicegateway_controller.access import Role
from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings
from voicegateway_controller.vault.ring import new_secret

KEYS = "/api/v1/keys"
FIRST, SECOND = "sk-planted-first-0123456789", "sk-planted-second-0123456789"


@pytest_asyncio.fixture
async def url(make_settings: Callable[..., Settings]) -> AsyncIterator[str]:
    """The address of a controller with a vault that listens."""
    app = create_app(make_settings(vault_secrets=new_secret()))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_key_goes_from_the_vault_to_the_vendor_and_back_by_one_message(
    url: str, make_token: Any, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    reset_runtime()
    token = (await make_token())["Authorization"].removeprefix("Bearer ")
    options = Options(url=url, token=token, outbox_dir=tmp_path)
    admin = httpx.AsyncClient(base_url=url, headers=await make_token(Role.ADMIN))
    async with admin, utils.http_context.open(), VendorSimulators() as sims, Gateway(options) as gateway:
        address = sims.openai.plugin_kwargs()["base_url"]
        with pytest.raises(MissingKey, match="nor does the controller lend one"):
            # Resolving may wait for the controller, which runs on this loop.
            await asyncio.to_thread(gateway.llm, "openai/gpt-4.1-mini", base_url=address)
        added = await admin.post(KEYS, json={"id": "main", "provider": "openai", "secret": FIRST})
        assert added.status_code == 201, added.text
        assert await heard(gateway)
        llm = gateway.llm("openai/gpt-4.1-mini", base_url=address)
        await ask(llm)
        rotated = await admin.post(f"{KEYS}/main/rotate", json={"secret": SECOND})
        assert rotated.status_code == 200, rotated.text
        assert await heard(gateway)
        await ask(llm)
        listed = (await admin.get(KEYS)).json()["keys"]
        revoked = await admin.delete(f"{KEYS}/main")
        assert revoked.status_code == 200, revoked.text
        assert await heard(gateway)
        with pytest.raises(APIStatusError, match="was revoked"):
            await ask(llm)
        await llm.aclose()
        used = [str(record.facts["key"]) for record in await sims.settled()]
        hook_errors = current_runtime().hook_errors
    async with Redis.from_url(redis_url) as redis:
        kept = [await redis.dump(key) for key in await redis.keys("*")]

    assert used == [key_fact(FIRST), key_fact(SECOND)]
    assert (listed[0]["id"], listed[0]["version"]) == ("main", 2)
    assert hook_errors == 0
    assert b"planted" not in b"".join(kept)


async def heard(gateway: Gateway) -> bool:
    """Have the controller asked anew."""
    keys = current_runtime(gateway.options).keys
    assert keys is not None
    keys._heard.clear()
    return await gateway.ready(10.0)
