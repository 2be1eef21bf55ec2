"""`voicegw keys` and `voicegw vault`, as a person runs them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest_asyncio
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings
from voicegateway_controller.vault.ring import new_secret, secret_id

KEY = "sk-test-0123456789abcdefghij"
OTHER = "sk-test-jihgfedcba9876543210"


@pytest_asyncio.fixture
async def served(make_settings: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[str]:
    """The address of a controller that listens, whose vault secrets are in a file."""
    (tmp_path / "vault").write_text(new_secret())
    settings = make_settings(vault_secrets_file=tmp_path / "vault", vault_test_urls="openai=http://127.0.0.1:9")
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the controller did not start"
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def _piped(url: str, token: str, text: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicegateway_controller", "keys", *arguments,
        env={**os.environ, "VOICEGATEWAY_URL": url, "VOICEGATEWAY_TOKEN": token, "COLUMNS": "200", "NEW_KEY": OTHER},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(text.encode()), timeout=60)
    return process.returncode or 0, out.decode()


async def _known(url: str, token: str, secret: str) -> None:
    """Return once the controller has read a new secret."""
    async with asyncio.timeout(30), httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        while True:
            if (await client.get(f"{url}/api/v1/vault")).json()["primary_id"] == secret:
                return
            await asyncio.sleep(0.1)


async def test_a_key_lives_from_its_adding_to_its_revoking(served: str, engine: AsyncEngine, tmp_path: Path) -> None:
    token = await create_token(engine, role=Role.ADMIN, name="test")
    keys, vault = Voicegw("keys", served, token, tmp_path), Voicegw("vault", served, token, tmp_path)

    added = await _piped(served, token, f"{KEY}\n", "add", "main", "--provider", "openai", "--project", "acme")
    empty = await _piped(served, token, "", "add", "other", "--provider", "openai")
    rotated = await _piped(served, token, "", "rotate", "main", "--from-env", "NEW_KEY")
    tried = await keys("test", "main")
    changed = await keys("change", "main", "--all-projects", "--note", "ours")
    listed = await keys("list", "--json")
    said_no = await _piped(served, token, "n\n", "revoke", "main")
    revoked = await keys("revoke", "main", "--yes", "--reason", "over")
    gone = await keys("show", "nobody")
    made = await vault("new-secret", "--into", str(tmp_path / "vault"))
    newer = secret_id((tmp_path / "vault").read_text().split()[0])
    await _known(served, token, newer)
    status = await vault("status", "--json")
    resealed = await keys("rotate-secret", "--json")

    assert added == (0, "main is sealed: sk-t...ghij, account 9351ab40e024\n")
    assert (empty[0], "there is no key" in empty[1]) == (2, True)
    assert (rotated[0], "sk-t...3210" in rotated[1]) == (0, True)
    # Nobody answers there: that is not a good key.
    assert (tried.code, "does not answer" in tried.out) == (1, True)
    assert changed.out == "main: active, for all\n"
    [shown] = json.loads(listed.out)
    assert (shown["version"], shown["projects"], shown["note"]) == (2, None, "ours")
    assert said_no[0] == 1
    assert revoked.out == "main is revoked and overwritten; revoke it at openai, too\n"
    assert (gone.code, "there is no key 'nobody'" in gone.err) == (2, True)
    assert newer in made.out
    assert json.loads(status.out)["primary_id"] == newer
    assert (resealed.code, json.loads(resealed.out)["unopened"]) == (0, [])
    every = (added, rotated, tried, changed, listed, said_no, revoked, made, status, resealed)
    assert KEY not in str(every)
    assert OTHER not in str(every)
