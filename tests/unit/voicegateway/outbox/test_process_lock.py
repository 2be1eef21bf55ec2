"""Locks between processes, and between the threads of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicegateway.outbox.process_lock import ProcessLock

_HOLDER = """
import sys
from pathlib import Path
from voicegateway.outbox.process_lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_lock_excludes_other_processes_until_their_kill(tmp_path: Path) -> None:
    ours = ProcessLock(tmp_path / "a.lock")
    with _holder(ours.path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not ours.try_acquire()

        holder.kill()
        holder.wait()

        assert ours.try_acquire()
    with _holder(ours.path) as other:
        assert other.communicate("")[0] == "False\n"
    ours.release()


def test_lock_excludes_other_objects_of_the_same_process(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "a.lock"), ProcessLock(tmp_path / "a.lock")
    assert first.try_acquire()

    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_looking_at_a_lock_we_hold_does_not_drop_it(tmp_path: Path) -> None:
    ours = ProcessLock(tmp_path / "a.lock")
    assert ours.try_acquire()
    assert not ProcessLock(ours.path).try_acquire()

    with _holder(ours.path) as other:
        assert other.communicate("")[0] == "False\n"
    ours.release()


def test_forked_child_does_not_hold_its_parents_lock(tmp_path: Path) -> None:
    ours = ProcessLock(tmp_path / "a.lock")
    assert ours.try_acquire()
    child = os.fork()
    if child == 0:
        os._exit(int(ours.is_held or ProcessLock(ours.path).try_acquire()))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ours.is_held
    ours.release()


def test_removed_lock_file_is_noticed(tmp_path: Path) -> None:
    ours = ProcessLock(tmp_path / "a.lock")
    assert ours.try_acquire()
    assert ours.is_in_place()

    ours.path.unlink()

    assert ours.is_held
    assert not ours.is_in_place()
    ours.release()


def test_released_lock_may_take_its_file_along(tmp_path: Path) -> None:
    ours = ProcessLock(tmp_path / "a.lock")
    assert ours.try_acquire()

    ours.release(unlink=True)

    assert not ours.path.exists()
    with pytest.raises(FileNotFoundError):
        ours.try_acquire(create=False)


def test_waiting_for_a_lock_is_bounded(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "a.lock"), ProcessLock(tmp_path / "a.lock")
    assert first.try_acquire()

    with pytest.raises(TimeoutError):
        second.acquire(timeout_s=0.01)
    first.release()
