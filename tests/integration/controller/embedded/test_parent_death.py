"""What is left when the process that runs the embedded servers is killed: nothing, and nothing is lost."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.fixtures.waiting import eventually

from voicegateway_controller.embedded import AlreadyRunning, EmbeddedPostgres, EmbeddedServices
from voicegateway_controller.embedded.process import birth_mark

PARENT = """
import asyncio, json, sys
from pathlib import Path
from voicegateway_controller.embedded import EmbeddedServices

async def main():
    async with EmbeddedServices(Path(sys.argv[1])) as services:
        pids = [server.pid for server in services.servers]
        print(json.dumps({"url": services.database_url, "pids": pids}), flush=True)
        await services.wait_failed()

asyncio.run(main())
"""


async def _start_parent(home: Path) -> tuple[asyncio.subprocess.Process, str, list[int]]:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(home), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    said = json.loads(await asyncio.wait_for(parent.stdout.readline(), timeout=60))
    return parent, said["url"], said["pids"]


async def _kill(parent: asyncio.subprocess.Process) -> None:
    parent.kill()
    await parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals children when their parent dies")
async def test_servers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent, _, pids = await _start_parent(tmp_path)
    alive_before = [birth_mark(pid) is not None for pid in pids]
    await _kill(parent)
    await eventually(lambda: all(birth_mark(pid) is None for pid in pids))

    assert alive_before == [True, True]
    assert not (tmp_path / "postgres" / "data" / "postmaster.pid").exists(), "it ended in order"


async def test_start_right_after_the_kill_takes_over_with_the_data(tmp_path: Path) -> None:
    parent, url, _ = await _start_parent(tmp_path)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    await _kill(parent)
    connection.terminate()
    async with EmbeddedServices(tmp_path) as services:
        connection = await asyncpg.connect(services.database_url.replace("+asyncpg", ""))
        found = await connection.fetchval("SELECT seven FROM kept")
        await connection.close()

        assert services.database_url == url
        assert found == 7


async def test_server_that_outlived_its_parent_is_ended_and_replaced(tmp_path: Path) -> None:
    """As on macOS, where nothing tells a server that its parent is gone."""
    orphaned = EmbeddedPostgres(tmp_path)
    await orphaned.start()
    orphan = orphaned.pid
    assert orphan is not None
    orphaned._files.unlock()  # As the system does when the parent ends.

    heir = EmbeddedPostgres(tmp_path)
    await heir.start()
    try:
        assert birth_mark(orphan) is None
        assert heir.pid not in (None, orphan)
        assert heir.port == orphaned.port
    finally:
        await heir.stop()
        await orphaned.stop()


async def test_second_process_on_the_home_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    parent, _, _ = await _start_parent(tmp_path)
    try:
        with pytest.raises(AlreadyRunning, match=f"already running, pid {parent.pid}, on "):
            await EmbeddedServices(tmp_path).start()
    finally:
        parent.send_signal(signal.SIGKILL)
        await parent.wait()


async def test_pid_file_that_names_an_unrelated_process_is_no_obstacle(tmp_path: Path) -> None:
    """In a container process numbers repeat: the number of the old master is soon something else's."""
    postgres = EmbeddedPostgres(tmp_path)
    await postgres.start()
    await postgres.stop()
    (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n/nowhere\n0\n1\n\n\n\n\n")
    await postgres.start()
    try:
        assert postgres.is_alive()
    finally:
        await postgres.stop()


async def test_cancelled_start_leaves_no_process(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path, durable=False)
    await postgres.start()
    await postgres.stop()
    starting = asyncio.create_task(postgres.start())
    await eventually(lambda: postgres.pid is not None)
    pid = postgres.pid
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    assert pid is not None
    assert birth_mark(pid) is None
    assert postgres.pid is None
