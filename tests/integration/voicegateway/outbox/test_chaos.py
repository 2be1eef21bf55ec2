"""Processes are killed at random instants while their controller misbehaves; no promise may be broken."""

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.otlp_sink import OtlpSink, Reply

from voicegateway.outbox import Outbox, inspect
from voicegateway_shared.ids import new_incarnation
from voicegateway_shared.telemetry import attributes as names

ROOT = Path(__file__).parents[4]
WRITERS = 4
KILLS = int(os.environ.get("OUTBOX_CHAOS_KILLS", "40"))
"""Set it higher for a soak."""
DRAINED_S_MAX = 120.0


def _misbehave(_spans: list[Span]) -> Reply:
    return random.choices(
        [
            Reply(),
            Reply(status=500),
            Reply(status=503, headers={"Retry-After": "0"}),
            Reply(status=429),
            Reply(cut=True, keeps=True),
            Reply(cut=True, keeps=False),
            Reply(status=502, keeps=True),
            Reply(delay_s=0.3),
        ],
        weights=[60, 5, 5, 5, 8, 7, 5, 5],
    )[0]


@contextlib.contextmanager
def _writers(directory: Path, url: str, truth: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.fixtures.outbox_process", str(directory), url, str(truth)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)

    running = [start() for _ in range(WRITERS)]
    stop = threading.Event()

    def kill_at_random() -> None:
        for _ in range(KILLS):
            if stop.wait(random.uniform(0.05, 0.6)):
                return
            victim = random.randrange(WRITERS)
            running[victim].kill()
            with running[victim]:
                pass
            running[victim] = start()

    killer = threading.Thread(target=kill_at_random)
    killer.start()
    try:
        killer.join()
        yield running
    finally:
        stop.set()
        killer.join()
        for process in running:
            process.kill()
            with process:
                pass


def _promises(truth: Path) -> dict[str, set[str]]:
    promises: dict[str, set[str]] = {"started": set(), "begun": set(), "settled": set()}
    for line in truth.read_text().splitlines():
        kind, request_id = line.split()
        promises[kind].add(request_id)
    return promises


def _outcomes(sink: OtlpSink) -> dict[str, str]:
    """Return each request's outcome; fails when one came in two versions."""
    outcomes = {}
    for request_id, versions in sink.received.items():
        (body,) = versions
        found = {item.key: item.value.string_value for item in Span.FromString(body).attributes}
        outcomes[request_id] = found[names.OUTCOME]
    return outcomes


def _drain(directory: Path, url: str) -> None:
    outbox = Outbox(directory, incarnation=new_incarnation(), url=url)
    outbox.start()
    deadline = time.monotonic() + DRAINED_S_MAX
    while (left := inspect(directory)).rows or left.intents:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    outbox.close()


@pytest.mark.timeout(600)
def test_no_kill_breaks_a_promise(tmp_path: Path) -> None:
    directory, truth = tmp_path / "outbox", tmp_path / "truth"
    with OtlpSink(_misbehave) as sink:
        with _writers(directory, sink.url, truth):
            pass
        _drain(directory, sink.url)

        promises, outcomes = _promises(truth), _outcomes(sink)

    settled = {request_id for request_id, outcome in outcomes.items() if outcome == "ok"}
    assert promises["settled"] - settled == set()
    assert promises["begun"] - outcomes.keys() == set()
    assert outcomes.keys() - promises["started"] == set()
    assert set(outcomes.values()) == {"ok", "interrupted"}
    assert inspect(directory).dropped == 0
    deliveries = sum(len(post.spans) for post in sink.kept)
    # The run was worth its while: something was promised, and something came more than once.
    assert len(promises["settled"]) > KILLS
    assert deliveries > len(outcomes)
    print(f"{len(promises['started'])} started, {len(promises['settled'])} settled, {deliveries} deliveries")  # noqa: T201
    assert not list((directory / "alive").iterdir())
