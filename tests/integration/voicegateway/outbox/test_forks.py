"""A fork inherits what SQLite remembers of its locks; no row may be lost by that."""

import subprocess
import sys
from pathlib import Path

import pytest

from voicegateway.outbox import inspect

ROOT = Path(__file__).parents[4]
ENDED_S_MAX = 60.0


def _run(how: str, directory: Path, argument: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fixtures.outbox_endings", how, str(directory), argument]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ENDED_S_MAX, check=False)


def test_child_keeps_its_rows_when_its_parent_closes_first(tmp_path: Path) -> None:
    ended = _run("parent-leaves-first", tmp_path, "")

    assert ended.returncode == 0, ended.stderr
    assert inspect(tmp_path).rows == 3


@pytest.mark.parametrize(("seconds", "rows", "said"), [("0.3", 2, ""), ("1.5", 1, "spawn or forkserver")])
def test_fork_waits_for_a_transaction_or_leaves_the_child_without_an_outbox(
    seconds: str, rows: int, said: str, tmp_path: Path
) -> None:
    ended = _run("fork-in-transaction", tmp_path, seconds)

    assert ended.returncode == 0, ended.stderr
    assert said in ended.stdout
    assert bool(ended.stdout) == bool(said)
    assert inspect(tmp_path).rows == rows
