"""Whatever the disk does, calls go on, losses are counted, and recording resumes by itself."""

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures.otlp_sink import OtlpSink, Reply
from tests.fixtures.spans import span
from tests.fixtures.waiting import eventually

from voicegateway.outbox import Outbox, inspect
from voicegateway.outbox.schema import DATABASE_NAME
from voicegateway_shared.ids import new_incarnation

FLUSH_S = 30.0
TMPFS_BYTES = 2 * 1024 * 1024


@contextlib.contextmanager
def _outbox(directory: Path, url: str | None = None, *, bytes_max: int = 1 << 29) -> Iterator[Outbox]:
    outbox = Outbox(directory, incarnation=new_incarnation(), url=url, bytes_max=bytes_max)
    try:
        yield outbox
    finally:
        outbox.close()


def _settle(outbox: Outbox, *request_ids: str, padding: int = 0) -> None:
    for request_id in request_ids:
        body = span(request_id, outcome="ok", padding=padding)
        outbox.settle(request_id, lambda body=body: body)  # type: ignore[misc]


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_path_that_is_a_file_is_said_once_and_recording_starts_when_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox"
    path.write_text("not a directory")
    with _outbox(path) as outbox:
        intent = outbox.begin("a", lambda: span("a"))
        assert await intent.wait_durable(timeout_s=0.3) is False
        _settle(outbox, "a")
        assert outbox.stats().error
        (said,) = (text for text in _errors(caplog) if "cannot be written" in text)
        assert str(path) in said
        assert "VOICEGATEWAY_OUTBOX_DIR" in said

        path.unlink()

        assert await asyncio.to_thread(outbox.flush, FLUSH_S)
        assert intent.durable
    assert inspect(path).rows == 1


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """Yield a directory that not even root can write."""
    directory = tmp_path / "frozen"
    directory.mkdir(mode=0o500)
    as_root = os.geteuid() == 0
    if as_root and subprocess.run(["chattr", "+i", directory], capture_output=True, check=False).returncode != 0:
        pytest.skip("root writes everywhere, and this file system has no immutable flag")
    yield directory
    if as_root:
        subprocess.run(["chattr", "-i", directory], check=True)


async def test_directory_that_may_not_be_written_is_said_and_harms_nothing(
    frozen: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _outbox(frozen / "outbox") as outbox:
        assert await outbox.begin("a", lambda: span("a")).wait_durable(timeout_s=0.3) is False
        await eventually(lambda: bool(outbox.stats().error))
        outbox.close(timeout_s=0.5)

    (said,) = (text for text in _errors(caplog) if "cannot be written" in text)
    assert "not permitted" in said or "denied" in said
    assert outbox.stats().dropped == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(mount)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("needs the right to mount a small tmpfs")
    yield mount
    # Lazily: a test that failed may have left a file open there.
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def _fill(mount: Path) -> Path:
    ballast = mount / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return ballast


async def test_full_disk_loses_nothing_that_fits_in_memory(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    with _outbox(small_disk / "outbox") as outbox:
        _settle(outbox, "before")
        assert outbox.flush(FLUSH_S)
        ballast = _fill(small_disk)
        _settle(outbox, *(f"{number:03}" for number in range(300)), padding=1_000)
        await eventually(lambda: "full" in outbox.stats().error)
        assert any("cannot be written" in text for text in _errors(caplog))

        ballast.unlink()

        assert outbox.flush(FLUSH_S)
        assert (inspect(small_disk / "outbox").rows, outbox.stats().dropped) == (301, 0)


def test_full_disk_is_still_drained_and_nothing_sent_twice(small_disk: Path) -> None:
    with OtlpSink(lambda _spans: Reply(status=503)) as sink, _outbox(small_disk / "outbox", sink.url) as outbox:
        _settle(outbox, *(f"{number:03}" for number in range(300)), padding=1_000)
        assert outbox.flush_to_disk(FLUSH_S)
        ballast = _fill(small_disk)

        sink.decide = lambda _spans: Reply()
        sink.wait_until(lambda it: len(it.received) == 300)
        ballast.unlink()

        assert outbox.flush(FLUSH_S)
        assert sum(len(post.spans) for post in sink.kept) == 300
        assert inspect(small_disk / "outbox").rows == 0


def test_bound_on_bytes_is_kept_and_every_loss_is_booked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bytes_max = 1024 * 1024
    with _outbox(tmp_path, bytes_max=bytes_max) as outbox:
        _settle(outbox, *(f"{number:04}" for number in range(2_000)), padding=1_000)
        assert outbox.flush(FLUSH_S)

    stats = inspect(tmp_path)
    assert stats.bytes <= bytes_max
    assert stats.rows + stats.dropped == 2_000
    assert [(loss.reason, loss.provider, loss.model) for loss in stats.losses] == [
        ("outbox_full", "openai", "gpt-4.1-mini")
    ]
    assert (tmp_path / DATABASE_NAME).stat().st_size <= 2 * bytes_max + 1024 * 1024
    assert sum("is full" in text for text in _errors(caplog)) == 1


def _damage(path: Path, *, offset: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(length))


def _alter(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_file_that_is_no_database_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(os.urandom(20_000))

    with _outbox(tmp_path) as outbox:
        _settle(outbox, "a")
        assert outbox.flush(FLUSH_S)

    assert inspect(tmp_path).rows == 1
    assert [loss.reason for loss in inspect(tmp_path).losses] == ["file_corrupt"]
    assert len(list(tmp_path.glob(f"{DATABASE_NAME}.corrupt-*"))) == 1
    assert any("was corrupt" in text for text in _errors(caplog))


def test_rows_around_the_damage_are_saved(tmp_path: Path) -> None:
    with _outbox(tmp_path) as outbox:
        _settle(outbox, *(f"{number:04}" for number in range(1_000)), padding=1_000)
        assert outbox.flush(FLUSH_S)
    size = (tmp_path / DATABASE_NAME).stat().st_size
    _damage(tmp_path / DATABASE_NAME, offset=size // 2, length=40_000)

    with OtlpSink() as sink, _outbox(tmp_path, sink.url) as outbox:
        _settle(outbox, "new")
        sink.wait_until(lambda it: "new" in it.received)
        assert outbox.flush(FLUSH_S)

    assert len(sink.received) > 800
    assert all(len(versions) == 1 for versions in sink.received.values())
    assert [loss.reason for loss in inspect(tmp_path).losses] == ["file_corrupt"]


@pytest.mark.parametrize(
    "damage",
    ["SET request_id = CAST(x'ff00ff' AS TEXT)", "SET incarnation = CAST(x'ff00ff' AS TEXT)", "SET body = 12"],
)
def test_one_damaged_row_on_a_sound_page_holds_up_no_other(tmp_path: Path, damage: str) -> None:
    with _outbox(tmp_path) as outbox:
        _settle(outbox, "first", "damaged", "last")
        assert outbox.flush(FLUSH_S)
    _alter(tmp_path / DATABASE_NAME, f"UPDATE settled {damage} WHERE request_id = 'damaged'")

    with OtlpSink() as sink, _outbox(tmp_path, sink.url) as outbox:
        _settle(outbox, "new")
        sink.wait_until(lambda it: {"first", "last", "new"} <= it.received.keys())
        assert outbox.flush(FLUSH_S)

    # A span whose row names another process is still the span of its request.
    assert ("damaged" in sink.received) is ("incarnation" in damage)
    assert [loss.reason for loss in inspect(tmp_path).losses] == ["file_corrupt"]


@pytest.mark.parametrize(
    "damage", ["SET incarnation = x'ff00ff'", "SET body = 12", "SET incarnation = CAST(x'ff00ff' AS TEXT)"]
)
def test_one_damaged_intent_holds_up_no_other(tmp_path: Path, damage: str) -> None:
    with _outbox(tmp_path) as outbox:
        for name in ("first", "damaged", "last"):
            outbox.begin(name, lambda name=name: span(name))  # type: ignore[misc]
        assert outbox.flush(FLUSH_S)
    _alter(tmp_path / DATABASE_NAME, f"UPDATE intent {damage} WHERE request_id = 'damaged'")

    with OtlpSink() as sink, _outbox(tmp_path, sink.url) as outbox:
        _settle(outbox, "new")
        sink.wait_until(lambda it: {"first", "last", "new"} <= it.received.keys())
        assert outbox.flush(FLUSH_S)


def test_several_processes_replace_a_corrupt_file_once(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        outboxes = [stack.enter_context(_outbox(tmp_path)) for _ in range(4)]
        for number, outbox in enumerate(outboxes):
            _settle(outbox, f"before-{number}")
            assert outbox.flush(FLUSH_S)
        for suffix in ("-wal", ""):
            path = tmp_path / f"{DATABASE_NAME}{suffix}"
            _damage(path, offset=0, length=path.stat().st_size)
        for number, outbox in enumerate(outboxes):
            _settle(outbox, f"after-{number}")
        assert all(outbox.flush(FLUSH_S) for outbox in outboxes)

        stats = inspect(tmp_path)
        assert stats.rows >= 4
        assert [(loss.reason, loss.rows) for loss in stats.losses] == [("file_corrupt", 1)]


def test_removed_directory_is_made_again(tmp_path: Path) -> None:
    directory = tmp_path / "outbox"
    with _outbox(directory) as outbox:
        _settle(outbox, "a")
        assert outbox.flush(FLUSH_S)

        # Moved first: the outbox's threads may write into it while it is being emptied.
        shutil.rmtree(directory.rename(tmp_path / "removed"))
        outbox.begin("b", lambda: span("b"))
        _settle(outbox, "c")

        assert outbox.flush(FLUSH_S)
        assert (inspect(directory).rows, inspect(directory).intents) == (1, 1)


def test_writer_waits_for_a_file_that_another_program_keeps_locked(tmp_path: Path) -> None:
    with _outbox(tmp_path) as outbox:
        _settle(outbox, "a")
        assert outbox.flush(FLUSH_S)
        holder = sqlite3.connect(tmp_path / DATABASE_NAME, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        _settle(outbox, "b")
        assert outbox.flush_to_disk(0.3) is False

        holder.execute("ROLLBACK")
        holder.close()

        assert outbox.flush(FLUSH_S)
        assert inspect(tmp_path).rows == 2


def test_fault_in_an_encoder_costs_only_its_own_span(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise KeyError("no such fact")

    with _outbox(tmp_path) as outbox:
        outbox.begin("broken", lambda: span("broken"))
        assert outbox.flush(FLUSH_S)
        outbox.settle("broken", fail)
        outbox.settle("never begun", fail)
        _settle(outbox, "fine")
        assert outbox.flush(FLUSH_S)

        stats = inspect(tmp_path)
        assert (stats.rows, stats.intents) == (2, 0)
        assert [(loss.reason, loss.rows) for loss in stats.losses] == [("encode_failed", 1)]


def test_value_that_sqlite_refuses_costs_only_its_own_span(tmp_path: Path) -> None:
    with _outbox(tmp_path) as outbox:
        outbox.settle("lone surrogate \ud800", lambda: span("x", outcome="ok"))
        outbox.settle("no bytes", lambda: "text")  # type: ignore[arg-type, return-value]
        _settle(outbox, "fine")
        assert outbox.flush_to_disk(FLUSH_S)

    stats = inspect(tmp_path)
    assert stats.rows + stats.dropped == 3
    assert stats.rows >= 1
