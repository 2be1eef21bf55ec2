"""What becomes of settled spans, for everything a controller may answer."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.otlp_sink import OtlpSink, Reply, request_id_of
from tests.fixtures.spans import span
from tests.fixtures.waiting import eventually

from voicegateway.outbox import Outbox, OutboxStats, inspect
from voicegateway.outbox.answers import Verdict
from voicegateway.outbox.delivery import Delivery
from voicegateway.outbox.envelope import Row
from voicegateway_shared.ids import new_incarnation

FLUSH_S = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as running:
        yield running


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Outbox]]:
    made: list[Outbox] = []

    def make_one(url: str | None, token: str | None = "vgw_a_b") -> Outbox:
        made.append(Outbox(directory, incarnation=new_incarnation(), url=url, token=token))
        return made[-1]

    yield make_one
    for outbox in made:
        outbox.close()


def _settle(outbox: Outbox, *request_ids: str, padding: int = 0) -> None:
    for request_id in request_ids:
        body = span(request_id, outcome="ok", padding=padding)
        outbox.settle(request_id, lambda body=body: body)  # type: ignore[misc]


def _once(reply: Reply) -> Callable[[list[Span]], Reply]:
    replies = [reply]
    return lambda _spans: replies.pop() if replies else Reply()


def _numbers(count: int) -> list[str]:
    return [f"{number:04}" for number in range(count)]


def test_settled_span_arrives_as_it_is_and_leaves_the_disk(
    directory: Path, sink: OtlpSink, make: Callable[..., Outbox]
) -> None:
    outbox = make(sink.url)
    outbox.begin("a", lambda: span("a"))
    _settle(outbox, "a")

    assert outbox.flush(FLUSH_S)

    assert sink.received == {"a": {span("a", outcome="ok")}}
    assert inspect(directory) == OutboxStats()
    (post,) = sink.posts
    assert post.path == "/v1/traces"
    assert post.headers["Authorization"] == "Bearer vgw_a_b"
    assert post.headers["Content-Type"] == "application/x-protobuf"
    assert post.headers["Content-Encoding"] == "gzip"


def test_netrc_does_not_replace_our_token(
    tmp_path: Path, sink: OtlpSink, make: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    outbox = make(sink.url)
    _settle(outbox, "a")

    assert outbox.flush(FLUSH_S)

    assert sink.posts[0].headers["Authorization"] == "Bearer vgw_a_b"


def test_backlog_leaves_in_order_and_in_bounded_batches(sink: OtlpSink, make: Callable[..., Outbox]) -> None:
    detached = make(None)
    _settle(detached, *_numbers(1_500))
    assert detached.flush(FLUSH_S)
    assert sink.posts == []
    outbox = make(sink.url)
    outbox.start()

    assert outbox.flush(FLUSH_S)

    assert [request_id_of(item) for post in sink.posts for item in post.spans] == _numbers(1_500)
    assert max(len(post.spans) for post in sink.posts) <= 512


def test_batches_are_bounded_by_bytes(sink: OtlpSink, make: Callable[..., Outbox]) -> None:
    detached = make(None)
    _settle(detached, *_numbers(30), padding=100_000)
    assert detached.flush(FLUSH_S)
    outbox = make(sink.url)
    outbox.start()

    assert outbox.flush(FLUSH_S)

    assert max(len(post.raw) for post in sink.posts) <= 1024 * 1024 + 1024


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=502, keeps=True),
        Reply(status=503),
        Reply(cut=True, keeps=True),
        Reply(cut=True, keeps=False),
    ],
)
def test_failed_delivery_is_repeated_with_the_same_bytes(
    reply: Reply, directory: Path, sink: OtlpSink, make: Callable[..., Outbox]
) -> None:
    sink.decide = _once(reply)
    outbox = make(sink.url)
    _settle(outbox, "a")

    assert outbox.flush(FLUSH_S)

    assert len(sink.posts) == 2
    assert sink.posts[0].raw == sink.posts[1].raw
    assert inspect(directory).rows == 0


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_even_when_more_settles(status: int, sink: OtlpSink, make: Callable[..., Outbox]) -> None:
    sink.decide = _once(Reply(status=status, headers={"Retry-After": "1"}))
    outbox = make(sink.url)
    _settle(outbox, "a")
    sink.wait_until(lambda it: len(it.posts) == 1)
    _settle(outbox, "b")

    assert outbox.flush(FLUSH_S)

    first, second = sink.posts[:2]
    assert second.at - first.at >= 1.0
    assert [request_id_of(item) for item in second.spans] == ["a", "b"]


async def test_controller_that_comes_up_later_gets_everything(
    directory: Path, make: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        outbox = make(f"http://127.0.0.1:{port}")
        _settle(outbox, "a")
        assert outbox.flush_to_disk(FLUSH_S)
        assert outbox.flush(0.1) is False
        await eventually(lambda: "cannot be reached" in caplog.text)
    with OtlpSink(port=port) as sink:
        assert outbox.flush(FLUSH_S)

        assert set(sink.received) == {"a"}
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "cannot be reached" in said[0]


@pytest.mark.parametrize(
    ("reply", "mend"),
    [
        (Reply(status=401), "VOICEGATEWAY_TOKEN"),
        (Reply(status=403), "VOICEGATEWAY_TOKEN"),
        (Reply(status=404), "VOICEGATEWAY_URL"),
        (Reply(status=307, headers={"Location": "http://127.0.0.1:1/"}), "VOICEGATEWAY_URL"),
        (Reply(headers={"Content-Type": "text/html"}, body=b"<html>", keeps=False), "VOICEGATEWAY_URL"),
    ],
)
async def test_refusal_keeps_the_rows_says_once_what_to_do_and_lets_another_process_try(
    reply: Reply,
    mend: str,
    directory: Path,
    sink: OtlpSink,
    make: Callable[..., Outbox],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink.decide = lambda _spans: reply
    wrong = make(sink.url, "vgw_wrong_token")
    _settle(wrong, "a")
    await eventually(lambda: bool(wrong.stats().error))
    _settle(wrong, "b")
    assert wrong.flush_to_disk(FLUSH_S)

    assert inspect(directory).rows == 2
    assert mend in wrong.stats().error
    assert "vgw_wrong_token" not in caplog.text
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert len(sink.posts) == 1

    sink.decide = lambda _spans: Reply()
    right = make(sink.url, "vgw_right_token")
    right.start()
    assert right.flush(FLUSH_S)
    assert set(sink.received) == {"a", "b"}


def test_malformed_span_is_found_and_moved_aside_and_the_others_arrive(
    directory: Path, sink: OtlpSink, make: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    poison = {"0003", "0077", "0078"}
    detached = make(None)
    _settle(detached, *_numbers(100))
    assert detached.flush(FLUSH_S)
    sink.decide = lambda spans: Reply(status=400 if poison & {request_id_of(item) for item in spans} else 200)
    outbox = make(sink.url)
    outbox.start()

    assert outbox.flush(FLUSH_S)

    assert set(sink.received) == set(_numbers(100)) - poison
    assert inspect(directory).dead_letters == 3
    assert all(f"request {request_id}" in caplog.text for request_id in poison)


def test_answer_that_does_not_end_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        is_over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            # The client may have gone.
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not is_over.wait(0.05):
                    connection.sendall(b"1\r\n \r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        delivery = Delivery(f"http://127.0.0.1:{server.getsockname()[1]}", None)
        answer = delivery.post([Row(1, "0001", "life", span("0001", outcome="ok"))], timeout_s=0.3)
        is_over.set()
        thread.join()
        delivery.close()

    assert (answer.verdict, answer.cause) == (Verdict.FAILED, "TimeoutError")


def test_controller_that_calls_everything_malformed_is_not_believed_for_long(
    directory: Path, sink: OtlpSink, make: Callable[..., Outbox]
) -> None:
    detached = make(None)
    _settle(detached, *_numbers(300))
    assert detached.flush(FLUSH_S)
    sink.decide = lambda _spans: Reply(status=400)
    outbox = make(sink.url)
    outbox.start()
    sink.wait_until(lambda it: sum(len(post.spans) == 1 for post in it.posts) > 64)
    assert outbox.flush(1.0) is False
    outbox.close()

    stats = inspect(directory)
    assert stats.dead_letters < 70
    assert stats.rows + stats.dead_letters == 300
    assert "refuses every span" in outbox.stats().error


def test_batches_shrink_until_the_controller_takes_them(
    directory: Path, sink: OtlpSink, make: Callable[..., Outbox]
) -> None:
    detached = make(None)
    _settle(detached, *_numbers(600))
    assert detached.flush(FLUSH_S)
    sink.decide = lambda spans: Reply(status=413 if len(spans) > 100 else 200)
    outbox = make(sink.url)
    outbox.start()

    assert outbox.flush(FLUSH_S)

    assert [request_id_of(item) for post in sink.kept for item in post.spans] == _numbers(600)
    assert sum(post.reply.status == 413 for post in sink.posts) < 10
    assert inspect(directory).dead_letters == 0


async def test_quarantined_spans_are_counted_and_said(
    sink: OtlpSink, make: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 1
    response.partial_success.error_message = "unknown meter"
    sink.decide = _once(Reply(body=response.SerializeToString()))
    outbox = make(sink.url)
    _settle(outbox, "a")

    assert outbox.flush(FLUSH_S)

    assert (outbox.stats().delivered, outbox.stats().rejected) == (1, 1)
    assert "unknown meter" in caplog.text


def test_unusable_addresses_harm_nothing(directory: Path, make: Callable[..., Outbox]) -> None:
    for url in ("not an address", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999"):
        outbox = make(url)
        _settle(outbox, url)
        assert outbox.flush_to_disk(FLUSH_S)
        outbox.close()
        assert outbox.stats().error, url

    assert inspect(directory).rows == 5
