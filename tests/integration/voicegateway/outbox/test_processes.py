"""The outbox between processes: how they end, who delivers for whom, what a fork leaves."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.fixtures.otlp_sink import OtlpSink, Reply
from tests.fixtures.spans import span
from tests.fixtures.waiting import eventually

from voicegateway.outbox import Outbox, drainer, inspect
from voicegateway.outbox.schema import DATABASE_NAME
from voicegateway.outbox.span_bytes import interrupt
from voicegateway_shared.ids import new_incarnation

ROOT = Path(__file__).parents[4]
ENDED_S_MAX = 60.0
INTERRUPTED = interrupt(span("open"), error_type="process_died", seen_ns=None)


def _command(how: str, directory: Path, url: str) -> list[str]:
    return [sys.executable, "-m", "tests.fixtures.outbox_endings", how, str(directory), url]


def _run(how: str, directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = _command(how, directory, url)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ENDED_S_MAX, check=False)


@contextlib.contextmanager
def _staying(how: str, directory: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(_command(how, directory, url), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _ours(directory: Path, url: str | None = None) -> Iterator[Outbox]:
    outbox = Outbox(directory, incarnation=new_incarnation(), url=url, token="t")
    try:
        yield outbox
    finally:
        outbox.close()


@pytest.mark.parametrize(("how", "code"), [("leave", 0), ("raise", 3), ("forkserver", 0), ("spawn", 0)])
def test_process_that_ends_in_order_delivers_what_it_has(how: str, code: int, tmp_path: Path) -> None:
    with OtlpSink() as sink:
        ended = _run(how, tmp_path, sink.url)

        assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
        assert sink.received == {"settled": {span("settled", outcome="ok")}, "open": {INTERRUPTED}}
        assert (inspect(tmp_path).rows, inspect(tmp_path).intents) == (0, 0)


@pytest.mark.parametrize("how", ["leave", "forkserver"])
def test_process_that_ends_without_a_controller_leaves_all_on_disk(how: str, tmp_path: Path) -> None:
    assert _run(how, tmp_path, "http://127.0.0.1:1").returncode == 0

    assert (inspect(tmp_path).rows, inspect(tmp_path).intents) == (2, 0)
    assert not list((tmp_path / "alive").iterdir())


def test_requests_of_a_killed_process_are_settled_by_another(tmp_path: Path) -> None:
    with OtlpSink() as sink:
        with _staying("stay", tmp_path, "") as process:
            process.kill()
            process.wait()
        assert (inspect(tmp_path).rows, inspect(tmp_path).intents) == (1, 1)

        with _ours(tmp_path, sink.url) as outbox:
            outbox.start()
            sink.wait_until(lambda it: len(it.received) == 2)
            assert outbox.flush(ENDED_S_MAX)

        (body,) = sink.received["open"]
        assert (b"interrupted" in body, b"process_died" in body) == (True, True)
        assert not list((tmp_path / "alive").iterdir())


async def test_killed_process_is_told_of_once_the_controller_has_all_it_left(tmp_path: Path) -> None:
    with OtlpSink(lambda _: Reply(status=503)) as sink:
        with _staying("stay", tmp_path, "") as process:
            [lock] = (tmp_path / "alive").glob("*.lock")
            process.kill()
            process.wait()
        with _ours(tmp_path, sink.url) as outbox:
            outbox.start()
            await eventually(lambda: inspect(tmp_path).intents == 0)
            # Refused twice: it was settled, and time has passed since.
            await eventually(lambda: len(sink.posts) >= 2)
            assert outbox.recovered() == ()

            sink.decide = lambda _: Reply()
            await eventually(lambda: outbox.recovered() != ())
            assert outbox.recovered() == (unquote(lock.name.removesuffix(".lock")),)
            assert set(sink.received) == {"settled", "open"}

            outbox.forget_recovered(("another", *outbox.recovered()))
            assert outbox.recovered() == ()


async def test_killed_process_that_left_nothing_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drainer, "SWEEP_LOCKS_EVERY_S", 0.1)
    with OtlpSink() as sink, _staying("stay-idle", tmp_path, sink.url) as process:
        sink.wait_until(lambda it: "warm" in it.received)
        [lock] = (tmp_path / "alive").glob("*.lock")
        process.kill()
        process.wait()
        with _ours(tmp_path, sink.url) as outbox:
            outbox.start()
            await eventually(lambda: outbox.recovered() == (unquote(lock.name.removesuffix(".lock")),))


async def test_process_that_ends_in_order_speaks_for_itself(tmp_path: Path) -> None:
    with OtlpSink() as sink:
        assert _run("leave", tmp_path, sink.url).returncode == 0
        with _ours(tmp_path, sink.url) as outbox:
            outbox.settle("later", lambda: span("later", outcome="ok"))
            assert outbox.flush(ENDED_S_MAX)
            await eventually(lambda: outbox.stats().is_draining)
            told = outbox.recovered()

    assert told == ()


def test_request_that_ended_in_the_batch_it_began_in_never_comes_twice(tmp_path: Path) -> None:
    with OtlpSink() as sink:
        with _staying("slot-taken", tmp_path, "") as process, _ours(tmp_path, sink.url) as outbox:
            outbox.start()
            sink.wait_until(lambda it: "short" in it.received)
            assert outbox.flush(ENDED_S_MAX)
            process.kill()
            process.wait()
        with _ours(tmp_path, sink.url) as outbox:
            # Recovery runs before the first delivery: what it found would be sent with or before this one.
            outbox.settle("later", lambda: span("later", outcome="ok"))
            assert outbox.flush(ENDED_S_MAX)

        assert not list((tmp_path / "alive").glob("*.slate*"))
        assert sink.received["short"] == {span("short", outcome="ok")}


def test_open_requests_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    with OtlpSink() as sink, _staying("stay", tmp_path, ""), _ours(tmp_path, sink.url) as outbox:
        outbox.start()
        sink.wait_until(lambda it: "settled" in it.received)
        assert outbox.flush(ENDED_S_MAX)

        assert set(sink.received) == {"settled"}
        assert inspect(tmp_path).intents == 1


async def test_another_process_takes_over_when_the_delivering_one_is_killed(tmp_path: Path) -> None:
    with OtlpSink() as sink, _staying("stay-idle", tmp_path, sink.url) as first, _ours(tmp_path, sink.url) as outbox:
        outbox.settle("first", lambda: span("first", outcome="ok"))
        assert outbox.flush(ENDED_S_MAX)
        assert not outbox.stats().is_draining

        first.kill()
        first.wait()
        outbox.settle("second", lambda: span("second", outcome="ok"))

        assert outbox.flush(ENDED_S_MAX)
        assert set(sink.received) == {"warm", "first", "second"}
        await eventually(lambda: outbox.stats().is_draining)


def test_drainer_killed_while_the_controller_answers_causes_the_same_bytes_again(tmp_path: Path) -> None:
    with OtlpSink(lambda _spans: Reply(delay_s=60.0)) as sink:
        with _staying("stay", tmp_path, sink.url) as process:
            sink.wait_until(lambda it: bool(it.posts))
            process.kill()
            process.wait()
        sink.decide = lambda _spans: Reply()
        with _ours(tmp_path, sink.url) as outbox:
            outbox.start()
            sink.wait_until(lambda it: len(it.posts) >= 2)
            assert outbox.flush(ENDED_S_MAX)

        assert [len(versions) for versions in sink.received.values()] == [1, 1]
        assert sum(len(post.spans) for post in sink.posts) == 3


def test_detached_process_does_not_keep_others_from_delivering(tmp_path: Path) -> None:
    with OtlpSink() as sink, _staying("stay", tmp_path, ""), _ours(tmp_path, sink.url) as outbox:
        outbox.settle("a", lambda: span("a", outcome="ok"))

        assert outbox.flush(ENDED_S_MAX)

        assert set(sink.received) == {"a", "settled"}


def test_forked_child_cannot_use_its_parents_outbox_and_harms_it_not(tmp_path: Path) -> None:
    with OtlpSink() as sink:
        ended = _run("fork", tmp_path, sink.url)

        assert ended.returncode == 0, ended.stderr
        assert set(sink.received) == {"parent", "child", "parent again"}
        incarnations = {
            item.value.string_value
            for post in sink.kept
            for resource_spans in post.message.resource_spans
            for item in resource_spans.resource.attributes
            if item.key == "service.instance.id"
        }
        assert len(incarnations) == 2


def test_caller_goes_on_while_the_file_is_locked_by_others(tmp_path: Path) -> None:
    with _ours(tmp_path) as outbox:
        outbox.settle("before", lambda: span("before", outcome="ok"))
        assert outbox.flush(ENDED_S_MAX)
        holder = sqlite3.connect(tmp_path / DATABASE_NAME, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        for number in range(1_000):
            outbox.begin(str(number), lambda: span("x"))
            outbox.settle(str(number), lambda: span("x", outcome="ok"))

        # All calls have returned, and the lock was held all the time: none of them touched the file.
        assert holder.execute("SELECT count(*) FROM settled").fetchone() == (1,)
        holder.execute("ROLLBACK")
        holder.close()
        assert outbox.flush(ENDED_S_MAX)
        assert (inspect(tmp_path).rows, outbox.stats().dropped) == (1_001, 0)


def test_importing_the_outbox_starts_nothing_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, threading; import voicegateway.outbox as it; from pathlib import Path;"
        "it.Outbox(Path('/nowhere'), incarnation='h-1-a', url='http://127.0.0.1:1');"
        "assert threading.active_count() == 1;"
        "print([name for name in ('sqlite3', 'requests', 'google.protobuf', 'opentelemetry') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout == "[]\n"


def test_closing_twice_or_unused_is_harmless_and_later_calls_are_counted(tmp_path: Path) -> None:
    unused = Outbox(tmp_path / "unused", incarnation="h-1-a")
    unused.close()
    assert not (tmp_path / "unused").exists()
    with _ours(tmp_path / "used") as outbox:
        outbox.start()
        outbox.close()
        outbox.close()

        assert not outbox.begin("late", lambda: span("late")).durable
        outbox.settle("late", lambda: span("late", outcome="ok"))

    assert outbox.stats().dropped == 2


def test_slow_controller_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with OtlpSink(lambda _spans: Reply(delay_s=30.0)) as sink, _ours(tmp_path, sink.url) as outbox:
        outbox.settle("a", lambda: span("a", outcome="ok"))
        sink.wait_until(lambda it: bool(it.posts))

        outbox.close(timeout_s=0.3)

        assert inspect(tmp_path).rows == 1
