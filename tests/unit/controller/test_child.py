"""A child of the local stack comes back, also where it could not be started the first time."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.waiting import eventually

from voicegateway_controller.local import child as child_module
from voicegateway_controller.local.child import Child


async def test_a_machine_without_memory_for_a_moment_does_not_end_the_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives: list[Any] = [[sys.executable, "-c", "exit(3)"], OSError(12, "Cannot allocate memory"), ["sleep", "60"]]

    def spawn(argv: list[str], **_: Any) -> "subprocess.Popen[bytes]":
        life = lives.pop(0)
        if isinstance(life, OSError):
            raise life
        return subprocess.Popen(life)

    monkeypatch.setattr(child_module, "spawn", spawn)
    child = Child("runner", "nothing", environment={}, log_folder=tmp_path)
    child.start()
    try:
        await eventually(lambda: not lives and child.pid is not None)

        assert child.restarts == 2
    finally:
        await child.stop()
