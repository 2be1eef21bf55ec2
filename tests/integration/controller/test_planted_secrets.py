"""Secrets planted everywhere are found nowhere: logs, spans, errors, the API, metrics, pages, the books, Redis."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.otlp_sink import OtlpSink
from tests.fixtures.planted_secrets import Secrets, database_dump, every_get, redis_dump
from tests.fixtures.voicegw import Voicegw

from voicegateway.testing.vendors import OpenAIOptions, VendorSimulators
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.vault.ring import new_secret
from voicegateway_shared.fingerprints import fingerprint
from voicegateway_shared.masking import mask

READY_S_MAX = 90.0


class Controller:
    """A controller's process, and all that it wrote to its terminal."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.written = b""


@asynccontextmanager
async def controller(log: Path, environment: dict[str, str]) -> AsyncIterator[Controller]:
    """Run one as people do, with everything logged."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {**os.environ, "VOICEGATEWAY_PORT": str(port), "VOICEGATEWAY_LOG_LEVEL": "debug", **environment}
    running = Controller(f"http://127.0.0.1:{port}")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "voicegateway_controller", "controller", env=settings, stdout=file, stderr=file
        )
        try:
            await _ready(running.url, process)
            yield running
        finally:
            process.terminate()
            await process.wait()
            running.written = log.read_bytes()


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_S_MAX), httpx.AsyncClient() as client:
        while True:
            assert process.returncode is None, "the controller did not start"
            try:
                if (await client.get(f"{url}/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def _controllers_environment(planted: Secrets, folder: Path) -> dict[str, str]:
    """Every setting that takes a secret has one."""
    return {
        "VOICEGATEWAY_VAULT_SECRETS": ",".join(
            (planted.keep("vault secret", new_secret()), planted.keep("older vault secret", new_secret()))
        ),
        "VOICEGATEWAY_VAULT_FOLDERS": str(folder),
        "VOICEGATEWAY_VAULT_TEST_URLS": "openai=http://127.0.0.1:9",
        "VOICEGATEWAY_BILLING_OPENAI_KEY": planted.plant("billing key"),
        "VOICEGATEWAY_BILLING_ANTHROPIC_KEY": planted.plant("other billing key"),
        "VOICEGATEWAY_LIVEKIT_URL": "wss://127.0.0.1:9",
        "VOICEGATEWAY_LIVEKIT_API_KEY": "APIplanted",
        "VOICEGATEWAY_LIVEKIT_API_SECRET": planted.plant("livekit secret"),
        "VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS": f"APIolder: {planted.plant('webhook secret')}",
        "VOICEGATEWAY_ALERT_SLACK_URL": f"http://127.0.0.1:9/{planted.plant('slack url')}",
        "VOICEGATEWAY_OIDC_CLIENT_SECRET": planted.plant("oidc secret"),
        "GROQ_API_KEY": planted.plant("key of a variable"),
    }


async def _provoke(
    client: httpx.AsyncClient, planted: Secrets, db: "asyncpg.Connection[asyncpg.Record]"
) -> list[bytes]:
    """Use keys in every way, wrong ones among them; return what was answered."""

    async def post(path: str, document: Any, **more: Any) -> httpx.Response:
        return await client.post(f"/api/v1/keys{path}", json=document, **more)

    def new(name: str, what: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "provider": "openai", "secret": planted.plant(what), **more}

    good = [
        await post("", new("main", "sealed key"), headers={"Idempotency-Key": "planted-once"}),
        await post("/main/rotate", {"secret": planted.plant("rotated key")}),
        await post("/main/test", {}),
        await post("", new("gone", "revoked key", projects=["acme"])),
        await client.delete("/api/v1/keys/gone"),
    ]
    assert [each.status_code for each in good] == [201, 200, 200, 201, 200]
    wrong = [
        await post("", new("main", "key under a taken name")),
        await post("", new("typo", "key of nobody", provider="nobody")),
        await post("", new("Bad Name", "key with a bad name")),
        await post("", {**new("field", "key beside a wrong field"), "colour": 1}),
        await post("", {"id": "list", "provider": "openai", "secret": [planted.plant("key in a list")]}),
        await post("", {"id": "misplaced", "provider": "openai", "api_key": planted.plant("key in a wrong field")}),
        await post("", new("spaced", "key with a space") | {"secret": f"{planted.texts['key with a space']} x"}),
        await client.post("/api/v1/keys", content=f'{{"secret": "{planted.plant("key in broken JSON")}", '),
        await post("/none/rotate", {"secret": planted.plant("key for no name")}),
        await client.get(
            "/api/v1/keys", headers={"Authorization": f"Bearer {planted.plant('wrong token', prefix='vgw_')}"}
        ),
    ]
    assert all(400 <= each.status_code < 500 for each in wrong)
    # What nobody foresaw, in the middle of a change: it is logged with its trace.
    await db.execute("""
        CREATE FUNCTION planted_crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crashed'; END $$;
        CREATE TRIGGER planted_crash BEFORE INSERT ON vault_key FOR EACH ROW WHEN (NEW.id = 'crash')
            EXECUTE FUNCTION planted_crash();
    """)
    # The server ends the connection after that.
    crash = await post("", new("crash", "key of a crash"), headers={"Connection": "close"})
    assert crash.status_code == 500
    return [repr(each.headers).encode() + each.content for each in (*good, *wrong, crash)]


async def _declare(client: httpx.AsyncClient, planted: Secrets, file: Path) -> list[bytes]:
    """Declare keys by reference, and keys themselves where only references belong."""
    file.write_text(planted.plant("key of a file"))
    documents: list[dict[str, Any]] = [
        {"id": "filed", "provider": "openai", "from_file": str(file)},
        {"id": "wrong", "provider": "openai", "secret": planted.plant("key in the configuration")},
        {"id": "wrong", "provider": "openai", "from_env": planted.plant("key instead of a variable")},
        {"id": "variable", "provider": "groq", "from_env": "GROQ_API_KEY"},
    ]
    told = []
    for each in (documents[1:2], documents[2:3], [documents[0], documents[3]]):
        answer = await client.post("/api/v1/config/apply", json={"document": {"keys": each}})
        told.append(answer.content)
    return told


async def _lend(url: str, token: str) -> bytes:
    """Hold keys as a worker does; the only answer that has them."""
    message = {
        "version": 1, "incarnation": "planted", "seq": 1, "host": "h", "pid": 1, "shim_version": "1",
        "sessions": [], "keys": {"needs": ["*"], "held": [{"id": "main", "version": 1}]},
    }  # fmt: skip
    async with asyncio.timeout(READY_S_MAX), httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        while True:
            answer = await client.post(f"{url}/v1/sync", json=message)
            assert answer.status_code == 200, answer.text
            if len(answer.json()["keys"]["keys"]) == 3:
                return answer.content
            # Declared keys are read from their files a moment later.
            await asyncio.sleep(0.1)


async def _call(planted: Secrets, url: str, token: str, outbox: Path) -> tuple[bytes, bytes]:
    """Let a worker with a key of its own make requests; return what it wrote and what its tracing told."""
    with OtlpSink() as collector:
        async with VendorSimulators(openai=OpenAIOptions(ttft_ms=10, token_ms=1)) as vendors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fixtures.chatting_process", vendors.openai.base_url,
                env={
                    **os.environ, "OPENAI_API_KEY": planted.plant("worker's own key"), "VOICEGATEWAY_URL": url,
                    "VOICEGATEWAY_TOKEN": token, "VOICEGATEWAY_OUTBOX_DIR": str(outbox),
                    "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                },
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            written, _ = await asyncio.wait_for(process.communicate(), timeout=60)
        assert process.returncode == 0, written
        spans = b"".join(post.message.SerializeToString() for post in collector.posts)
    kept = b"".join(each.read_bytes() for each in sorted(outbox.rglob("*")) if each.is_file())
    return written + kept, spans


async def test_planted_secrets_are_found_nowhere(
    database_url: str,
    redis_url: str,
    engine: AsyncEngine,
    db: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    planted = Secrets()
    admin = planted.keep("admin token", await create_token(engine, role=Role.ADMIN, name="admin"))
    worker = planted.keep("worker token", await create_token(engine, role=Role.WORKER, name="worker"))
    seen: dict[str, bytes] = {}
    environment = _controllers_environment(planted, tmp_path) | {
        "VOICEGATEWAY_DATABASE_URL": database_url,
        "VOICEGATEWAY_REDIS_URL": redis_url,
        # Made for people: its tracebacks say the most.
        "VOICEGATEWAY_LOG_FORMAT": "text",
        "VOICEGATEWAY_HOME": str(tmp_path / "home"),
    }
    async with (
        controller(tmp_path / "log", environment) as running,
        httpx.AsyncClient(base_url=running.url, headers={"Authorization": f"Bearer {admin}"}, timeout=30.0) as client,
    ):
        seen["answers to changes"] = b"\n".join(await _provoke(client, planted, db))
        seen["answers to declarations"] = b"\n".join(await _declare(client, planted, tmp_path / "openai"))
        lent = await _lend(running.url, worker)
        seen["worker"], seen["spans"] = await _call(planted, running.url, worker, tmp_path / "outbox")
        for path, answer in (await every_get(client, ["main", "gone", "1", "acme"])).items():
            seen[f"GET {path}"] = answer
        for path in ("/", "/metrics", "/openapi.json", "/docs"):
            seen[f"GET {path}"] = (await client.get(path)).content
        command = await Voicegw("keys", running.url, admin, tmp_path)("list", "--revoked")
        seen["voicegw keys list"] = (command.out + command.err).encode()
    seen["log"] = running.written
    seen["Postgres"] = await database_dump(db)
    async with Redis.from_url(redis_url) as redis:
        seen["Redis"] = await redis_dump(redis)

    assert [(place, what) for place, text in seen.items() for what in planted.found_in(text)] == []
    # The search would find them: the one place that has a key has it, and every place has what it may have.
    assert sorted(planted.found_in(lent)) == ["key of a file", "key of a variable", "rotated key"]
    masked = mask(planted.texts["rotated key"]).encode()
    assert all(masked in seen[place] for place in ("GET /api/v1/keys", "voicegw keys list", "Postgres"))
    assert b"key.rotated" in seen["log"]
    assert b"crashed" in seen["log"]
    own = fingerprint(planted.texts["worker's own key"]).encode()
    assert own in seen["spans"] + seen["Postgres"]
    assert b"planted" in seen["Redis"]
    assert b"voicegateway_vault_leases_total" in seen["GET /metrics"]
