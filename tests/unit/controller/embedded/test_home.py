"""The files of an embedded server: bounded log, record that survives damage, ports that are not handed out."""

import logging
import socket
from pathlib import Path

import pytest

from voicegateway_controller.embedded import home as home_module
from voicegateway_controller.embedded.home import Record, ServerHome
from voicegateway_controller.embedded.ports import PORT_FIRST, PORT_LAST, choose_port


@pytest.fixture
def files(tmp_path: Path) -> ServerHome:
    files = ServerHome(tmp_path / "home", "valkey")
    files.create()
    return files


def test_log_that_grew_too_long_starts_again_and_keeps_the_last_part_beside(
    files: ServerHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "LOG_BYTES_MAX", 10)
    with files.open_log() as log:
        log.write(b"eleven byte")
        files.trim_log()
        log.write(b"new")

    assert files.log_path.read_bytes() == b"new"
    assert files.log_path.with_name("valkey.log.1").read_bytes() == b"eleven byte"


def test_log_that_was_removed_or_cannot_be_copied_ends_nothing(
    files: ServerHome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files.trim_log()
    monkeypatch.setattr(home_module, "LOG_BYTES_MAX", 10)
    files.log_path.write_bytes(b"eleven byte")
    # What a full disk does, too: the copy cannot be made.
    files.log_path.with_name("valkey.log.1").mkdir()

    files.trim_log()

    assert files.log_path.read_bytes() == b"eleven byte"
    assert [record.getMessage() for record in caplog.records] == [f"cannot trim {files.log_path}: Is a directory"]


def test_record_is_read_back(files: ServerHome) -> None:
    record = Record(pid=7, birth_mark="123", port=15_001)
    files.write_record(record)

    assert files.read_record() == record


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": 1}'])
def test_damaged_record_is_ignored_and_said(files: ServerHome, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    files.write_record(Record(pid=7, birth_mark="123", port=15_001))
    (files.run_folder / "valkey.json").write_text(damage)

    with caplog.at_level(logging.WARNING):
        assert files.read_record() is None
    assert "ignoring a damaged" in caplog.text


def test_secret_is_made_once(files: ServerHome) -> None:
    assert files.secret() == files.secret()
    assert len(files.secret()) >= 32


def test_free_port_of_the_last_run_is_used_again() -> None:
    port = choose_port(None)

    assert choose_port(port) == port
    assert PORT_FIRST <= port <= PORT_LAST


def test_taken_port_is_left_to_its_owner() -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        taken = owner.getsockname()[1]

        assert choose_port(taken) != taken
