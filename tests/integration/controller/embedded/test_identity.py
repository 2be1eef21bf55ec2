"""As whom the servers run: any ordinary user, root in a user namespace, root without one, a uid without a name."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from voicegateway_controller.embedded import EmbeddedFailed, EmbeddedPostgres, EmbeddedServices, binaries, identity
from voicegateway_controller.embedded.identity import choose_identity
from voicegateway_controller.embedded.process import RunAs

NOBODY = 65534
NAMELESS = 54_321

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")

ROUND_TRIP = """
import asyncio, sys
from pathlib import Path
from voicegateway_controller.embedded import EmbeddedFailed, EmbeddedServices

async def main():
    async with EmbeddedServices(Path(sys.argv[1]), durable=False) as services:
        print("up", [server.is_alive() for server in services.servers])

try:
    asyncio.run(main())
except EmbeddedFailed as error:
    sys.exit(f"failed: {error}")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everyone can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="voicegateway-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def without_user_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: RunAs) -> bool:
        return False

    monkeypatch.setattr(identity, "_can_enter_user_namespace", refuse)


def _run_as(uid: int, home: Path) -> subprocess.CompletedProcess[str]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Root's own Python often lies in /root, where nobody else gets in; the system's runs the same packages.
    for python in (sys.executable, f"/usr/bin/python{version}"):
        if _say(uid, python, "import voicegateway_controller.embedded").returncode == 0:
            return _say(uid, python, ROUND_TRIP, str(home))
    pytest.skip("no Python here that another user can run with this checkout")


def _say(uid: int, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-c", *arguments]
    ours = [folder for folder in sys.path if folder and not folder.startswith(sys.base_prefix)]
    with tempfile.TemporaryDirectory() as stand_ins:
        # redis wants this package below Python 3.11.3, which the system's may be and ours is not.
        Path(stand_ins, "async_timeout.py").write_text("from asyncio import timeout as timeout\n")
        Path(stand_ins).chmod(0o755)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([*ours, stand_ins])}
        try:
            return subprocess.run(
                command,
                user=uid,
                group=uid,
                extra_groups=[],
                cwd="/",
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except OSError as error:
            return subprocess.CompletedProcess(command, returncode=126, stdout="", stderr=str(error))


@needs_root
def test_ordinary_user_runs_the_servers(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    ran = _run_as(NOBODY, open_folder / "home")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "up [True, True]\n", "")


@needs_root
def test_uid_without_a_name_runs_in_a_namespace_or_is_told_to_name_servers(open_folder: Path) -> None:
    os.chown(open_folder, NAMELESS, NAMELESS)
    ran = _run_as(NAMELESS, open_folder / "home")

    if ran.returncode == 0:
        assert ran.stdout == "up [True, True]\n"
    else:
        assert ran.stderr.startswith(f"failed: Postgres cannot run as uid {NAMELESS}")


async def test_nameless_uid_without_namespaces_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, without_user_namespaces: None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)

    with pytest.raises(EmbeddedFailed, match="no entry in /etc/passwd; set VOICEGATEWAY_DATABASE_URL"):
        await choose_identity()


@needs_root
async def test_ordinary_user_cannot_write_a_home_of_root_and_is_told_so(tmp_path: Path) -> None:
    ran = _run_as(NOBODY, tmp_path / "home")

    assert ran.returncode == 1
    assert ran.stderr == (
        f"failed: cannot write to {tmp_path / 'home'}: Permission denied; "
        "set VOICEGATEWAY_HOME to a folder you can write\n"
    )


@needs_root
async def test_root_runs_postgres_without_changing_owner_or_mode_of_anything_above(tmp_path: Path) -> None:
    above = [folder.stat() for folder in (tmp_path, *tmp_path.parents)]
    async with EmbeddedServices(tmp_path / "home", durable=False):
        pass

    now = [folder.stat() for folder in (tmp_path, *tmp_path.parents)]
    assert [(s.st_mode, s.st_uid) for s in now] == [(s.st_mode, s.st_uid) for s in above]


@needs_root
async def test_root_without_namespaces_becomes_nobody(open_folder: Path, without_user_namespaces: None) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o711)
    async with EmbeddedServices(home, durable=False) as services:
        owners = [Path(f"/proc/{server.pid}").stat().st_uid for server in services.servers]

        assert owners == [NOBODY, NOBODY]
        assert (home / "postgres" / "data").stat().st_uid == NOBODY


@needs_root
async def test_data_in_an_unreachable_home_goes_to_a_private_folder_and_is_found_again(
    tmp_path: Path, without_user_namespaces: None, caplog: pytest.LogCaptureFixture
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "home", durable=False)
    await postgres.start()
    moved = Path((tmp_path / "home" / "run" / "postgres.folder").read_text())
    try:
        connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        await connection.close()
        await postgres.stop()
        await postgres.start()
        connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
        found = await connection.fetchval("SELECT seven FROM kept")
        await connection.close()

        assert found == 7
        assert moved.parent == Path("/var/tmp")
        assert (moved.stat().st_uid, stat.S_IMODE(moved.stat().st_mode)) == (NOBODY, 0o700)
        assert f"the data of postgres is in {moved}" in caplog.text
    finally:
        await postgres.stop()
        shutil.rmtree(moved)


@needs_root
async def test_lost_data_folder_is_an_error_and_not_an_empty_ledger(
    tmp_path: Path, without_user_namespaces: None
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "home", durable=False)
    await postgres.start()
    await postgres.stop()
    shutil.rmtree((tmp_path / "home" / "run" / "postgres.folder").read_text())

    with pytest.raises(EmbeddedFailed, match="is gone: restore it, or delete"):
        await postgres.start()


@needs_root
async def test_data_changes_hands_between_namespace_and_nobody(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o711)
    owners = []
    for can_enter in (True, False, True):

        async def answer(_: RunAs, answer: bool = can_enter) -> bool:
            return answer

        monkeypatch.setattr(identity, "_can_enter_user_namespace", answer)
        async with EmbeddedServices(home, durable=False) as services:
            assert [server.is_alive() for server in services.servers] == [True, True]
            owners.append((home / "postgres" / "data" / "base").stat().st_uid)

    assert owners == [0, NOBODY, 0]


@needs_root
async def test_programs_that_nobody_cannot_reach_are_copied_once(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, without_user_namespaces: None
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    real = binaries._package_folder(binaries.POSTGRES_WHEEL)
    assert real is not None
    shutil.copytree(real, closed / real.name)
    shutil.copytree(real.with_name(f"{real.name}.libs"), closed / f"{real.name}.libs")
    monkeypatch.setattr(binaries, "_package_folder", lambda name: closed / real.name)
    home = open_folder / "home"
    home.mkdir(mode=0o711)
    postgres = EmbeddedPostgres(home, durable=False)
    await postgres.start()
    try:
        executed = Path(f"/proc/{postgres.pid}/exe").readlink()

        assert executed.is_relative_to(home / "postgres" / "programs")
    finally:
        await postgres.stop()
