"""Starts programs through the launcher, waits for their end off the loop, and recognises them later."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from voicegateway_controller.embedded.errors import EmbeddedFailed

_LAUNCHER = Path(__file__).with_name("launch.py")
# A child's end is looked for this often: cheap (one waitpid), and the same on every system and event loop.
POLL_INTERVAL_S = 0.01
# Variables that a server may need; everything else, above all PG*, would change what the server does.
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
# ps answers in milliseconds; it runs on the loop, so a hung one must not be waited for.
PS_TIMEOUT_S = 5.0
# How Postgres and initdb begin what they end with.
ERROR_MARKS = ("FATAL:", "PANIC:", "initdb: error:")
# Enough for the last words of initdb.
OUTPUT_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """The identity the launcher takes. `uid` and `gid` are what the server sees.

    same: ours. userns: seen as `uid`, while files stay ours. setuid: really `uid`, files must be given to it.
    """

    mode: Literal["same", "userns", "setuid"]
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a program that was run to its end came out."""

    code: int
    output: str


def spawn(
    argv: list[str],
    *,
    identity: RunAs,
    death_signal: signal.Signals,
    output: IO[bytes],
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own, so that Ctrl-C reaches us and not it.

    `environment` replaces the scrubbed one that servers get. On Linux it gets `death_signal` when the *thread*
    that calls this ends: call from the thread that lives as long as the servers should, normally the main one.
    """
    plan = {
        "mode": identity.mode,
        "uid": identity.uid,
        "gid": identity.gid,
        "parent": os.getpid(),
        "death_signal": int(death_signal),
        "argv": argv,
    }
    if environment is None:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # C: their messages are read by us, and macOS makes Postgres multi-threaded when no locale is set.
        environment = {**kept, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(plan)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        # Our folder may be closed to the server's user.
        cwd="/",
        start_new_session=True,
    )


async def run_to_end(argv: list[str], *, identity: RunAs, timeout_s: float) -> Outcome:
    """Run a short program to its end; it is killed when the time is up or the caller is cancelled.

    Raises:
        EmbeddedFailed: it took longer than `timeout_s`.
    """
    # A file and not a pipe: nobody reads while the program runs.
    with tempfile.TemporaryFile() as output:
        process = spawn(argv, identity=identity, death_signal=signal.SIGKILL, output=output)
        try:
            code = await wait_exit(process, timeout_s=timeout_s)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code is None:
            raise EmbeddedFailed(f"{argv[0]} did not end within {timeout_s:g} s")
        output.seek(0)
        said = output.read(OUTPUT_BYTES_MAX)
    return Outcome(code=code, output=said.decode(errors="replace").strip())


def cause_in(said: str) -> str:
    """Return why a program ended, from what it said: its first error, else its last line; after it they tidy up."""
    lines = said.splitlines() or ["it said nothing"]
    return next((line for line in lines if any(mark in line for mark in ERROR_MARKS)), lines[-1]).strip()


async def wait_exit(process: "subprocess.Popen[bytes]", *, timeout_s: float) -> int | None:
    """Return the exit code, or None when the process still lives after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        code = process.poll()
        if code is not None or time.monotonic() > deadline:
            return code
        await asyncio.sleep(POLL_INTERVAL_S)


def birth_mark(pid: int) -> str | None:
    """Return what tells this process from a later one of that number; None when gone or a zombie."""
    if sys.platform.startswith("linux"):
        try:
            # After the name in parentheses, which may hold anything: state is field 3, start time field 22.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    state, _, started = _ps(pid, "stat=,lstart=").partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def command_of(pid: int) -> str | None:
    """Return the command line that runs under this number: None when nothing does, empty for a zombie."""
    if sys.platform.startswith("linux"):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return None
        return " ".join(os.fsdecode(word) for word in words if word)
    said = _ps(pid, "command=")
    if not said:
        return None
    return "" if said.endswith("<defunct>") else said


def _ps(pid: int, columns: str) -> str:
    # Not on Linux: slim images have no ps.
    found = subprocess.run(
        ["ps", "-o", columns, "-p", str(pid)], capture_output=True, text=True, timeout=PS_TIMEOUT_S, check=False
    )
    return found.stdout.strip()
