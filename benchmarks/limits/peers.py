"""Environments of the peers: made on demand in a cache folder, never a dependency of the project."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMITERS: Final = ("limits==5.8.0", "throttled-py==3.5.0", "redis[hiredis]==5.3.1")
LITELLM: Final = ("litellm==1.106.2", "redis[hiredis]==5.3.1")
INSTALL_S: Final = 600


@dataclass(frozen=True, slots=True)
class PeerMissing(Exception):
    """A peer cannot be measured here."""

    reason: str


def python_with(requirements: tuple[str, ...]) -> Path:
    """Return the interpreter of an environment with these packages, made now if it is not there. Raises PeerMissing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voicegateway" / "bench"
    name = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = cache / f"peers-{name}"
    python, is_whole = folder / "bin" / "python", folder / "whole"
    if is_whole.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *requirements],
        ]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise PeerMissing(f"{requirements[0]} was not installed within {INSTALL_S} s") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PeerMissing(f"{requirements[0]} cannot be installed: {last}")
    is_whole.touch()
    return python
