"""The embedded servers as the CLI uses them: up, reachable, restarted after a kill, alone on their home."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.fixtures.waiting import eventually

from voicegateway_controller.embedded import AlreadyRunning, EmbeddedFailed, EmbeddedServer, EmbeddedServices
from voicegateway_controller.embedded.process import birth_mark


async def _query(database_url: str, statement: str) -> object:
    connection = await asyncpg.connect(database_url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _remember(services: EmbeddedServices, value: str) -> None:
    await _query(services.database_url, f"CREATE TABLE memory AS SELECT '{value}'::text AS value")
    client = Redis.from_url(services.redis_url)
    await client.set("memory", value)
    await client.aclose()


async def _recall(services: EmbeddedServices) -> tuple[object, object]:
    client = Redis.from_url(services.redis_url)
    try:
        return await _query(services.database_url, "SELECT value FROM memory"), await client.get("memory")
    finally:
        await client.aclose()


async def test_urls_lead_to_the_servers_on_loopback(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        found = await _query(services.database_url, "SELECT current_database() || ' ' || current_user")
        hosts = [urlsplit(url).hostname for url in (services.database_url, services.redis_url)]
        scheme = urlsplit(services.database_url).scheme

        assert found == "voicegateway voicegateway"
        assert hosts == ["127.0.0.1", "127.0.0.1"]
        assert scheme == "postgresql+asyncpg"


async def test_durable_servers_sync_and_never_evict(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        client = Redis.from_url(services.redis_url)
        kept = await client.config_get("append*")
        policy = await client.config_get("maxmemory-policy")
        await client.aclose()

        assert await _query(services.database_url, "SHOW synchronous_commit") == "on"
        assert await _query(services.database_url, "SHOW fsync") == "on"
        assert (kept["appendonly"], kept["appendfsync"]) == ("yes", "everysec")
        assert policy == {"maxmemory-policy": "noeviction"}


async def test_next_run_has_the_same_urls_and_data(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        await _remember(services, "kept")
        first = services.database_url, services.redis_url
    async with EmbeddedServices(tmp_path) as services:
        second = services.database_url, services.redis_url

        assert second == first
        assert await _recall(services) == ("kept", b"kept")


async def test_stop_leaves_no_process(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        pids = [server.pid for server in services.servers]

    assert [birth_mark(pid) for pid in pids if pid is not None] == [None, None]
    assert [server.pid for server in services.servers] == [None, None]


async def test_killed_servers_come_back_on_the_same_port_with_their_data(tmp_path: Path) -> None:
    restarted: list[str] = []

    def note(server: EmbeddedServer) -> None:
        restarted.append(server.name)

    async with EmbeddedServices(tmp_path, on_restart=note) as services:
        await _remember(services, "survives")
        before = services.database_url, services.redis_url
        for server in services.servers:
            server.kill()
        await eventually(lambda: len(restarted) == 2)

        assert sorted(restarted) == ["postgres", "valkey"]
        assert services.restarts == 2
        assert (services.database_url, services.redis_url) == before
        assert await _recall(services) == ("survives", b"survives")


async def test_postgres_comes_back_although_a_backend_of_the_killed_one_is_still_busy(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, valkey=False) as services:
        assert services.postgres is not None
        await _query(services.database_url, "CREATE TABLE kept AS SELECT 1 AS one")
        busy = await asyncpg.connect(services.database_url.replace("+asyncpg", ""))
        backend = busy.get_server_pid()
        # A loop inside the server does not notice that its master died; until its end it holds the memory.
        looping = asyncio.create_task(
            busy.execute(
                "DO $$ DECLARE start timestamptz := clock_timestamp(); BEGIN "
                "WHILE clock_timestamp() < start + interval '2 s' LOOP END LOOP; END $$"
            )
        )
        await _is_active(services.database_url, backend)
        services.postgres.kill()
        await eventually(lambda: services.restarts == 1, within_s=40)

        assert birth_mark(backend) is None
        assert await _query(services.database_url, "SELECT one FROM kept") == 1
        await asyncio.gather(looping, return_exceptions=True)
        busy.terminate()


async def test_second_start_on_a_home_names_the_process_that_has_it(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as first:
        with pytest.raises(AlreadyRunning, match=rf"^already running, pid {os.getpid()}, on ") as refused:
            await EmbeddedServices(tmp_path).start()

        assert refused.value.pid == os.getpid()
        assert [server.is_alive() for server in first.servers] == [True, True]


async def test_urls_that_are_given_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    given = EmbeddedServices(tmp_path, database_url="postgresql+asyncpg://db/x", redis_url="redis://r/1")
    async with given as services:
        assert services.servers == ()
        assert (services.database_url, services.redis_url) == ("postgresql+asyncpg://db/x", "redis://r/1")

    assert list(tmp_path.iterdir()) == []


async def test_unwritable_home_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedFailed) as failed:
        await EmbeddedServices(tmp_path / "file" / "home").start()

    assert "\n" not in str(failed.value)
    assert "set VOICEGATEWAY_HOME to a folder you can write" in str(failed.value)


async def test_when_one_server_cannot_start_the_other_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = EmbeddedServices(tmp_path)
    assert services.valkey is not None
    monkeypatch.setattr(services.valkey, "_command", lambda port: [sys.executable, "-c", "print('no'); exit(3)"])

    with pytest.raises(EmbeddedFailed, match=r"^valkey did not start: no \(log: "):
        await services.start()

    assert [server.pid for server in services.servers] == [None, None]


async def test_a_server_that_cannot_come_back_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with EmbeddedServices(tmp_path, postgres=False) as services:
        assert services.valkey is not None
        monkeypatch.setattr(services.valkey, "_command", lambda port: [sys.executable, "-c", "exit(3)"])
        services.valkey.kill()

        with pytest.raises(EmbeddedFailed, match="valkey did not start: it said nothing"):
            await services.wait_failed()


async def test_passwords_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with EmbeddedServices(home, durable=False):
        secrets = sorted((home / "secrets").iterdir())

        assert [(path.name, oct(path.stat().st_mode & 0o777)) for path in secrets] == [
            ("postgres", "0o600"),
            ("valkey", "0o600"),
        ]
        assert oct(home.stat().st_mode & 0o777) == "0o700"


async def test_wrong_password_is_refused(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, valkey=False, durable=False) as services:
        assert services.postgres is not None
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1", port=services.postgres.port, user="voicegateway", password="", database="postgres"
            )


async def _is_active(database_url: str, backend: int) -> None:
    active = f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend} AND state = 'active'"
    async with asyncio.timeout(30):
        found = None
        while found is None:
            found = await _query(database_url, active)
